// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Deadlines, drops and cancellations.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "abi/host/process.h"
#include "nic/testing/dispatcher_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::DispatcherTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(DispatcherTest, ADeadlineEndsACallInTheQueue) {
  const Nanos start = now_;
  Accept(1, start + 20);
  Accept(2, start + 10);
  Accept(3);
  EXPECT_EQ(dispatcher_.Next(), start + 10);
  ExpireAt(start + 9);
  EXPECT_THAT(done_, IsEmpty());
  ExpireAt(start + 10);
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].sequence, 2u);
  EXPECT_EQ(done_[0].status, kDeadlineExceeded);
  EXPECT_EQ(dispatcher_.Next(), start + 20);
  ExpireAt(start + 1000);
  EXPECT_EQ(done_.size(), 2u);
  EXPECT_EQ(counters_.calls_expired.value(), 2u);
  EXPECT_THAT(servers_ended_, ElementsAre(9u, 9u));
  EXPECT_EQ(dispatcher_.Next(), kNever);
  ASSERT_TRUE(Empty(0));
  EXPECT_EQ(Take(0), 3u);
}

TEST_F(DispatcherTest, ADeadlineEndsACallForItsCallerWhileAThreadHasIt) {
  ASSERT_TRUE(Empty(0));
  const Nanos start = now_;
  const std::uint32_t call = Accept(1, start + 10);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  ExpireAt(start + 9);
  EXPECT_EQ(CallWord(call), lh_handle(0, 1));
  ExpireAt(start + 10);
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].status, kDeadlineExceeded);
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_EXPIRED, 1));
  EXPECT_THAT(servers_ended_, IsEmpty()) << "its handler still runs";
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(done_.size(), 1u) << "too late";
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
}

TEST_F(DispatcherTest, ADeadlineOfADroppedCallEndsNothing) {
  ASSERT_TRUE(Empty(0));
  const std::uint32_t call = Accept(1, now_ + 10);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  dispatcher_.Drop(call, LH_CALL_CANCELLED);
  ExpireAt(now_ + 10);
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_CANCELLED | LH_CALL_EXPIRED, 1));
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_EQ(dispatcher_.Next(), kNever);
}

TEST_F(DispatcherTest, DropEndsAQueuedCallSilently) {
  Accept(1);
  const std::uint32_t call = Accept(2, now_ + 10);
  Accept(3);
  dispatcher_.Drop(call, LH_CALL_CANCELLED);
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  EXPECT_EQ(dispatcher_.Next(), kNever) << "its deadline is gone, too";
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_CANCELLED, 1));
  ASSERT_TRUE(Empty(0, 3));
  EXPECT_EQ(Take(0), 1u);
  EXPECT_EQ(Take(0), 3u);
  // Its place is used again, under another generation.
  const std::uint32_t next = Accept(4);
  EXPECT_EQ(next, call);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 4u);
  EXPECT_EQ(handle, lh_handle(call, 2));
  EXPECT_EQ(CallWord(call), lh_handle(0, 2));
}

TEST_F(DispatcherTest, DropTellsTheThreadThatHasTheCall) {
  ASSERT_TRUE(Empty(0));
  const std::uint32_t call = Accept(1);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  EXPECT_EQ(CallWord(call), lh_handle(0, 1));
  dispatcher_.Drop(call, LH_CALL_CANCELLED);
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_CANCELLED, 1));
  EXPECT_THAT(flagged_, ElementsAre(handle));
  EXPECT_TRUE(dispatcher_.IsHeld(handle));
  EXPECT_TRUE(dispatcher_.IsFlagged(handle));
  EXPECT_THAT(servers_ended_, IsEmpty()) << "it is in work until it replies";
  EXPECT_TRUE(Reply(0, handle, "for nobody"));
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  Accept(2);
  EXPECT_EQ(Take(0), 2u) << "its thread waits again";
}

TEST_F(DispatcherTest, CancelEndsACallForItsCallerWhileAThreadHasIt) {
  ASSERT_TRUE(Empty(0));
  const std::uint32_t call = Accept(1);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  dispatcher_.Cancel(lh_handle(call, 2), kCancelCode, "another call");
  EXPECT_THAT(done_, IsEmpty());
  dispatcher_.Cancel(handle, kCancelCode, "no more");
  dispatcher_.Cancel(handle, kCancelCode, "again");
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].status, kCancelled);
  EXPECT_EQ(done_[0].text, "no more");
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_CANCELLED, 1));
  EXPECT_THAT(servers_ended_, IsEmpty()) << "its handler still runs";
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(done_.size(), 1u) << "too late";
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  dispatcher_.Cancel(handle, kCancelCode, "after its end");
  EXPECT_EQ(done_.size(), 1u);
}

TEST_F(DispatcherTest, CancelOfAQueuedCallSparesTheHandler) {
  const std::uint32_t call = Accept(1);
  Accept(2);
  dispatcher_.Cancel(lh_handle(call, 1), kCancelCode, "no more");
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].text, "no more");
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  ASSERT_TRUE(Empty(0));
  EXPECT_EQ(Take(0), 2u);
}

TEST_F(DispatcherTest, ADeadlineThatPassesInALaneSparesTheHandler) {
  ASSERT_TRUE(Empty(0));
  Accept(1, now_ + 10);
  ExpireAt(now_ + 10);
  EXPECT_EQ(Take(0), 0u);
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].status, kDeadlineExceeded);
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  Accept(2);
  EXPECT_EQ(Take(0), 2u) << "it still waits";
}

TEST_F(DispatcherTest, ADropInALaneSparesTheHandler) {
  ASSERT_TRUE(Empty(0));
  dispatcher_.Drop(Accept(1), LH_CALL_CANCELLED);
  EXPECT_EQ(Take(0), 0u);
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  Accept(2);
  EXPECT_EQ(Take(0), 2u);
}

}  // namespace
}  // namespace lauberhorn::nic
