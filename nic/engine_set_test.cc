// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/engine_set.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "nic/testing/engine_set_machine.h"

namespace lauberhorn::nic {
namespace {

using Machine = testing::EngineSetMachine;

// In so many turns, while the two threads of a process are on the CPUs.
std::uint64_t PollsWith(std::uint32_t processes) {
  constexpr std::uint32_t kTurns = 1000;
  Machine machine(processes);
  machine.kernel.Bound(0, 0);
  machine.kernel.Bound(1, 1);
  machine.Turns(1);
  const std::uint64_t before = machine.set.polls();
  machine.Turns(kTurns);
  return machine.set.polls() - before;
}

TEST(EngineSetTest, WhatItPollsFollowsTheCpusNotTheProcesses) {
  const std::uint64_t one = PollsWith(1);
  EXPECT_GE(one, 1000u);
  EXPECT_LE(PollsWith(64), 2 * one);
}

TEST(EngineSetTest, WhatAThreadPutsIsReadInTheSameTurn) {
  Machine machine(16);
  for (const std::uint32_t process : {3u, 9u}) {
    machine.kernel.Bound(0, 2 * process);
    machine.Turns(1);
    ASSERT_TRUE(machine.PutCall(process));
    machine.Turns(1);
    EXPECT_TRUE(machine.TakeAnswer(process)) << process;
    // Also if it leaves meanwhile.
    ASSERT_TRUE(machine.PutCall(process));
    machine.kernel.Publish(0, {.mode = LH_CPU_OTHER});
    machine.Turns(1);
    EXPECT_TRUE(machine.TakeAnswer(process)) << process;
  }
}

TEST(EngineSetTest, ABellOfOneWithoutACpuIsFoundInItsTurn) {
  Machine machine(16);
  ASSERT_TRUE(machine.PutCall(7));
  machine.Turns(16);
  EXPECT_TRUE(machine.TakeAnswer(7));
  // At once if somebody says so.
  ASSERT_TRUE(machine.PutCall(11));
  machine.set.Mark(11);
  machine.Turns(1);
  EXPECT_TRUE(machine.TakeAnswer(11));
}

TEST(EngineSetTest, ItSleepsIfNobodyHasWork) {
  Machine machine(4);
  machine.Turns(20);
  EXPECT_TRUE(machine.set.TryToSleep());
  for (const auto& node : machine.nodes) {
    EXPECT_EQ(node->region.info()->asleep, 1u);
  }
  machine.set.Awake();
  ASSERT_TRUE(machine.PutCall(2));
  EXPECT_FALSE(machine.set.TryToSleep());
  for (const auto& node : machine.nodes) {
    EXPECT_EQ(node->region.info()->asleep, 0u);
  }
  machine.Turns(1);
  EXPECT_TRUE(machine.TakeAnswer(2)) << "it is polled next";
  machine.Turns(20);
  machine.kernel.Bound(1, 5);
  EXPECT_FALSE(machine.set.TryToSleep()) << "a thread has come";
  EXPECT_EQ(machine.nodes[0]->region.info()->asleep, 0u);
}

TEST(EngineSetTest, ItDoesNotSleepOverAnAnswer) {
  Machine machine(1);
  machine.kernel.SetState(1, LH_ENDPOINT_PARKED);
  machine.Turns(3);
  ASSERT_TRUE(machine.processors().MayRun(1, false));
  machine.processors().Ask(LH_KIND_RUN, 1, 0, machine.now);
  EXPECT_TRUE(machine.set.TryToSleep());
  machine.set.Awake();
  KernelCommand command;
  ASSERT_TRUE(machine.kernel.TakeCommand(0, &command));
  ASSERT_TRUE(machine.kernel.Answer(0, command.number, LH_ANSWER_DONE));
  EXPECT_FALSE(machine.set.TryToSleep());
  EXPECT_EQ(machine.nodes[0]->region.info()->asleep, 0u);
  machine.Turns(1);
  EXPECT_TRUE(machine.set.TryToSleep());
}

TEST(EngineSetTest, WithoutAWordOfTheKernelItGoesByRings) {
  Machine machine(16, /*published=*/false);
  EXPECT_EQ(machine.Turns(20), kNever);
  ASSERT_TRUE(machine.set.TryToSleep());
  machine.set.Awake();
  ASSERT_TRUE(machine.PutCall(7));
  ASSERT_TRUE(machine.PutCall(11));
  EXPECT_FALSE(machine.set.TryToSleep());
  machine.set.MarkAll();
  machine.Turns(1);
  EXPECT_TRUE(machine.TakeAnswer(7));
  EXPECT_TRUE(machine.TakeAnswer(11));
}

TEST(EngineSetTest, OneThatIsGoneIsNotPolled) {
  Machine machine(2);
  machine.set.Mark(0);
  machine.set.Remove(0);
  machine.nodes[0].reset();
  machine.kernel.Bound(0, 0);
  machine.Turns(5);
  machine.set.Mark(0);
  const std::uint64_t before = machine.set.polls();
  machine.Turns(10);
  EXPECT_LE(machine.set.polls() - before, 10u);
}

}  // namespace
}  // namespace lauberhorn::nic
