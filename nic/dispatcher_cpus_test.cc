// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// A dispatcher that knows from the kernel which thread is on which CPU.

#include <gtest/gtest.h>

#include <cstdint>

#include "nic/testing/dispatcher_cpus_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::DispatcherCpusTest;

TEST_F(DispatcherCpusTest, AThreadOnACpuGetsTheCallAndNobodyIsAsked) {
  Begin(0);
  Begin(1);
  kernel_.Bound(0, kFirst);
  Sleep(1);
  Look();
  Accept(1);
  EXPECT_EQ(Take(0), 1u) << "though endpoint 1 began to wait later";
  EXPECT_FALSE(Asked(1));
  EXPECT_EQ(counters_.calls_delivered.value(), 1u);
  EXPECT_EQ(counters_.calls_run.value(), 0u);
}

TEST_F(DispatcherCpusTest, OneThatSleepsIsWokenOnACpuThatIsFree) {
  Begin(0);
  Sleep(0);
  kernel_.Idle(1, LH_CPU_IDLE_WAIT);
  Look();
  Accept(1);
  EXPECT_TRUE(Asked(1));
  EXPECT_EQ(command_.kind, LH_KIND_RUN);
  EXPECT_EQ(command_.endpoint, lh_handle(kFirst, kGeneration));
  EXPECT_EQ(counters_.calls_run.value(), 1u);
  EXPECT_EQ(Take(0), 1u);
}

// Rule 3.
TEST_F(DispatcherCpusTest, ItIsWokenByTheKernelsWordWhateverItsSlotSays) {
  Begin(0);
  Sleep(0, /*parked=*/false);
  kernel_.Idle(1);
  Look();
  Accept(1);
  EXPECT_TRUE(Asked(1));
}

TEST_F(DispatcherCpusTest, ACallWaitsForACpuOrForAThread) {
  Begin(0);
  Sleep(0);
  Look();
  Accept(1);
  EXPECT_FALSE(Asked(0) || Asked(1));
  EXPECT_LE(dispatcher_.Next(), now_ + 100 * kMicrosecond)
      << "nobody says that a CPU has become free";
  kernel_.Idle(1);
  Look();
  EXPECT_TRUE(Asked(1));
  Accept(2);  // one wake at a time
  EXPECT_EQ(counters_.calls_queued.value(), 2u);
  // A thread that is runnable comes by itself.
  Begin(1);
  kernel_.SetState(kFirst + 1, LH_ENDPOINT_RUNNABLE, kThread);
  kernel_.Idle(0);
  Look();
  Answer(1, LH_ANSWER_DONE);
  kernel_.Bound(1, kFirst);
  Look();
  EXPECT_EQ(Take(0), 1u);
  Look();
  EXPECT_FALSE(Asked(0));
  kernel_.Bound(0, kFirst + 1);
  Look();
  EXPECT_EQ(Take(1), 2u);
}

// The give finds its slot PARKED: the thread was about to sleep.
TEST_F(DispatcherCpusTest, OneThatFallsAsleepGetsItsCallWithARun) {
  BeginOn(0, 0);
  ASSERT_TRUE(hosts_[0]->Park());
  kernel_.Idle(1);
  Look();
  Accept(1);
  EXPECT_TRUE(Asked(1));
  EXPECT_EQ(Take(0), 1u);
}

// Rule 6.
TEST_F(DispatcherCpusTest, WhatWasNotTakenWhenItsThreadLeftIsTakenBack) {
  BeginOn(0, 0);
  Accept(1);
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  Look();
  EXPECT_EQ(Take(0), 0u);
  EXPECT_EQ(counters_.takes_left.value(), 1u);
  kernel_.Bound(0, kFirst);
  Look();
  EXPECT_EQ(Take(0), 1u) << "it waits as before";
}

TEST_F(DispatcherCpusTest, SoIsWhatWasStagedBehindAHandlerThatWasPreempted) {
  BeginOn(0, 0);
  const std::uint64_t running = RunShort(0);
  Accept(11);
  EXPECT_EQ(counters_.calls_staged.value(), 1u);
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  Look();
  EXPECT_EQ(counters_.takes_left.value(), 1u);
  BeginOn(1, 1);
  EXPECT_EQ(Take(1), 11u);
  EXPECT_TRUE(Reply(0, running));
}

TEST_F(DispatcherCpusTest, NothingIsStagedBehindAHandlerWithoutACpu) {
  BeginOn(0, 0);
  RunShort(0);
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  Look();
  Accept(11);
  EXPECT_EQ(counters_.calls_staged.value(), 0u);
}

// Rule 7.
TEST_F(DispatcherCpusTest, WhatItIsBeingWokenForIsNotTakenBackAsItGoesToSleep) {
  BeginOn(0, 0);
  ASSERT_TRUE(hosts_[0]->Park());
  kernel_.Idle(1);
  Look();
  Accept(1);
  ASSERT_TRUE(Asked(1));
  kernel_.Idle(0);  // it left after its last look
  Look();
  EXPECT_EQ(counters_.calls_revoked.value(), 0u);
  Answer(1, LH_ANSWER_DONE);
  kernel_.Bound(1, kFirst);
  Look();
  EXPECT_EQ(Take(0), 1u);
}

// Rule 8.
TEST_F(DispatcherCpusTest, NorIfItIsOnAnotherCpu) {
  BeginOn(0, 1);
  Accept(1);
  kernel_.Idle(1);
  kernel_.Bound(0, kFirst);
  Look();
  EXPECT_EQ(counters_.calls_revoked.value(), 0u);
  EXPECT_EQ(Take(0), 1u);
}

// Rule 9.
TEST_F(DispatcherCpusTest, AThreadThatDoesNotComeIsSlowUntilItIsSeen) {
  Begin(0);
  Begin(1);
  Sleep(0);
  Sleep(1);
  kernel_.Idle(1);
  Look();
  Accept(1);
  ASSERT_TRUE(Asked(1));
  EXPECT_EQ(command_.endpoint, lh_handle(kFirst + 1, kGeneration));
  Answer(1, LH_ANSWER_DONE);
  ExpireAt(now_ + kMillisecond - 1);
  EXPECT_EQ(counters_.wakes_late.value(), 0u);
  EXPECT_EQ(dispatcher_.Next(), now_ + 1);
  ExpireAt(now_ + 1);
  EXPECT_EQ(counters_.wakes_late.value(), 1u);
  // Rule 10: its sister is woken for the same queue, and not this one again.
  Look();
  ASSERT_TRUE(Asked(1));
  EXPECT_EQ(command_.endpoint, lh_handle(kFirst, kGeneration));
  Answer(1, LH_ANSWER_DONE);
  EXPECT_EQ(Take(0), 1u);
  Accept(2);
  kernel_.Idle(0);
  Look();
  EXPECT_FALSE(Asked(0) || Asked(1));
  // It was on a CPU, if only for a moment.
  kernel_.Bound(0, kFirst + 1);
  kernel_.Idle(0);
  Look();
  EXPECT_TRUE(Asked(0));
  EXPECT_EQ(command_.endpoint, lh_handle(kFirst + 1, kGeneration));
}

TEST_F(DispatcherCpusTest, NorIsItSlowWhenItHasParkedAgain) {
  Begin(0);
  Sleep(0);
  kernel_.Idle(0);
  Look();
  Accept(1);
  ASSERT_TRUE(Asked(0));
  Answer(0, LH_ANSWER_DONE);
  ExpireAt(now_ + kMillisecond);
  EXPECT_EQ(counters_.wakes_late.value(), 1u);
  Look();
  EXPECT_FALSE(Asked(0));
  // It came, found nothing, and no CPU told of it.
  Sleep(0);
  Look();
  EXPECT_TRUE(Asked(0));
}

TEST_F(DispatcherCpusTest, OneWhoseRunIsRefusedIsNotSlow) {
  Begin(0);
  Sleep(0);
  kernel_.Idle(0);
  kernel_.Idle(1);
  Look();
  Accept(1);
  ASSERT_TRUE(Asked(0));
  Answer(0, LH_ANSWER_NOT_ALLOWED);
  EXPECT_EQ(counters_.calls_revoked.value(), 1u) << "at once";
  ASSERT_TRUE(Asked(1)) << "elsewhere";
  ExpireAt(now_ + kMillisecond);
  EXPECT_EQ(counters_.wakes_late.value(), 1u);
  Look();
  EXPECT_FALSE(Asked(0) || Asked(1));
  Answer(1, LH_ANSWER_OFFLINE);  // after all
  EXPECT_TRUE(Asked(0) || Asked(1));
}

TEST_F(DispatcherCpusTest, ARunIsAnsweredBeforeTheNext) {
  Begin(0);
  Sleep(0);
  kernel_.Idle(0);
  kernel_.Idle(1);
  Look();
  Accept(1);
  ASSERT_TRUE(Asked(0));
  std::uint64_t handle;
  ASSERT_EQ(Take(0, &handle), 1u);
  ASSERT_TRUE(Reply(0, handle));
  Accept(2);
  Look();
  EXPECT_FALSE(Asked(1));
  Answer(0, LH_ANSWER_DONE);
  EXPECT_TRUE(Asked(0) || Asked(1));
}

TEST_F(DispatcherCpusTest, TheCallsOfADeadThreadEndAndItGetsNoMore) {
  BeginOn(0, 0);
  Accept(1);
  ASSERT_EQ(Take(0), 1u);
  kernel_.SetState(kFirst, LH_ENDPOINT_DEAD, kThread);
  kernel_.Idle(0);
  Look();
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].sequence, 1u);
  EXPECT_EQ(done_[0].status, 14) << "UNAVAILABLE, as when its process ends";
  Accept(2);
  EXPECT_FALSE(Asked(0));
  EXPECT_EQ(counters_.calls_queued.value(), 1u);
}

TEST_F(DispatcherCpusTest, ACpuThatAThreadWaitsOnInVainIsGivenToAnother) {
  Begin(0);
  Sleep(0);
  kernel_.Bound(1, kOther);  // of the other process
  processors_.SetWaiting(kOther, now_);
  Look();
  Accept(1);
  EXPECT_FALSE(Asked(1));
  ExpireAt(now_ + 5 * kMicrosecond);
  EXPECT_TRUE(Asked(1));
  EXPECT_EQ(command_.kind, LH_KIND_RUN);
}

TEST_F(DispatcherCpusTest, ACpuIsTakenFromAProcessThatIsAhead) {
  Begin(0);
  Sleep(0);
  kernel_.Bound(0, kOther);
  kernel_.Bound(1, kOther + 1);
  Look();
  Accept(1);
  ExpireAt(now_ + kMillisecond - 1);
  EXPECT_FALSE(Asked(0) || Asked(1));
  ExpireAt(now_ + 1);
  Look();
  ASSERT_TRUE(Asked(0) || Asked(1));
  EXPECT_EQ(command_.kind, LH_KIND_PREEMPT);
  EXPECT_EQ(counters_.preempts.value(), 1u);
}

TEST_F(DispatcherCpusTest, AThreadThatWaitsGetsNothingIfAnotherProcessIsDue) {
  CpuShares& shares = processors_.shares();
  BeginOn(0, 0);
  shares.Busy(1);
  shares.Claim(1, now_);
  shares.Charge(0, kMillisecond);
  Accept(1);
  EXPECT_EQ(Take(0), 0u);
  shares.Withdraw(1);
  Look();
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DispatcherCpusTest, AProcessThatIsNotDueDoesNotTakeAFreeCpu) {
  CpuShares& shares = processors_.shares();
  Begin(0);
  Sleep(0);
  kernel_.Idle(1);
  Look();
  shares.Busy(1);
  shares.Claim(1, now_);
  shares.Charge(0, kMillisecond);
  Accept(1);
  EXPECT_FALSE(Asked(1));
  shares.Idle(1);
  Look();
  EXPECT_TRUE(Asked(1));
}

TEST_F(DispatcherCpusTest, ItClaimsACpuOnlyIfItHasUseForOne) {
  CpuShares& shares = processors_.shares();
  Begin(0);
  Sleep(0);
  Look();
  EXPECT_EQ(shares.Next(now_), CpuShares::kNone);
  Accept(1);
  EXPECT_EQ(shares.Next(now_), 0u);
  kernel_.Idle(1);
  Look();
  ASSERT_TRUE(Asked(1));
  Accept(2);
  EXPECT_EQ(shares.Next(now_), CpuShares::kNone) << "no thread for it";
}

}  // namespace
}  // namespace lauberhorn::nic
