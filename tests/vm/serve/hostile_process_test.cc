// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A process that means ill, beside a service of the same NIC: that goes on, as
// do its callers, and the NIC.

#include <signal.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/calls.h"
#include "tests/vm/serve/random.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

constexpr int kRounds = 2;
constexpr int kCalls = 50;

class HostileProcess : public ::testing::TestWithParam<const char*> {};

TEST_P(HostileProcess, HarmsItselfOnly) {
  Process nic = StartNic();
  const std::string epoch = DeviceShows("epoch");
  Service service("good");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  Calls first(runtime, service.port()), second(runtime, service.port());
  Random random(Seed());
  for (int round = 0; round < kRounds; ++round) {
    Process hostile({"/proc/self/exe", "hostile", GetParam(),
                     absl::StrCat(service.port()), absl::StrCat(random())});
    ASSERT_EQ(hostile.ReadLine(), "attacks");
    const std::uint64_t until = first.answered() + kCalls;
    EXPECT_TRUE(ComesTrue([&] { return first.answered() >= until; }));
    second.AwaitMore();
    // It still does what it can.
    EXPECT_TRUE(hostile.Signal(0));
    hostile.Kill();
    EXPECT_TRUE(DeviceComesToShow("processes", "2"));
  }
  first.End();
  second.End();
  EXPECT_EQ(first.failed(), 0u);
  EXPECT_EQ(second.failed(), 0u);
  EXPECT_EQ(DeviceShows("epoch"), epoch);
  EXPECT_EQ(DeviceShows("status"), "ready");
  const Service::Counts counts = service.End();
  EXPECT_GE(counts.runs, first.answered() + second.answered());
  EXPECT_EQ(counts.twice, 0u);
  EXPECT_TRUE(nic.Signal(SIGTERM));
  EXPECT_EQ(nic.Wait(), 0);
}

INSTANTIATE_TEST_SUITE_P(By, HostileProcess,
                         ::testing::Values("garbage", "states", "forged",
                                           "cancels"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace lauberhorn::serve
