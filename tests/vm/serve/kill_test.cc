// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A service that is killed in each state that its threads can be in, while it
// is called. Each call that it has gets a status, the kernel has nothing of it
// any more, the next process finds nothing of it in its memory, and the service
// that is started in its place is reached by those who called it.
//
// The service is of a user who may have one process and the memory of one: if
// anything is left of it the next one is refused.

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/random.h"
#include "tests/vm/serve/calls.h"
#include "tests/vm/serve/service.h"
#include "tests/vm/serve/shown.h"
#include "tests/vm/serve/stay.h"

namespace lauberhorn::serve {
namespace {

enum class State {
  kWaiting,   // looks at its line
  kParked,    // sleeps until RUN
  kRunning,   // computes in a handler
  kReplying,  // between take and reply, in a handler that sleeps
  kInPark,    // on its way into the sleep
  kInExit,    // its process ends by itself
};
constexpr State kStates[] = {State::kWaiting,  State::kParked, State::kRunning,
                             State::kReplying, State::kInPark, State::kInExit};
constexpr const char* kNames[] = {"waiting",  "parked",  "running",
                                  "replying", "in PARK", "in exit"};

// The longest that there is.
constexpr absl::Duration kLooks = absl::Seconds(1);

int Kills() { return kmod::IsLong() ? 500 : 50; }

absl::Duration Monotonic() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

void Reload(const char* parameters) {
  ASSERT_TRUE(ComesTrue([] { return kmod::Unload() == 0; }));
  ASSERT_EQ(setenv("PARAMETERS", parameters, 1), 0);
  ASSERT_EQ(kmod::Load(), 0);
}

// All threads that the process has now, and those that they start.
void RunOn(pid_t process, std::initializer_list<int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  const std::string tasks = absl::StrCat("/proc/", process, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    sched_setaffinity(std::stoi(task.path().filename()), sizeof(set), &set);
  }
}

class Kill : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Reload("max_processes_per_user=1 max_memory_per_user=4");
    ASSERT_EQ(chmod("/dev/lauberhorn0", 0666), 0);
    // Of pages that the kernel waits for, too.
    std::ofstream("/proc/sys/vm/unprivileged_userfaultfd") << 1;
  }
  static void TearDownTestSuite() { Reload(""); }

  // Starts the service, for the first time or in the place of the last one.
  void Start(State state);
  // Kills it in that state. False if that is not certain: then it is dead, too.
  bool KillIn(State state);

 private:
  // Brings a thread into the state, whose calls are `calls`.
  bool Come(State state, Outstanding& calls);
  bool StaysAs(Outstanding& calls, const char* how,
               bool (*is)(const ThreadShown& shown));
  bool StopsInExit(Outstanding& calls);
  void ExpectNothingLeft() const;

  pid_t process() const { return service_->process().pid(); }
  std::string Secret() const { return absl::StrCat("secret number ", number_); }
  std::string FindSecret() const {
    return caller_->Call("Find", Inverted(Secret())).value_or("no answer");
  }

  const Process nic_ = StartNic();
  const std::shared_ptr<Runtime> runtime_ = OpenKernelRuntime();
  const int parts_ = CountParts();
  std::unique_ptr<Service> service_;
  int port_ = 0;
  std::unique_ptr<Caller> caller_;
  std::optional<AttachmentShown> place_;
  int number_ = 0;
  absl::Duration called_;
};

void Kill::Start(State state) {
  ServiceOptions options;
  options.user = kFirstUser;
  options.port = port_;
  options.spin = state == State::kWaiting ? kLooks : absl::ZeroDuration();
  service_ = std::make_unique<Service>("victim", options);
  const std::optional<AttachmentShown> place = ShowAttachment(process());
  ASSERT_TRUE(place.has_value());
  if (port_ == 0) {
    port_ = service_->port();
    caller_ = std::make_unique<Caller>(runtime_, port_);
  } else {
    EXPECT_EQ(place->place, place_->place);
    EXPECT_EQ(place->generation, place_->generation + 1);
  }
  place_ = place;
  caller_->CallUntilAnswered("Echo", "x");
  EXPECT_EQ(FindSecret(), "0");
  ++number_;
  EXPECT_TRUE(caller_->Call("Echo", Secret()).ok());
  EXPECT_NE(FindSecret(), "0");
}

bool Kill::StaysAs(Outstanding& calls, const char* how,
                   bool (*is)(const ThreadShown& shown)) {
  calls.Call("Stay", how);
  const pid_t thread = service_->AwaitStay();
  return ComesTrue([&] { return is(ShowThread(process(), thread)); });
}

// Its first thread stops there, with all that the process has, until it is let
// go; the others end.
bool Kill::StopsInExit(Outstanding& calls) {
  EXPECT_EQ(ptrace(PTRACE_SEIZE, process(), nullptr, PTRACE_O_TRACEEXIT), 0);
  calls.Call("Stay", "exits");
  int status = 0;
  const bool stops = ComesTrue([&] {
    return waitpid(process(), &status, WNOHANG | __WALL) == process() &&
           status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
  });
  if (!stops || !ComesTrue([&] { return WorkersOf(process()).empty(); })) {
    return false;
  }
  calls.Call("Echo", "x");
  return true;
}

bool Kill::Come(State state, Outstanding& calls) {
  switch (state) {
    case State::kWaiting:
      // No thread looks where the NIC runs.
      RunOn(nic_.pid(), {0});
      RunOn(process(), {1});
      called_ = Monotonic();
      return caller_->Call("Echo", "x").ok();
    case State::kParked:
      return ComesTrue([&] {
        const std::vector<pid_t> workers = WorkersOf(process());
        return std::any_of(workers.begin(), workers.end(), [&](pid_t worker) {
          return ShowThread(process(), worker).Parked();
        });
      });
    case State::kRunning:
      return StaysAs(calls, "computes", [](const ThreadShown& shown) {
        return shown.state == 'R' && shown.call == -1;
      });
    case State::kReplying:
      return StaysAs(calls, "replies", [](const ThreadShown& shown) {
        return shown.state == 'S' && shown.call == SYS_pause;
      });
    case State::kInPark:
      return StaysAs(calls, "parks", [](const ThreadShown& shown) {
        return shown.InPark() && shown.sleeps == "handle_userfault";
      });
    case State::kInExit:
      return StopsInExit(calls);
  }
  return false;
}

void Kill::ExpectNothingLeft() const {
  EXPECT_TRUE(DeviceComesToShow("processes", "1"));
  EXPECT_TRUE(ComesTrue([this] { return CountParts() == parts_; }))
      << CountParts() << " parts, not " << parts_;
}

bool Kill::KillIn(State state) {
  Outstanding calls(runtime_, port_);
  calls.Call("Hold", "");
  calls.Call("Hold", "");
  bool certain = Come(state, calls);
  EXPECT_TRUE(certain) << kNames[static_cast<int>(state)];
  EXPECT_TRUE(service_->process().Signal(SIGKILL));
  if (state == State::kWaiting) {
    // It looks for a second after its last call, which began later.
    certain = Monotonic() - called_ < kLooks;
    RunOn(nic_.pid(), {0, 1});
  }
  if (state == State::kInExit) ptrace(PTRACE_DETACH, process(), 0, 0);
  service_ = nullptr;
  calls.Join();
  ExpectNothingLeft();
  return certain;
}

TEST_F(Kill, InEachState) {
  std::map<State, int> killed;
  for (int kills = 0; kills < Kills() && !HasFailure();) {
    const State state = kStates[kills % std::size(kStates)];
    ASSERT_NO_FATAL_FAILURE(Start(state));
    if (!KillIn(state)) continue;
    ++killed[state];
    ++kills;
  }
  for (const auto& [state, times] : killed) {
    std::printf("%s: %d\n", kNames[static_cast<int>(state)], times);
  }
  std::printf("FIGURE vm_kill_states_covered %zu states\n", killed.size());
  EXPECT_EQ(killed.size(), std::size(kStates));
  if (!HasFailure()) Start(State::kParked);
}

}  // namespace
}  // namespace lauberhorn::serve
