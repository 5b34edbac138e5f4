// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A machine that has little to do: which way calls go, and what it costs that
// nothing happens.

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/counted.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

constexpr int kCalls = 1'000;

// One at a time.
void CallOneByOne(int port, int calls) {
  Caller caller(OpenKernelRuntime(), port);
  for (int call = 0; call < calls; ++call) {
    ASSERT_TRUE(caller.Call("Echo", "x").ok());
  }
}

TEST(Idle, CallsGoStraightToAThreadThatWaits) {
  const Process nic = StartNic();
  Service service("waits", {.spin = absl::Seconds(1)});
  CallOneByOne(service.port(), kCalls);
  const Counted counted(service.process().pid());
  // Each time that a thread got one it was by one of these.
  const double direct = counted["calls_delivered"];
  const double all =
      direct + counted["calls_delivered_wake"] + counted["calls_staged"];
  EXPECT_GE(all, kCalls);
  EXPECT_GT(direct, all / 2);
  std::printf("FIGURE vm_direct_share_idle_percent %.1f %%\n",
              100 * direct / all);
}

TEST(Idle, ThreadsThatSleepAreRun) {
  const Process nic = StartNic();
  Service service("sleeps", {.spin = absl::ZeroDuration()});
  // Some find their thread still awake.
  CallOneByOne(service.port(), 3 * kCalls / 2);
  const Counted counted(service.process().pid());
  std::printf("FIGURE vm_run_dispatches %.0f calls\n", counted["calls_run"]);
  EXPECT_GE(counted["calls_run"], kCalls);
}

// The time that a process has had on CPUs.
double CpuSeconds(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text;
  std::getline(file, text);
  // After its name, which may contain anything but this.
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(text.rfind(')') + 2), ' ');
  double user = 0, system = 0;
  EXPECT_TRUE(fields.size() > 12 && absl::SimpleAtod(fields[11], &user) &&
              absl::SimpleAtod(fields[12], &system));
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// How often it has gone to sleep, if it sleeps; else nothing.
std::string Asleep(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  bool asleep = false;
  for (std::string line; std::getline(file, line);) {
    asleep = asleep || absl::StartsWith(line, "State:\tS");
    if (absl::StartsWith(line, "voluntary_ctxt_switches")) {
      return asleep ? line : "";
    }
  }
  return "";
}

TEST(Idle, TheNicSleepsWhileServicesWait) {
  const Process nic = StartNic();
  std::vector<Service> services;
  for (int number = 0; number < 8; ++number) {
    services.emplace_back(absl::StrCat("service ", number));
    CallOneByOne(services.back().port(), 1);
  }
  // It comes to sleep, and nothing wakes it.
  EXPECT_TRUE(ComesTrue([&] {
    const std::string asleep = Asleep(nic.pid());
    absl::SleepFor(absl::Seconds(1));
    return !asleep.empty() && Asleep(nic.pid()) == asleep;
  }));
  constexpr double kTime = 3;
  const double before = CpuSeconds(nic.pid());
  absl::SleepFor(absl::Seconds(kTime));
  const double percent = 100 * (CpuSeconds(nic.pid()) - before) / kTime;
  std::printf("FIGURE vm_idle_poll_percent %.1f %%\n", percent);
}

}  // namespace
}  // namespace lauberhorn::serve
