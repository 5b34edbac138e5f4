// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// The rig of dispatch_floor does what the benchmark says: every call is run by
// the worker, once, whatever the window.

#include "bench/dispatch_rig.h"

#include <vector>

#include "bench/cpu.h"
#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

class DispatchRigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Pin(1) || !Pin(0)) {
      GTEST_SKIP() << "needs CPU 0 and CPU 1, and may not run on both";
    }
    absl::StatusOr<std::unique_ptr<DispatchRig>> rig = DispatchRig::Start();
    ASSERT_TRUE(rig.ok()) << rig.status();
    rig_ = *std::move(rig);
  }

  std::unique_ptr<DispatchRig> rig_;
};

TEST_F(DispatchRigTest, CallsAreRunOnceInEveryWindow) {
  const nic::Counters& counters = rig_->counters();
  for (const std::size_t window : {1u, 2u, 3u, 8u}) {
    const std::uint64_t before = counters.replies_collected.value();
    rig_->Calls(200, window);
    EXPECT_EQ(counters.replies_collected.value() - before, 200u);
  }
  EXPECT_EQ(rig_->calls(), 800u);
  EXPECT_EQ(counters.calls_superseded.value(), 0u);
  EXPECT_EQ(counters.calls_duplicate.value(), 0u);
  EXPECT_EQ(counters.packets_malformed.value(), 0u);
}

TEST_F(DispatchRigTest, TurnsOfTheFloorAndCallsAlternate) {
  std::vector<double> times;
  for (int round = 0; round < 3; ++round) {
    EXPECT_GT(rig_->Bounce(50), 0);
    EXPECT_GT(rig_->Echo(50), 0);
    rig_->EachCall(50, &times);
  }
  EXPECT_EQ(times.size(), 150u);
  // The turns are calls too.
  EXPECT_EQ(rig_->counters().replies_collected.value(), 156u);
}

TEST_F(DispatchRigTest, AnotherCanStartAfterIt) {
  rig_->Calls(10, 1);
  rig_.reset();
  const auto again = DispatchRig::Start();
  ASSERT_TRUE(again.ok()) << again.status();
  (*again)->Calls(10, 1);
}

}  // namespace
}  // namespace lauberhorn::bench
