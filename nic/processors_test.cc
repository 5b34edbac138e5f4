// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/processors.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/testing/processors_fixture.h"

namespace lauberhorn::nic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::ProcessorsTest;

constexpr std::uint32_t kNone = Processors::kNone;

TEST_F(ProcessorsTest, WhoComesAndLeavesIsTold) {
  EXPECT_FALSE(Look());
  kernel_.Bound(0, 1);
  kernel_.Bound(2, 4);
  EXPECT_TRUE(processors_.HasNews());
  EXPECT_TRUE(Look());
  EXPECT_THAT(one_.Heard(), ElementsAre("came 1"));
  EXPECT_THAT(two_.Heard(), ElementsAre("came 4"));
  EXPECT_TRUE(processors_.IsOnCpu(1));
  EXPECT_EQ(processors_.SeenOn(2), 4u);
  kernel_.Bound(0, 2);
  kernel_.Idle(2);
  Look();
  EXPECT_THAT(one_.Heard(), ElementsAre("left 1", "came 2"));
  EXPECT_THAT(two_.Heard(), ElementsAre("left 4"));
  EXPECT_FALSE(processors_.IsOnCpu(1));
  EXPECT_EQ(processors_.SeenOn(2), kNone);
}

TEST_F(ProcessorsTest, OneThatCameAndLeftBetweenTwoLooksIsTold) {
  kernel_.Bound(0, 1);
  kernel_.Bound(0, 0);
  kernel_.Idle(0);
  Look();
  EXPECT_THAT(one_.Heard(), ElementsAre("left 1", "left 0"));
}

// Rule 8: whoever is told that it left can ask where it is.
TEST_F(ProcessorsTest, OneThatMovedIsOnItsCpuWhenItIsToldToHaveLeft) {
  kernel_.Bound(1, 0);
  Look();
  (void)one_.Heard();
  kernel_.Idle(1);
  kernel_.Bound(0, 0);
  Look();  // CPU 0 first
  EXPECT_THAT(one_.Heard(), ElementsAre("came 0", "left 0"));
  EXPECT_TRUE(processors_.IsOnCpu(0));
  kernel_.Idle(0);
  Look();
  EXPECT_FALSE(processors_.IsOnCpu(0));
}

TEST_F(ProcessorsTest, IfMoreLeftThanIsToldAllAreLookedAt) {
  kernel_.Bound(0, 0);
  Look();
  (void)one_.Heard();
  for (int time = 0; time < 8; ++time) {
    kernel_.Bound(0, 1);
    kernel_.Bound(0, 0);
  }
  Look();
  EXPECT_THAT(one_.Heard(),
              ElementsAre("left 0", "left 1", "left 2", "came 0"));
  EXPECT_THAT(two_.Heard(), ElementsAre("left 3", "left 4"));
}

TEST_F(ProcessorsTest, EndpointsOfNobodyAreIgnored) {
  kernel_.Bound(0, 6);  // nobody's
  Look();
  kernel_.Bound(0, 12345);  // in no table
  Look();
  kernel_.Bound(0, 0xfffffe);
  Look();
  kernel_.Idle(0);
  Look();
  EXPECT_THAT(one_.Heard(), IsEmpty());
  EXPECT_THAT(two_.Heard(), IsEmpty());
  processors_.Detach(1);
  kernel_.Bound(0, 4);
  Look();
  kernel_.Idle(0);
  Look();
  EXPECT_THAT(two_.Heard(), IsEmpty());
}

TEST_F(ProcessorsTest, AProcessMayEndWhileItsThreadIsOnACpu) {
  kernel_.Bound(0, 3);
  Look();
  processors_.Detach(1);
  processors_.Attach(kTwo, two_, other_counters_);
  (void)two_.Heard();
  kernel_.Idle(0);
  Look();
  EXPECT_FALSE(processors_.IsOnCpu(3));
  kernel_.Bound(1, 3);
  Look();
  EXPECT_TRUE(processors_.IsOnCpu(3));
}

// Rule 4.
TEST_F(ProcessorsTest, AThreadIsWokenAfterAllBeforeItsSleepWasLookedAt) {
  kernel_.Bound(0, 1);
  kernel_.Idle(0);
  kernel_.SetState(1, LH_ENDPOINT_PARKED);
  EXPECT_FALSE(processors_.MayRun(1, false)) << "that it left is news";
  Look();
  EXPECT_TRUE(processors_.MayRun(1, false));
  // Others may go on, once it was looked at.
  kernel_.Bound(0, 2);
  EXPECT_FALSE(processors_.MayRun(0, true)) << "that one was not";
  EXPECT_TRUE(processors_.MayRun(1, false));
  Look();
  kernel_.Idle(0);
  EXPECT_TRUE(processors_.MayRun(0, true)) << "it slept before the last look";
  // It wakes by itself and sleeps again.
  kernel_.SetState(1, LH_ENDPOINT_RUNNABLE);
  EXPECT_FALSE(processors_.MayRun(1, false));
  kernel_.Bound(1, 1);
  kernel_.Idle(1);
  kernel_.SetState(1, LH_ENDPOINT_PARKED);
  EXPECT_FALSE(processors_.MayRun(1, false));
}

TEST_F(ProcessorsTest, WordsOfAnotherGenerationMeanNothing) {
  kernel_.SetState(1, LH_ENDPOINT_PARKED, {.generation = 2});
  EXPECT_FALSE(processors_.MayRun(1, false));
  kernel_.SetState(2, LH_ENDPOINT_DEAD, {.generation = 2});
  EXPECT_FALSE(processors_.IsDead(2));
  processors_.Detach(0);
  Processors::Attachment anew = kOne;
  // The word has the low bits only.
  anew.generation = (1u << 24) + 2;
  processors_.Attach(anew, one_, counters_);
  EXPECT_TRUE(processors_.MayRun(1, false));
  EXPECT_TRUE(processors_.IsDead(2));
}

TEST_F(ProcessorsTest, ACommandNamesItsEndpointItsGenerationAndItsEpoch) {
  processors_.Detach(0);
  Processors::Attachment anew = kOne;
  anew.generation = 5;
  processors_.Attach(anew, one_, counters_);
  kernel_.SetState(1, LH_ENDPOINT_PARKED, {.generation = 5});
  ASSERT_TRUE(processors_.MayRun(1, false));
  const KernelCommand command = Run(1, 2);
  EXPECT_EQ(command.kind, LH_KIND_RUN);
  EXPECT_EQ(command.endpoint, lh_handle(1, 5));
  EXPECT_EQ(command.epoch, kEpoch);
  EXPECT_EQ(command.cpu, 2u);
  EXPECT_EQ(counters_.runs.value(), 1u);
}

// Rule 5.
TEST_F(ProcessorsTest, ACpuIsInterruptedUnlessItLooks) {
  kernel_.Idle(0, LH_CPU_IDLE_WAIT);
  Look();
  Park(0);
  Run(0, 0);
  EXPECT_THAT(interrupted_, IsEmpty());
  // By what it does now, whatever was seen.
  kernel_.Idle(1, LH_CPU_IDLE_WAIT);
  Look();
  Park(1);
  kernel_.Idle(1, LH_CPU_IDLE);
  Run(1, 1);
  EXPECT_THAT(interrupted_, ElementsAre(1));
  EXPECT_EQ(counters_.interrupts.value(), 1u);
}

// Rule 9.
TEST_F(ProcessorsTest, AThreadIsAskedForAgainOnlyWhenItsLastRunWasAnswered) {
  Park(1);
  const KernelCommand command = Run(1, 0);
  EXPECT_TRUE(processors_.IsRunUnderWay(1));
  EXPECT_FALSE(processors_.MayRun(1, false));
  EXPECT_EQ(processors_.Next(now_), now_) << "an answer comes at once";
  EXPECT_EQ(processors_.Next(now_ + kMillisecond), kNever) << "or never";
  EXPECT_FALSE(processors_.HasAnswers());
  ASSERT_TRUE(kernel_.Answer(0, command.number + 1, LH_ANSWER_DEAD));
  Look();
  EXPECT_TRUE(processors_.IsRunUnderWay(1)) << "that answers nothing";
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_DONE));
  EXPECT_TRUE(processors_.HasAnswers());
  Look();
  EXPECT_FALSE(processors_.HasAnswers());
  EXPECT_TRUE(processors_.MayRun(1, false));
  EXPECT_THAT(one_.Heard(), IsEmpty());
  EXPECT_EQ(processors_.Next(now_), kNever);
}

TEST_F(ProcessorsTest, ARefusalIsTold) {
  const std::vector<std::uint64_t> codes = {LH_ANSWER_STALE, LH_ANSWER_DEAD,
                                            LH_ANSWER_NOT_ALLOWED,
                                            LH_ANSWER_OFFLINE, 12345};
  for (const std::uint64_t code : codes) {
    Park(1);
    const KernelCommand command = Run(1, 0);
    ASSERT_TRUE(kernel_.Answer(0, command.number, code));
    Look();
    EXPECT_THAT(one_.Heard(), ElementsAre("refused 1")) << code;
  }
  Park(1);
  ASSERT_TRUE(kernel_.Answer(0, Run(1, 0).number, LH_ANSWER_EARLY));
  Look();
  EXPECT_THAT(one_.Heard(), IsEmpty());
  EXPECT_EQ(counters_.runs_stale.value(), 1u);
  EXPECT_EQ(counters_.runs_refused.value(), 4u);
  EXPECT_EQ(counters_.runs_early.value(), 1u);
}

TEST_F(ProcessorsTest, AFreeCpuIsOneThatIsIdleOrWaitedOnInVain) {
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone);
  kernel_.Bound(2, 3);
  processors_.SetWaiting(3, now_);
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone);
  now_ += 3 * kMicrosecond;
  EXPECT_EQ(processors_.FreeCpu(0, now_), 2u);
  EXPECT_EQ(processors_.FreeCpu(4, now_), kNone) << "its own thread's";
  kernel_.Idle(1);
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u);
  kernel_.Idle(0, LH_CPU_IDLE_WAIT);
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), 0u);
  EXPECT_EQ(processors_.FreeCpu(4, now_), 0u);
  // Of two that are alike, where the thread ran last.
  kernel_.Bound(1, 0);
  Look();
  kernel_.Idle(1, LH_CPU_IDLE_WAIT);
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u);
  EXPECT_EQ(processors_.FreeCpu(4, now_), 0u);
  kernel_.Publish(0, {.mode = LH_CPU_OFFLINE});
  kernel_.Publish(
      1, {.mode = LH_CPU_IDLE, .nr = 1, .flags = LH_CPU_FLAG_FORCED_IDLE});
  kernel_.Publish(2, {.mode = LH_CPU_KERNEL});
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), kNone);
}

TEST_F(ProcessorsTest, ACpuIsPromisedOnce) {
  kernel_.Idle(0);
  Look();
  Park(0);
  const KernelCommand command = Run(0, 0);
  EXPECT_EQ(processors_.FreeCpu(4, now_), kNone);
  // Until something changes there, the RUN is refused, or nothing comes of it.
  EXPECT_EQ(processors_.FreeCpu(4, now_ + kMillisecond), 0u);
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_DEAD));
  Look();
  EXPECT_EQ(processors_.FreeCpu(4, now_), 0u);
}

TEST_F(ProcessorsTest, AThreadIsAskedForWhereItMayRun) {
  kernel_.Idle(0);
  kernel_.Idle(1);
  Look();
  kernel_.SetMask(1, 0b010);
  kernel_.SetState(0, LH_ENDPOINT_PARKED, {.mask = 2});
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u);
  kernel_.SetState(0, LH_ENDPOINT_PARKED, {.mask = 3});
  EXPECT_EQ(processors_.FreeCpu(0, now_), 0u) << "there is no such mask";
  kernel_.SetState(0, LH_ENDPOINT_PARKED,
                   {.mask = LH_ENDPOINT_WORD_MASK_UNKNOWN});
  ASSERT_TRUE(processors_.MayRun(0, false));
  const KernelCommand command = Run(0, 0);
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_NOT_ALLOWED));
  Look();
  EXPECT_EQ(processors_.FreeCpu(0, now_), 1u) << "it was refused there";
  EXPECT_EQ(processors_.FreeCpu(4, now_), 0u) << "only that one was";
}

TEST_F(ProcessorsTest, AWakeIsSentUntilSomebodyIsWoken) {
  kernel_.SetState(0, LH_ENDPOINT_PARKED);
  processors_.Wake(0);
  processors_.Wake(0);
  processors_.Flush(now_);
  KernelCommand command;
  ASSERT_TRUE(kernel_.TakeCommand(0, &command)) << "though no CPU is free";
  EXPECT_EQ(command.endpoint, lh_handle(0, 1));
  EXPECT_FALSE(kernel_.HasCommand(0));
  // Again for what has come meanwhile, after the answer.
  processors_.Wake(0);
  processors_.Flush(now_);
  EXPECT_FALSE(kernel_.HasCommand(0));
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_OFFLINE));
  Look();
  processors_.Flush(now_);
  EXPECT_FALSE(kernel_.HasCommand(0));
  ASSERT_TRUE(kernel_.TakeCommand(1, &command));
  ASSERT_TRUE(kernel_.Answer(1, command.number, LH_ANSWER_NOT_ALLOWED));
  Look();
  processors_.Flush(now_);
  ASSERT_TRUE(kernel_.TakeCommand(2, &command));
  ASSERT_TRUE(kernel_.Answer(2, command.number, LH_ANSWER_NOT_ALLOWED));
  Look();
  // All have refused: the same, a while later.
  processors_.Flush(now_);
  EXPECT_FALSE(kernel_.HasCommand(0) || kernel_.HasCommand(1) ||
               kernel_.HasCommand(2));
  EXPECT_LT(processors_.Next(now_), kNever);
  now_ += kMillisecond;
  processors_.Flush(now_);
  ASSERT_TRUE(kernel_.TakeCommand(0, &command));
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_EARLY));
  Look();
  processors_.Flush(now_);
  EXPECT_EQ(processors_.Next(now_), kNever);
}

TEST_F(ProcessorsTest, AWakeOfADeadThreadIsNotTriedAgain) {
  processors_.Wake(0);
  processors_.Flush(now_);
  KernelCommand command;
  ASSERT_TRUE(kernel_.TakeCommand(0, &command));
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_DEAD));
  Look();
  EXPECT_EQ(processors_.Next(now_), kNever);
  processors_.Wake(3);
  processors_.Detach(1);
  processors_.Flush(now_);
  EXPECT_EQ(processors_.Next(now_), kNever);
}

// Dispatch was turned off: no thread is bound, and nobody executes commands.
TEST_F(ProcessorsTest, WhereAllCpusAreOfflineThreadsAreWokenByCalls) {
  kernel_.Publish(0, {.mode = LH_CPU_OFFLINE});
  kernel_.Publish(1, {.mode = LH_CPU_OFFLINE});
  Look();
  ASSERT_NE(processors_.FreeCpu(1, now_), Processors::kByCall);
  kernel_.Publish(2, {.mode = LH_CPU_OFFLINE});
  Look();
  one_.Heard();
  ASSERT_TRUE(processors_.MayRun(1, /*parked=*/true));
  ASSERT_EQ(processors_.FreeCpu(1, now_), Processors::kByCall);
  processors_.Ask(LH_KIND_RUN, 1, Processors::kByCall, now_);
  EXPECT_THAT(called_, ElementsAre(1u));
  EXPECT_FALSE(processors_.IsRunUnderWay(1)) << "it is answered at once";
  EXPECT_FALSE(processors_.HasAnswers());
  processors_.Wake(2);
  processors_.Flush(now_);
  EXPECT_THAT(called_, ElementsAre(1u, 2u));
  EXPECT_EQ(processors_.Next(now_), kNever);
  // One that woke nobody is told at the next look, and not asked for soon.
  call_wakes_ = false;
  processors_.Ask(LH_KIND_RUN, 1, Processors::kByCall, now_);
  EXPECT_TRUE(processors_.HasAnswers());
  EXPECT_THAT(one_.Heard(), IsEmpty());
  Look();
  EXPECT_THAT(one_.Heard(), ElementsAre("refused 1"));
  EXPECT_FALSE(processors_.HasAnswers());
  EXPECT_EQ(processors_.FreeCpu(1, now_), kNone);
  EXPECT_EQ(processors_.FreeCpu(1, now_ + kMillisecond), Processors::kByCall);
  EXPECT_EQ(counters_.runs.value(), 3u);
  EXPECT_EQ(counters_.runs_refused.value(), 1u);
  // A process that ends is not told.
  processors_.Ask(LH_KIND_RUN, 1, Processors::kByCall, now_);
  processors_.Detach(0);
  Look();
  EXPECT_THAT(one_.Heard(), IsEmpty());
}

TEST_F(ProcessorsTest, AKernelChannelTakesNoMoreThanItHasSlots) {
  kernel_.Idle(0);
  Look();
  Park(0);
  Park(1);
  processors_.Ask(LH_KIND_RUN, 0, 0, now_);
  processors_.Ask(LH_KIND_RUN, 1, 0, now_);
  now_ += kMillisecond;
  EXPECT_EQ(processors_.FreeCpu(4, now_), kNone) << "no room";
  KernelCommand command;
  ASSERT_TRUE(kernel_.TakeCommand(0, &command));
  EXPECT_EQ(processors_.FreeCpu(4, now_), kNone)
      << "no more than it can answer";
  ASSERT_TRUE(kernel_.Answer(0, command.number, LH_ANSWER_DONE));
  Look();
  EXPECT_EQ(processors_.FreeCpu(4, now_), 0u);
}

TEST_F(ProcessorsTest, ADeathIsFoundThoughTheLineToldItBefore) {
  kernel_.Bound(0, 2);
  kernel_.Idle(0);
  Look();
  EXPECT_THAT(one_.Heard(), ElementsAre("left 2"));
  kernel_.SetState(2, LH_ENDPOINT_DEAD);
  for (int look = 0; look < 8; ++look) Look();
  EXPECT_THAT(one_.Heard(), ElementsAre("left 2")) << "once";
  // The next thread.
  kernel_.SetState(2, LH_ENDPOINT_DEAD, {.thread = 2});
  for (int look = 0; look < 8; ++look) Look();
  EXPECT_THAT(one_.Heard(), ElementsAre("left 2"));
}

}  // namespace
}  // namespace lauberhorn::nic
