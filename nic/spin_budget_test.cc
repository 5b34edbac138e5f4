// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/spin_budget.h"

#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

constexpr Nanos kShortWait = 9 * kMicrosecond;
constexpr Nanos kLongWait = kMillisecond;

// How many short waits in sleep it takes until the thread looks again.
int WaitsUntilItLooks(SpinBudget& budget) {
  for (int waits = 1; waits < 10'000; ++waits) {
    budget.WaitEnded(kShortWait, /*slept=*/true);
    if (budget.value() > 0) return waits;
  }
  return 10'000;
}

SpinBudget NoBudget() {
  SpinBudget budget;
  for (int wait = 0; wait < 4; ++wait) budget.WaitEnded(kLongWait, true);
  return budget;
}

TEST(SpinBudgetTest, AThreadWhoseLooksBringNothingSoonDoesNotLook) {
  SpinBudget budget;
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
  for (int wait = 0; wait < 4; ++wait) {
    EXPECT_GT(budget.value(), 0u);
    budget.WaitEnded(kShortWait, true);
  }
  EXPECT_EQ(budget.value(), 0u);
  EXPECT_EQ(NoBudget().value(), 0u);
}

TEST(SpinBudgetTest, LooksThatBringSomethingGrow) {
  SpinBudget budget;
  budget.WaitEnded(kShortWait, true);
  budget.WaitEnded(kShortWait, true);
  EXPECT_EQ(budget.value(), 2 * kMicrosecond);
  budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), 3 * kMicrosecond);
  for (int wait = 0; wait < 20; ++wait) budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
}

TEST(SpinBudgetTest, LongWaitsAreNoReasonToTryAgain) {
  SpinBudget budget = NoBudget();
  for (int wait = 0; wait < 10'000; ++wait) budget.WaitEnded(kLongWait, true);
  EXPECT_EQ(budget.value(), 0u);
}

TEST(SpinBudgetTest, ATrialThatBringsNothingIsMadeEverLater) {
  SpinBudget budget = NoBudget();
  const int first = WaitsUntilItLooks(budget);
  budget.WaitEnded(kLongWait, true);
  EXPECT_EQ(budget.value(), 0u) << "at once";
  EXPECT_EQ(WaitsUntilItLooks(budget), 2 * first);
  budget.WaitEnded(kMicrosecond, false);
  EXPECT_EQ(budget.value(), SpinBudget::kMost);
  while (budget.value() > 0) budget.WaitEnded(kLongWait, true);
  EXPECT_EQ(WaitsUntilItLooks(budget), first) << "it did bring something";
}

}  // namespace
}  // namespace lauberhorn::nic
