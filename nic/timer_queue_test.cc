// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The timer queue against a map that does the same slowly.

#include "nic/timer_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace lauberhorn::nic {
namespace {

TEST(TimerQueueTest, StartsEmpty) {
  TimerQueue queue(4);
  std::uint32_t id = 99;
  EXPECT_EQ(queue.Next(), kNever);
  EXPECT_FALSE(queue.PopDue(kNever, &id));
  EXPECT_EQ(id, 99u);
  queue.Clear(3);
  EXPECT_EQ(queue.Next(), kNever);
}

TEST(TimerQueueTest, HoldsNothingForNobody) {
  const TimerQueue queue(0);
  EXPECT_EQ(queue.Next(), kNever);
}

TEST(TimerQueueTest, IsDueAtItsTimeAndNotBefore) {
  TimerQueue queue(1);
  std::uint32_t id = 99;
  queue.Set(0, 100);
  EXPECT_FALSE(queue.PopDue(99, &id));
  EXPECT_TRUE(queue.PopDue(100, &id));
  EXPECT_EQ(id, 0u);
  EXPECT_FALSE(queue.PopDue(kNever, &id));
}

TEST(TimerQueueTest, SetReplacesWhatWasSet) {
  TimerQueue queue(2);
  std::uint32_t id;
  queue.Set(0, 100);
  queue.Set(1, 200);
  queue.Set(0, 300);
  EXPECT_EQ(queue.Next(), 200u);
  queue.Set(1, 50);
  EXPECT_EQ(queue.Next(), 50u);
  EXPECT_TRUE(queue.PopDue(299, &id));
  EXPECT_EQ(id, 1u);
  EXPECT_FALSE(queue.PopDue(299, &id));
  EXPECT_TRUE(queue.PopDue(300, &id));
  EXPECT_EQ(id, 0u);
}

TEST(TimerQueueTest, AgreesWithAReferenceOnRandomOperations) {
  std::mt19937_64 random(7);
  for (const std::uint32_t count : {1u, 2u, 3u, 10u, 100u}) {
    TimerQueue queue(count);
    std::map<std::uint32_t, Nanos> reference;
    Nanos now = 0;
    for (int step = 0; step < 20'000; ++step) {
      const auto id = static_cast<std::uint32_t>(random() % count);
      switch (random() % 4) {
        case 0:
        case 1: {
          // Few different times, so that many are the same.
          const Nanos when = now + random() % 32;
          queue.Set(id, when);
          reference[id] = when;
          break;
        }
        case 2:
          queue.Clear(id);
          reference.erase(id);
          break;
        default: {
          now += random() % 8;
          std::set<std::uint32_t> due;
          for (const auto& [other, when] : reference) {
            if (when <= now) due.insert(other);
          }
          Nanos latest = 0;
          std::uint32_t popped;
          while (queue.PopDue(now, &popped)) {
            ASSERT_EQ(due.erase(popped), 1u);
            ASSERT_GE(reference[popped], latest) << "not in order";
            latest = reference[popped];
            reference.erase(popped);
          }
          ASSERT_TRUE(due.empty());
        }
      }
      Nanos next = kNever;
      for (const auto& [other, when] : reference) next = std::min(next, when);
      ASSERT_EQ(queue.Next(), next);
    }
  }
}

}  // namespace
}  // namespace lauberhorn::nic
