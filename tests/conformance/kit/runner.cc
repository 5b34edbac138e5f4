// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kit/runner.h"

#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

namespace lauberhorn::conformance {
namespace {

std::vector<Test> AllTests() {
  std::vector<Test> tests;
  for (const std::span<const Test> theme :
       {RegionTests(), LaneTests(), WakeTests(), ControlTests(), CallTests(),
        EndTests(), DispatchTests(), QuarantineTests()}) {
    tests.insert(tests.end(), theme.begin(), theme.end());
  }
  return tests;
}

bool Matches(const Test& test, const std::string& only) {
  return (std::string(test.rules) + " " + test.text).find(only) !=
         std::string::npos;
}

// Ends the program if a test does not return: a thread may be at a load that is
// not answered, and nothing else ends that.
class Watchdog {
 public:
  // In so many of a test's waits one of them has failed long ago.
  static constexpr int kWaits = 12;

  explicit Watchdog(std::chrono::milliseconds patience)
      : limit_(patience * kWaits + std::chrono::seconds(60)),
        thread_([this] { Run(); }) {}
  ~Watchdog() {
    Tell(nullptr, true);
    thread_.join();
  }

  // A test begins.
  void Begin(const Test& test) { Tell(test.text, false); }

 private:
  void Tell(const char* text, bool end) {
    const std::lock_guard<std::mutex> lock(mutex_);
    text_ = text;
    end_ = end;
    ++turn_;
    told_.notify_all();
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!end_) {
      const std::uint64_t turn = turn_;
      if (told_.wait_for(lock, limit_, [&] { return turn_ != turn; })) continue;
      if (text_ == nullptr) continue;
      std::printf("Bail out! No end of \"%s\": a load may be unanswered\n",
                  text_);
      std::fflush(stdout);
      _exit(2);
    }
  }

  const std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::condition_variable told_;
  const char* text_ = nullptr;
  bool end_ = false;
  std::uint64_t turn_ = 0;
  std::thread thread_;
};

// Why the test has nothing to look at; empty if it has.
std::string Lacks(const Test& test, const HostOptions& options) {
  const std::string words =
      std::string(" ") + test.rules + " " + test.text + " ";
  for (const std::string& without : options.without) {
    if (words.find(" " + without + " ") != std::string::npos) {
      return "--without " + without;
    }
  }
  const unsigned lacks = test.needs & ~options.has;
  if ((lacks & kWake) != 0) return "--no-wake: its wakes are not futexes";
  if ((lacks & kRing) != 0) return "no --ring: it never sleeps";
  return "";
}

struct Counts {
  int passed = 0;
  int failed = 0;
  int failed_should = 0;
  int skipped = 0;
};

void RunTest(Host& host, const Test& test, int number, Counts& counts) {
  const auto line = [&](const char* how) {
    std::printf("%s %d - %s: %s", how, number, test.rules, test.text);
  };
  try {
    const std::string lacks = Lacks(test, host.options());
    if (!lacks.empty()) throw NotApplicable{lacks};
    host.Reset();
    test.run(host);
    line("ok");
    std::printf("\n");
    ++counts.passed;
  } catch (const NotApplicable& reason) {
    line("ok");
    std::printf(" # SKIP %s\n", reason.why.c_str());
    ++counts.skipped;
  } catch (const Failure& failure) {
    line("not ok");
    std::printf("%s\n#   expected: %s\n#   the device: %s\n",
                test.should ? " # SHOULD" : "", failure.expected.c_str(),
                failure.found.c_str());
    ++(test.should ? counts.failed_should : counts.failed);
  }
  std::fflush(stdout);
}

}  // namespace

void List() {
  for (const Test& test : AllTests()) {
    std::istringstream rules(test.rules);
    for (std::string rule; rules >> rule;) {
      std::printf("%s\t%s\t%s\n", rule.c_str(), test.should ? "SHOULD" : "MUST",
                  test.text);
    }
  }
}

int Run(RegionFile& region, const RunOptions& options) {
  std::vector<Test> tests;
  for (const Test& test : AllTests()) {
    if (Matches(test, options.only)) tests.push_back(test);
  }
  std::printf("TAP version 13\n1..%zu\n", tests.size());
  if (lh_load_acquire(&region.info().magic) != LH_MAGIC ||
      region.info().version_major != LH_VERSION_MAJOR) {
    std::printf("Bail out! No device of version %d: magic %s, version %u\n",
                LH_VERSION_MAJOR, Hex(region.info().magic).c_str(),
                region.info().version_major);
    return 2;
  }
  Host host(region, options.host);
  Watchdog watchdog(options.host.patience);
  Counts counts;
  int number = 0;
  for (const Test& test : tests) {
    watchdog.Begin(test);
    RunTest(host, test, ++number, counts);
  }
  std::printf(
      "# %d passed, %d failed, %d failed that say SHOULD, "
      "%d not applicable\n",
      counts.passed, counts.failed, counts.failed_should, counts.skipped);
  return counts.failed == 0 && !tests.empty() ? 0 : 1;
}

}  // namespace lauberhorn::conformance
