// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/slot_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace lauberhorn::nic {
namespace {

struct Slot {
  std::uint32_t value;
};

TEST(SlotPoolTest, EverySessionHasItsFirstSlots) {
  SlotPool<Slot> pool(3, 0);
  std::set<Slot*> all;
  for (std::uint32_t session = 0; session < 3; ++session) {
    EXPECT_EQ(pool.granted(session), kSessionSlots);
    for (std::uint16_t slot = 0; slot < kSessionSlots; ++slot) {
      EXPECT_TRUE(all.insert(&pool.At(session, slot)).second);
    }
    EXPECT_FALSE(pool.Grow(session)) << "there are no more";
  }
}

TEST(SlotPoolTest, GrowsByDoublingUpToTheMostAndKeepsWhatWasThere) {
  SlotPool<Slot> pool(2, 2048);
  pool.At(1, 7).value = 77;
  std::uint16_t expected = kSessionSlots;
  while (pool.Grow(1)) {
    expected = static_cast<std::uint16_t>(2 * expected);
    EXPECT_EQ(pool.granted(1), expected);
  }
  EXPECT_EQ(expected, kMaxSessionSlots);
  EXPECT_EQ(pool.granted(0), kSessionSlots);
  EXPECT_EQ(pool.At(1, 7).value, 77u);
  std::set<Slot*> all;
  for (std::uint16_t slot = 0; slot < kMaxSessionSlots; ++slot) {
    EXPECT_TRUE(all.insert(&pool.At(1, slot)).second);
  }
}

TEST(SlotPoolTest, WhatOneGivesBackAnotherGets) {
  SlotPool<Slot> pool(2, 16);
  EXPECT_TRUE(pool.Grow(0));
  EXPECT_TRUE(pool.Grow(0));
  EXPECT_EQ(pool.granted(0), 24) << "as many as there are";
  EXPECT_FALSE(pool.Grow(1));
  pool.Shrink(0);
  EXPECT_EQ(pool.granted(0), kSessionSlots);
  EXPECT_TRUE(pool.Grow(1));
  EXPECT_EQ(pool.granted(1), 16);
}

}  // namespace
}  // namespace lauberhorn::nic
