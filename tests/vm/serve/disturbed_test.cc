// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What only delays a service: it, the NIC, or a CPU stops and goes on while
// calls come. All of them are answered, and none runs twice.

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(50);
constexpr int kRounds = 4;

bool Write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

class Disturbed : public ::testing::Test {
 protected:
  // Calls from several threads while `disturb` runs, each until it has made
  // some afterwards, too.
  void CallDuring(const std::function<void()>& disturb) {
    const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
    std::atomic<bool> done = false;
    std::atomic<std::uint64_t> answered = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&] {
        Caller caller(runtime, service_.port());
        for (int more = 20; more > 0; more -= done ? 1 : 0) {
          const absl::StatusOr<std::string> reply = caller.Call("Echo", "x");
          ASSERT_TRUE(reply.ok()) << reply.status();
          ++answered;
        }
      });
    }
    while (answered < 20) absl::SleepFor(absl::Milliseconds(1));
    disturb();
    done = true;
    for (std::thread& thread : threads) thread.join();
    const Service::Counts counts = service_.End();
    EXPECT_EQ(counts.runs, answered);
    EXPECT_EQ(counts.twice, 0u);
  }

  Process nic_ = StartNic();
  Service service_{"one"};
};

void StopAndGoOn(const Process& process) {
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_TRUE(process.Signal(SIGSTOP));
    absl::SleepFor(kStep);
    EXPECT_TRUE(process.Signal(SIGCONT));
    absl::SleepFor(kStep);
  }
}

TEST_F(Disturbed, TheServiceIsStopped) {
  CallDuring([this] { StopAndGoOn(service_.process()); });
}

TEST_F(Disturbed, TheNicIsStopped) {
  CallDuring([this] { StopAndGoOn(nic_); });
}

TEST_F(Disturbed, ACpuGoesAndComes) {
  CallDuring([] {
    const std::string online = "/sys/devices/system/cpu/cpu1/online";
    for (int round = 0; round < kRounds; ++round) {
      EXPECT_TRUE(Write(online, "0"));
      absl::SleepFor(kStep);
      EXPECT_TRUE(Write(online, "1"));
      absl::SleepFor(kStep);
    }
  });
}

TEST_F(Disturbed, ThreadsAreMoved) {
  CallDuring([this] {
    for (int round = 0; round < 4 * kRounds; ++round) {
      cpu_set_t cpu;
      CPU_ZERO(&cpu);
      CPU_SET(round % 2, &cpu);
      const std::string tasks =
          absl::StrCat("/proc/", service_.process().pid(), "/task");
      for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        sched_setaffinity(std::stoi(task.path().filename()), sizeof(cpu), &cpu);
      }
      absl::SleepFor(kStep / 4);
    }
  });
}

// A cgroup of the service's own.
class Group {
 public:
  explicit Group(pid_t pid) {
    Write(absl::StrCat(kRoot, "/cgroup.subtree_control"), "+cpu");
    EXPECT_EQ(mkdir(kGroup, 0755), 0);
    EXPECT_TRUE(
        Write(absl::StrCat(kGroup, "/cgroup.procs"), absl::StrCat(pid)));
  }
  ~Group() {
    Write(absl::StrCat(kRoot, "/cgroup.procs"), Members());
    rmdir(kGroup);
  }

  bool Set(const std::string& attribute, const std::string& value) const {
    return Write(absl::StrCat(kGroup, "/", attribute), value);
  }

 private:
  static constexpr char kRoot[] = "/sys/fs/cgroup";
  static constexpr char kGroup[] = "/sys/fs/cgroup/serve";

  static std::string Members() {
    std::ifstream file(absl::StrCat(kGroup, "/cgroup.procs"));
    std::string pid;
    std::getline(file, pid);
    return pid;
  }
};

TEST_F(Disturbed, TheServiceIsFrozen) {
  CallDuring([this] {
    const Group group(service_.process().pid());
    for (int round = 0; round < kRounds; ++round) {
      EXPECT_TRUE(group.Set("cgroup.freeze", "1"));
      absl::SleepFor(kStep);
      EXPECT_TRUE(group.Set("cgroup.freeze", "0"));
      absl::SleepFor(kStep);
    }
  });
}

TEST_F(Disturbed, TheServiceIsThrottled) {
  CallDuring([this] {
    const Group group(service_.process().pid());
    EXPECT_TRUE(group.Set("cpu.max", "2000 50000"));
    absl::SleepFor(4 * kRounds * kStep);
    EXPECT_TRUE(group.Set("cpu.max", "max"));
  });
}

}  // namespace
}  // namespace lauberhorn::serve
