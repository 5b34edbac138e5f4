// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Whose CPUs they are, and whose time.
#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/processors.h"
#include "nic/testing/processors_fixture.h"

namespace lauberhorn::nic {
namespace {

using testing::ProcessorsTest;

constexpr std::uint32_t kNone = Processors::kNone;

class ProcessorsSharesTest : public ProcessorsTest {
 protected:
  // The time of a process, each of which has weight 1.
  Nanos TimeOf(std::uint32_t process) {
    return processors_.shares().virtual_time(process) / CpuShares::kUnit;
  }
  void LookAfter(Nanos time) {
    now_ += time;
    Look();
  }
};

TEST_F(ProcessorsSharesTest, ACpuIsTakenFromWhoIsAhead) {
  kernel_.Bound(0, 3);
  kernel_.Publish(1, {.mode = LH_CPU_BOUND,
                      .endpoint = 4,
                      .scheduling_class = LH_CPU_CLASS_REALTIME});
  kernel_.Publish(2, {.mode = LH_CPU_OTHER, .nr = 2});
  Look();
  CpuShares& shares = processors_.shares();
  EXPECT_EQ(processors_.CpuToTake(0, now_), kNone) << "it is not its turn";
  shares.Busy(0);
  shares.Claim(0, now_);
  EXPECT_EQ(processors_.CpuToTake(0, now_), 2u) << "nobody is ahead";
  now_ += kMillisecond;
  Look();  // a handler was seen for so long
  EXPECT_EQ(processors_.CpuToTake(0, now_), 0u);
  kernel_.Publish(
      2, {.mode = LH_CPU_OTHER, .scheduling_class = LH_CPU_CLASS_REALTIME});
  kernel_.Idle(0);
  kernel_.Publish(0, {.mode = LH_CPU_OFFLINE});
  Look();
  EXPECT_EQ(processors_.CpuToTake(0, now_), kNone);
}

TEST_F(ProcessorsSharesTest, TimeIsChargedToWhoComputes) {
  CpuShares& shares = processors_.shares();
  kernel_.Bound(0, 1);
  kernel_.Bound(1, 4);
  processors_.SetWaiting(4, now_);
  Look();
  now_ += 500;
  Look();
  EXPECT_EQ(shares.virtual_time(0), 500 * CpuShares::kUnit);
  EXPECT_EQ(shares.virtual_time(1), 0u);
  kernel_.Idle(0);
  now_ += 100;
  Look();
  now_ += 100;
  Look();
  EXPECT_EQ(shares.virtual_time(0), 600 * CpuShares::kUnit);
}

// Rule 26.
TEST_F(ProcessorsSharesTest, TimeIsSharedByAllThatRanSinceTheLastLook) {
  kernel_.Bound(0, 1);
  Look();
  kernel_.Bound(0, 4);
  LookAfter(300);
  EXPECT_EQ(TimeOf(0), 150u);
  EXPECT_EQ(TimeOf(1), 150u);
  kernel_.Bound(0, 1);
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  LookAfter(300);
  EXPECT_EQ(TimeOf(0), 300u) << "that ran last is in no word";
  EXPECT_EQ(TimeOf(1), 300u);
  LookAfter(300);
  EXPECT_EQ(TimeOf(0) + TimeOf(1), 600u);
  // If more left than is told, it is of who was seen.
  kernel_.Bound(0, 1);
  Look();
  for (int time = 0; time < 8; ++time) {
    kernel_.Bound(0, 4);
    kernel_.Bound(0, 1);
  }
  LookAfter(100);
  EXPECT_EQ(TimeOf(0), 400u);
  EXPECT_EQ(TimeOf(1), 300u);
}

// A NIC that sees no line but its own has seen nobody run.
TEST_F(ProcessorsSharesTest, TimeIsChargedToWhoRunsWhileTheNicSleeps) {
  processors_.SetOwnCpu(0);
  for (int sleep = 0; sleep < 3; ++sleep) {
    kernel_.Bound(0, 1);
    kernel_.Publish(0, {.mode = LH_CPU_OTHER, .nr = 2});
    LookAfter(500);
    LookAfter(10);  // the NIC's own
  }
  EXPECT_EQ(TimeOf(0), 1500u);
}

TEST_F(ProcessorsSharesTest, TheNicsOwnCpuIsFreeIfNobodyElseIsThere) {
  kernel_.Publish(1, {.mode = LH_CPU_OTHER, .nr = 1});
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone);
  processors_.SetOwnCpu(1);
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u);
  kernel_.Publish(1, {.mode = LH_CPU_OTHER, .nr = 2});
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone);
  // A thread that waits in vain gives way there as well, preempted or not.
  kernel_.Bound(1, 3);
  kernel_.SetState(3, LH_ENDPOINT_RUNNABLE);
  kernel_.Publish(1, {.mode = LH_CPU_OTHER, .nr = 2});
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone);
  processors_.SetWaiting(3, now_ - 3 * kMicrosecond);
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u);
  processors_.SetOwnCpu(kNone);
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone) << "that is somebody else";
}

TEST_F(ProcessorsSharesTest, ACpuIsTakenFromWhoWasPreemptedThere) {
  kernel_.Bound(2, 3);
  kernel_.SetState(3, LH_ENDPOINT_RUNNABLE);
  Look();
  kernel_.Publish(2, {.mode = LH_CPU_OTHER, .nr = 2});
  LookAfter(kMillisecond);
  EXPECT_EQ(processors_.CpuToTake(0, now_), 2u) << "it is ahead";
  kernel_.SetState(3, LH_ENDPOINT_BLOCKED);
  EXPECT_EQ(processors_.CpuToTake(0, now_), kNone) << "it has left";
}

// Rule 27.
TEST_F(ProcessorsSharesTest, WhoIsAheadOfAPreemptedHandlerTakesNoCpu) {
  CpuShares& shares = processors_.shares();
  const auto preempt = [&] {
    kernel_.Bound(2, 3);
    kernel_.SetState(3, LH_ENDPOINT_RUNNABLE);
    kernel_.Publish(2, {.mode = LH_CPU_OTHER, .nr = 2});
    Look();
  };
  shares.Charge(0, kSecond);
  EXPECT_TRUE(shares.MayTake(0));
  preempt();
  EXPECT_FALSE(shares.MayTake(0));
  EXPECT_FALSE(shares.MayKeep(0, now_));
  EXPECT_TRUE(shares.MayTake(1)) << "it is its own";
  shares.Busy(0);
  shares.Claim(0, now_);
  EXPECT_EQ(processors_.CpuToTake(0, now_), kNone);
  kernel_.Idle(1);
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u) << "nobody has that";
  // It goes on.
  kernel_.Bound(2, 3);
  Look();
  EXPECT_TRUE(shares.MayTake(0));
  // It had left for want of work, which is said later.
  preempt();
  EXPECT_FALSE(shares.MayTake(0));
  kernel_.SetState(3, LH_ENDPOINT_BLOCKED);
  Look();
  EXPECT_TRUE(shares.MayTake(0));
  // It has nothing to do.
  preempt();
  processors_.SetWaiting(3, now_);
  Look();
  EXPECT_TRUE(shares.MayTake(0));
  processors_.SetWaiting(3, kNever);
  Look();
  EXPECT_FALSE(shares.MayTake(0));
  // The kernel does not let it go on; or its process ends.
  LookAfter(100 * kMillisecond);
  EXPECT_TRUE(shares.MayTake(0));
  preempt();
  processors_.Detach(1);
  Look();
  EXPECT_TRUE(shares.MayTake(0));
}

}  // namespace
}  // namespace lauberhorn::nic
