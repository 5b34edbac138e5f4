// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/dispatch_policy.h"

#include <gtest/gtest.h>

namespace lauberhorn::nic {
namespace {

constexpr std::uint32_t kSlots = 8;
constexpr std::uint64_t kMethod = 77;
constexpr std::uint64_t kOther = 78;

class DispatchPolicyTest : public ::testing::Test {
 protected:
  DispatchPolicyTest() {
    policy_.set_limits({.running = 2, .threads = 4, .queued = 8});
  }

  DispatchPolicy policy_;
  DispatchLoad load_ = {.queued = 1, .head_since = kSecond};
};

TEST_F(DispatchPolicyTest, BelowTheLimitAThreadIsWokenAtOnce) {
  EXPECT_EQ(policy_.WakeFrom(load_), 0u);
  load_.running = 1;
  EXPECT_EQ(policy_.WakeFrom(load_), 0u);
}

TEST_F(DispatchPolicyTest, WhatRunsDoesLittleWorkSoonerThanAWake) {
  load_.work = kMicrosecond;
  EXPECT_EQ(policy_.WakeFrom(load_), 0u) << "nothing runs";
  load_.running = 1;
  const Nanos late = policy_.WakeFrom(load_);
  EXPECT_GT(late, load_.head_since);
  EXPECT_LT(late, load_.head_since + kMillisecond) << "it did not";
  load_.work = kMillisecond;
  EXPECT_EQ(policy_.WakeFrom(load_), 0u);
}

TEST_F(DispatchPolicyTest, OneWakeAtATimeAndNoneForNothing) {
  load_.waking = true;
  EXPECT_EQ(policy_.WakeFrom(load_), kNever);
  EXPECT_EQ(policy_.WakeFrom({}), kNever);
}

TEST_F(DispatchPolicyTest, BeyondTheLimitTheQueueMustHaveWaited) {
  load_.running = 2;
  const Nanos first = policy_.WakeFrom(load_);
  EXPECT_GT(first, load_.head_since);
  EXPECT_LE(first, load_.head_since + 10 * kMillisecond);
  policy_.WokeBeyondLimit(first);
  EXPECT_EQ(policy_.WakeFrom(load_) - first, first - load_.head_since)
      << "once for each target delay";
}

TEST_F(DispatchPolicyTest, RefusesOnlyIfEveryThreadWaitsForACall) {
  load_.serving = load_.left = 4;
  const Nanos when = policy_.RefuseFrom(load_);
  EXPECT_GT(when, load_.head_since);
  EXPECT_LE(when, load_.head_since + 10 * kMillisecond);
  load_.left = 3;
  EXPECT_EQ(policy_.RefuseFrom(load_), kNever) << "one moves";
  load_.serving = load_.left = 3;
  EXPECT_EQ(policy_.RefuseFrom(load_), kNever) << "one more may be started";
  load_.serving = load_.left = 4;
  load_.queued = 0;
  EXPECT_EQ(policy_.RefuseFrom(load_), kNever) << "whom?";
}

TEST_F(DispatchPolicyTest, StagesOnlyBehindMethodsThatAreKnownToBeShort) {
  load_.running = 1;
  EXPECT_EQ(policy_.StageDepth(kMethod, load_, kSlots), 0u);
  policy_.Ran(kMethod, kMicrosecond);
  EXPECT_EQ(policy_.StageDepth(kMethod, load_, kSlots), 1u);
  EXPECT_EQ(policy_.StageDepth(kOther, load_, kSlots), 0u);
  policy_.Ran(kOther, kMillisecond);
  EXPECT_EQ(policy_.StageDepth(kOther, load_, kSlots), 0u);
  load_.waking = true;
  EXPECT_EQ(policy_.StageDepth(kMethod, load_, kSlots), 0u)
      << "somebody is on the way";
}

TEST_F(DispatchPolicyTest, StagesDeeperWhileMoreIsQueuedThanHandlersRun) {
  policy_.Ran(kMethod, kMicrosecond);
  load_.running = 2;
  load_.queued = 3;
  EXPECT_EQ(policy_.StageDepth(kMethod, load_, kSlots), kSlots - 2);
  EXPECT_EQ(policy_.StageDepth(kMethod, load_, 2), 0u) << "no slot to spare";
}

TEST_F(DispatchPolicyTest, AMeanFollowsWhatMethodsDo) {
  EXPECT_EQ(policy_.Mean(kMethod), kNever);
  policy_.Ran(kMethod, 800);
  EXPECT_EQ(policy_.Mean(kMethod), 800u);
  policy_.Ran(kMethod, 1600);
  EXPECT_EQ(policy_.Mean(kMethod), 900u);
  for (int i = 0; i < 100; ++i) policy_.Ran(kMethod, kMillisecond);
  EXPECT_GT(policy_.Mean(kMethod), kMillisecond / 2);
  for (int i = 0; i < 100; ++i) policy_.Ran(kMethod, 800);
  EXPECT_LT(policy_.Mean(kMethod), 10 * kMicrosecond);
}

TEST_F(DispatchPolicyTest, TheTimeToTakeDoublesAndHasABound) {
  const Nanos first = policy_.TakeLimit(0);
  EXPECT_GT(first, kMicrosecond);
  EXPECT_EQ(policy_.TakeLimit(1), 2 * first);
  EXPECT_EQ(policy_.TakeLimit(2), 4 * first);
  EXPECT_EQ(policy_.TakeLimit(255), policy_.TakeLimit(254));
  EXPECT_LT(policy_.TakeLimit(255), kSecond);
}

TEST_F(DispatchPolicyTest, TwoThreadsStayAndTheOthersGoAfterAWhile) {
  EXPECT_EQ(policy_.RetireFrom(2, kSecond), kNever);
  EXPECT_GT(policy_.RetireFrom(3, kSecond), 2 * kSecond);
  EXPECT_LT(policy_.RetireFrom(3, kSecond), 100 * kSecond);
}

}  // namespace
}  // namespace lauberhorn::nic
