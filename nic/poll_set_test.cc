// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/poll_set.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class PollSetTest : public ::testing::Test {
 protected:
  PollSetTest() { EXPECT_TRUE(set_.Open().ok()); }

  PollSet set_;
};

TEST_F(PollSetTest, SaysWhichAreReady) {
  const int one = eventfd(0, EFD_CLOEXEC);
  const int two = eventfd(1, EFD_CLOEXEC);
  const int three = eventfd(1, EFD_CLOEXEC);
  ASSERT_TRUE(set_.Add(one, 1).ok());
  ASSERT_TRUE(set_.Add(two, ~std::uint64_t{0}).ok());
  ASSERT_TRUE(set_.Add(three, 3).ok());
  EXPECT_THAT(set_.Wait(5, kNever), UnorderedElementsAre(~std::uint64_t{0}, 3));
  // As long as they are, and there.
  close(two);
  EXPECT_THAT(set_.Wait(5, kNever), ElementsAre(3));
  close(three);
  close(one);
}

TEST_F(PollSetTest, ATimeEndsASleep) {
  EXPECT_THAT(set_.Wait(5, 5), IsEmpty());
  EXPECT_THAT(set_.Wait(5, 4), IsEmpty()) << "the time has passed";
  EXPECT_THAT(set_.Wait(5, 5 + kMicrosecond), IsEmpty());
}

TEST_F(PollSetTest, SaysOneThatIsReady) {
  const int one = eventfd(0, EFD_CLOEXEC);
  const int two = eventfd(1, EFD_CLOEXEC);
  ASSERT_TRUE(set_.Add(one, 1).ok());
  EXPECT_EQ(set_.WaitForOne(5, 5), std::nullopt);
  ASSERT_TRUE(set_.Add(two, 2).ok());
  EXPECT_EQ(set_.WaitForOne(5, kNever), 2u);
  EXPECT_EQ(set_.WaitForOne(5, kNever), 2u) << "it has not been read";
  close(two);
  EXPECT_EQ(set_.WaitForOne(5, 5 + kMicrosecond), std::nullopt);
  close(one);
}

TEST_F(PollSetTest, ABellTellsOfEachRingOnce) {
  const int bell = eventfd(0, EFD_CLOEXEC);
  ASSERT_TRUE(set_.AddBell(bell, 7).ok());
  const std::uint64_t one = 1;
  for (int ring = 0; ring < 3; ++ring) {
    ASSERT_EQ(write(bell, &one, sizeof(one)),
              static_cast<ssize_t>(sizeof(one)));
    EXPECT_EQ(set_.WaitForOne(5, kNever), 7u);
    EXPECT_EQ(set_.WaitForOne(5, 5), std::nullopt);
  }
  close(bell);
}

TEST_F(PollSetTest, WhatCannotBeWatchedIsAnError) {
  EXPECT_EQ(set_.Add(-1, 1).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace lauberhorn::nic
