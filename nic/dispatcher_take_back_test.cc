// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Calls that are staged, not taken, and given to another thread.

#include <gtest/gtest.h>

#include <cstdint>

#include "nic/testing/dispatcher_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::DispatcherTest;

TEST_F(DispatcherTest, ACallIsStagedBehindAShortHandler) {
  const std::uint64_t first = RunShortMethod();
  Accept(1);
  EXPECT_EQ(counters_.calls_staged.value(), 1u);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u) << "it lies there already";
  ASSERT_TRUE(Reply(0, first));
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(done_.size(), 3u);
  // Both replies asked for one call each, and one of them was there.
  Accept(2);
  EXPECT_EQ(Take(0, &handle), 2u);
  EXPECT_EQ(Take(0), 0u);
}

TEST_F(DispatcherTest, NothingIsStagedBehindALongOrUnknownHandler) {
  ASSERT_TRUE(Empty(0));
  Accept(1);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  Accept(2);
  EXPECT_EQ(Take(0), 0u) << "nobody knows how long it takes";
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(Take(0, &handle), 2u);
  Accept(3);
  EXPECT_EQ(Take(0), 0u) << "it takes long";
  EXPECT_EQ(counters_.calls_staged.value(), 0u);
}

TEST_F(DispatcherTest, AStagedCallGoesToWhoWaits) {
  RunShortMethod();
  Accept(1);
  EXPECT_EQ(counters_.calls_staged.value(), 1u);
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 1u);
  EXPECT_EQ(Take(0), 0u);
  EXPECT_EQ(counters_.calls_revoked.value(), 1u);
}

TEST_F(DispatcherTest, AStagedCallStaysWhileOnlyAParkedThreadWaits) {
  ASSERT_TRUE(hosts_[1]->Park());
  RunShortMethod();
  ASSERT_TRUE(Empty(1));
  Accept(1);
  EXPECT_EQ(counters_.calls_staged.value(), 1u);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 0u) << "a wake is dear";
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DispatcherTest, AStagedCallIsTakenBackFromAHandlerThatTakesLong) {
  ASSERT_TRUE(hosts_[1]->Park());
  RunShortMethod();
  ASSERT_TRUE(Empty(1));
  const Nanos start = now_;
  Accept(1);
  const Nanos look = dispatcher_.Next();
  EXPECT_GT(look, start);
  EXPECT_LE(look, start + kMillisecond);
  ExpireAt(start + kMillisecond);
  EXPECT_EQ(Take(0), 0u);
  EXPECT_EQ(Take(1), 1u);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 1u);
}

TEST_F(DispatcherTest, RetireTakesBackWhatIsStaged) {
  const std::uint64_t handle = RunShortMethod();
  Accept(1);
  dispatcher_.Retire(0);
  EXPECT_EQ(Take(0), 0u);
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(Take(0), kRetire);
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 1u);
}

TEST_F(DispatcherTest, ACallThatIsNotTakenGoesToAnother) {
  ASSERT_TRUE(Empty(1));
  ASSERT_TRUE(Empty(0));
  const Nanos start = now_;
  Accept(1);
  EXPECT_TRUE(channels_.NewestWaits(0));
  const Nanos first = dispatcher_.Next();
  EXPECT_GT(first, start);
  ExpireAt(first);
  const Nanos second = dispatcher_.Next();
  ASSERT_GT(second, first);
  ASSERT_NE(second, kNever);
  ExpireAt(second);
  EXPECT_EQ(counters_.takes_late.value(), 1u);
  EXPECT_EQ(Take(0), 0u) << "its thread does not run";
  EXPECT_EQ(Take(1), 1u);
  // It still waits, but is asked last.
  ASSERT_TRUE(Empty(2));
  Accept(2);
  EXPECT_EQ(Take(2), 2u);
  Accept(3);
  EXPECT_EQ(Take(0), 3u);
}

TEST_F(DispatcherTest, ACallThatIsNotTakenStaysIfNobodyElseWaits) {
  ASSERT_TRUE(Empty(0));
  Accept(1);
  EXPECT_EQ(dispatcher_.Next(), kNever);
  ExpireAt(now_ + kSecond);
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DispatcherTest, EachRevokeOfACallGivesTheNextThreadMoreTime) {
  for (std::uint32_t endpoint : {2u, 1u, 0u}) ASSERT_TRUE(Empty(endpoint));
  Accept(1);
  const auto time_to_revoke = [&] {
    const Nanos start = now_;
    const std::uint64_t before = counters_.takes_late.value();
    while (counters_.takes_late.value() == before) {
      const Nanos next = dispatcher_.Next();
      EXPECT_NE(next, kNever);
      ExpireAt(next);
    }
    return now_ - start;
  };
  const Nanos first = time_to_revoke();
  EXPECT_EQ(time_to_revoke(), 2 * first);
  EXPECT_EQ(time_to_revoke(), 4 * first);
}

TEST_F(DispatcherTest, AWokenThreadLosesItsCallToWhoeverWaits) {
  ASSERT_TRUE(hosts_[0]->Park());
  ASSERT_TRUE(Empty(0));
  Accept(1);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 1u);
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 1u);
  EXPECT_EQ(Take(0), 0u) << "it wakes up in vain";
  Accept(2);
  EXPECT_EQ(Take(0), 2u);
}

}  // namespace
}  // namespace lauberhorn::nic
