// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/spin_budget.h"

#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

// Two wakes, and a handler's time.
constexpr Nanos kShortWait = 40 * kMicrosecond;
constexpr Nanos kLongWait = kMillisecond;

// How many short waits in sleep it takes until the thread looks again.
int WaitsUntilItLooks(SpinBudget& budget) {
  for (int waits = 1; waits < 10'000; ++waits) {
    budget.WaitEnded(kShortWait, /*slept=*/true);
    if (budget.value() > 0) return waits;
  }
  return 10'000;
}

// After a trial, or more, in vain.
void EndTrial(SpinBudget& budget) {
  while (budget.value() > 0) budget.WaitEnded(kLongWait, true);
}

TEST(SpinBudgetTest, BeginsWithATrial) {
  SpinBudget budget;
  for (int wait = 0; wait < SpinBudget::kTrialWaits; ++wait) {
    EXPECT_EQ(budget.value(), SpinBudget::kTrial);
    budget.WaitEnded(kShortWait, true);
  }
  EXPECT_EQ(budget.value(), 0u);
}

TEST(SpinBudgetTest, AThreadWhoseLooksBringNothingSoonDoesNotLook) {
  SpinBudget budget;
  budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
  for (int wait = 0; wait < 4; ++wait) {
    EXPECT_GT(budget.value(), 0u);
    budget.WaitEnded(kShortWait, true);
  }
  EXPECT_EQ(budget.value(), 0u);
}

TEST(SpinBudgetTest, LooksThatBringSomethingGrow) {
  SpinBudget budget;
  budget.WaitEnded(kMicrosecond, false);
  budget.WaitEnded(kShortWait, true);
  budget.WaitEnded(kShortWait, true);
  EXPECT_EQ(budget.value(), 2 * kMicrosecond);
  budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), 3 * kMicrosecond);
  for (int wait = 0; wait < 20; ++wait) budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
}

TEST(SpinBudgetTest, LongWaitsAreNoReasonToTryAgain) {
  SpinBudget budget;
  EndTrial(budget);
  for (int wait = 0; wait < 10'000; ++wait) budget.WaitEnded(kLongWait, true);
  EXPECT_EQ(budget.value(), 0u);
}

TEST(SpinBudgetTest, ATrialThatBringsNothingIsMadeEverLater) {
  SpinBudget budget;
  EndTrial(budget);
  const int first = WaitsUntilItLooks(budget);
  EndTrial(budget);
  EXPECT_EQ(WaitsUntilItLooks(budget), 2 * first);
  budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
  EndTrial(budget);
  EXPECT_EQ(WaitsUntilItLooks(budget), first) << "it did bring something";
}

// Both begin asleep, with a wake that is longer than any budget.
TEST(SpinBudgetTest, TwoThatWaitForEachOtherFindEachOtherAwake) {
  constexpr Nanos kWake = 20 * kMicrosecond;
  constexpr Nanos kHandler = 500;
  SpinBudget client, server;
  EndTrial(client);
  EndTrial(server);
  bool client_awake = false;  // when its answer comes
  bool server_awake = false;  // when its call comes
  int calls = 0;
  for (; calls < 1000 && !(client_awake && server_awake); ++calls) {
    const Nanos there = server_awake ? 0 : kWake;
    const Nanos answered = there + kHandler;
    client_awake = answered <= client.value();
    const Nanos back = client_awake ? 0 : kWake;
    client.WaitEnded(answered + back, !client_awake);
    // The next call comes when the client is back.
    server_awake = back <= server.value();
    server.WaitEnded(back + (server_awake ? 0 : kWake), !server_awake);
  }
  EXPECT_LT(calls, 100);
  EXPECT_GT(client.value(), 0u);
  EXPECT_GT(server.value(), 0u);
}

// How many calls find one of them asleep after the server has lost its CPU for
// a moment.
TEST(SpinBudgetTest, TwoThatAreAwakeSurviveALongWait) {
  constexpr Nanos kWake = 20 * kMicrosecond;
  constexpr Nanos kHandler = 500;
  SpinBudget client, server;
  for (int wait = 0; wait < 100; ++wait) {
    client.WaitEnded(kHandler, false);
    server.WaitEnded(0, false);
  }
  bool server_awake = true;
  int slow = 0;
  for (int call = 0; call < 1000; ++call) {
    const Nanos answered =
        (call == 0 ? kLongWait : kHandler) + (server_awake ? 0 : kWake);
    const bool client_awake = answered <= client.value();
    const Nanos back = client_awake ? 0 : kWake;
    slow += client_awake && server_awake ? 0 : 1;
    client.WaitEnded(answered + back, !client_awake);
    server_awake = back <= server.value();
    server.WaitEnded(back + (server_awake ? 0 : kWake), !server_awake);
  }
  EXPECT_LE(slow, 3);
}

TEST(SpinBudgetTest, FewShortWaitsEarnNoTrial) {
  SpinBudget budget;
  EndTrial(budget);
  WaitsUntilItLooks(budget);
  budget.WaitEnded(kMicrosecond, false);
  budget.WaitEnded(kLongWait, true);
  for (int round = 0; round < 100; ++round) {
    for (int wait = 0; wait < 10; ++wait) {
      budget.WaitEnded(kMicrosecond, false);
    }
    budget.WaitEnded(kLongWait, true);
    EXPECT_LT(budget.value(), SpinBudget::kMost);
  }
}

TEST(SpinBudgetTest, EachTrialIsEarnedAnew) {
  SpinBudget budget;
  for (int wait = 0; wait < 100; ++wait) budget.WaitEnded(kMicrosecond, false);
  budget.WaitEnded(kLongWait, true);
  EXPECT_EQ(budget.value(), SpinBudget::kTrial);
  budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
  budget.WaitEnded(kLongWait, true);
  EXPECT_LT(budget.value(), SpinBudget::kMost);
}

TEST(SpinBudgetTest, APauseIsAReasonForATrial) {
  SpinBudget budget;
  EndTrial(budget);
  budget.WaitEnded(50 * kMillisecond, true);
  EXPECT_EQ(budget.value(), SpinBudget::kTrial);
}

}  // namespace
}  // namespace lauberhorn::nic
