// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Threads that are woken, start, go home, wait for others or are gone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "nic/testing/dispatcher_fixture.h"
#include "nic/testing/host_side.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::DispatcherTest;
using testing::RecordingWaker;

TEST_F(DispatcherTest, AThreadThatReopensStartsFromNothing) {
  ASSERT_TRUE(Empty(0, 2));
  dispatcher_.Retire(1);
  ASSERT_TRUE(hosts_[0]->Close());
  ASSERT_TRUE(channels_.Reopen(0));
  dispatcher_.Abandon(0);
  dispatcher_.Abandon(1);
  Accept(1);
  EXPECT_EQ(Take(0), 0u) << "the thread that asked is gone";
  EXPECT_TRUE(Empty(0, kSlots - 1)) << "its promise is forgotten";
  EXPECT_EQ(Take(0), 1u);
  EXPECT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 0u) << "and what was meant for it";
}

TEST_F(DispatcherTest, OneWakeIsInFlightAtATime) {
  RecordingWaker waker;
  for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
    ASSERT_TRUE(Empty(endpoint));
    ASSERT_TRUE(hosts_[endpoint]->Park());
  }
  for (std::uint32_t name = 1; name <= 3; ++name) Accept(name);
  channels_.FlushWakes(waker);
  EXPECT_EQ(waker.words.size(), 1u);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 1u);
  EXPECT_EQ(counters_.calls_queued.value(), 2u);
  const Nanos look = dispatcher_.Next();
  EXPECT_GT(look, now_);
  EXPECT_LE(look, now_ + kMillisecond) << "the next look has to come soon";
  dispatcher_.Dispatch();
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 1u);

  // The first is there: the next may be woken.
  std::uint64_t handle;
  EXPECT_EQ(Take(2, &handle), 1u);
  dispatcher_.Dispatch();
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 2u);
  // It replies and takes the third before the second has woken up.
  ASSERT_TRUE(Reply(2, handle));
  EXPECT_EQ(Take(2), 3u);
  ExpireAt(now_ + 10 * kMicrosecond);
  EXPECT_EQ(dispatcher_.Next(), kNever) << "nobody is queued";
  channels_.FlushWakes(waker);
  EXPECT_EQ(waker.words.size(), 2u);
  EXPECT_EQ(Take(1), 2u);
  EXPECT_EQ(Take(0), 0u);
}

TEST_F(DispatcherTest, AnAwakeThreadIsGivenWorkWhileAnotherWakes) {
  ASSERT_TRUE(Empty(0));
  ASSERT_TRUE(hosts_[0]->Park());
  Accept(1);
  Accept(2);
  EXPECT_EQ(counters_.calls_queued.value(), 1u);
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 2u);
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DispatcherTest, AWakeIsReleasedWhenItsThreadSpeaks) {
  ASSERT_TRUE(Empty(0, 2));
  ASSERT_TRUE(Empty(1));
  ASSERT_TRUE(hosts_[0]->Park());
  ASSERT_TRUE(hosts_[1]->Park());
  Accept(1);  // wakes 1
  Accept(2);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 1u);
  std::uint64_t handle;
  EXPECT_EQ(Take(1, &handle), 1u);
  ASSERT_TRUE(Reply(1, handle));
  // It has the second one now, and the other sleeps on.
  EXPECT_EQ(Take(1), 2u);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 1u);
}

TEST_F(DispatcherTest, AWakeIsReleasedThoughMoreLiesInTheLane) {
  ASSERT_TRUE(Empty(0, 2));
  ASSERT_TRUE(hosts_[0]->Park());
  Accept(1);
  Accept(2);  // behind the first
  ASSERT_TRUE(hosts_[1]->Park());
  ASSERT_TRUE(Empty(1));
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  ASSERT_TRUE(Reply(0, handle));
  Accept(3);  // again to the first, which is awake
  Accept(4);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 2u);
  EXPECT_EQ(Take(1), 4u);
  EXPECT_EQ(Take(0), 2u);
  EXPECT_EQ(Take(0), 3u);
}

TEST_F(DispatcherTest, RetireSendsAWaitingThreadHome) {
  ASSERT_TRUE(Empty(0, 2));
  dispatcher_.Retire(0);
  Accept(1);
  EXPECT_EQ(Take(0), kRetire);
  EXPECT_EQ(Take(0), 0u) << "nothing after it";
  ASSERT_TRUE(Empty(0, kSlots - 1)) << "unless its thread asks again";
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DispatcherTest, RetireSendsABusyThreadHomeWhenItIsDone) {
  ASSERT_TRUE(Empty(0));
  Accept(1);
  Accept(2);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  dispatcher_.Retire(0);
  EXPECT_EQ(Take(0), 0u);
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(Take(0), kRetire);
  EXPECT_EQ(Take(0), 0u);
  EXPECT_EQ(done_.size(), 1u) << "its reply counts";
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 2u);
}

TEST_F(DispatcherTest, RetireWaitsForTheCallsInTheLaneAndAddsNone) {
  ASSERT_TRUE(Empty(0, 3));
  Accept(1);
  Accept(2);
  dispatcher_.Retire(0);
  Accept(3);
  std::uint64_t first, second;
  EXPECT_EQ(Take(0, &first), 1u);
  ASSERT_TRUE(Reply(0, first));
  EXPECT_EQ(Take(0, &second), 2u) << "RETIRE came before a call";
  EXPECT_EQ(Take(0), 0u);
  ASSERT_TRUE(Reply(0, second));
  EXPECT_EQ(Take(0), kRetire);
  EXPECT_EQ(Take(0), 0u) << "a call came after RETIRE";
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 3u);
}

TEST_F(DispatcherTest, RetireBeforeTheFirstWord) {
  dispatcher_.Retire(0);
  EXPECT_EQ(Take(0), 0u);
  Accept(1);
  ASSERT_TRUE(Empty(0));
  EXPECT_EQ(Take(0), kRetire);
  ASSERT_TRUE(Empty(0));
  EXPECT_EQ(Take(0), 1u);
}

TEST_F(DispatcherTest, AHandlerThatLeavesIsNotCountedAsRunning) {
  dispatcher_.set_limits({.running = 1, .threads = 3, .queued = 10});
  ASSERT_TRUE(Empty(0));
  Accept(1);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  ASSERT_TRUE(hosts_[1]->Park());
  ASSERT_TRUE(Empty(1));
  Accept(2);
  EXPECT_EQ(Take(1), 0u) << "one runs, and that is the limit";
  ASSERT_TRUE(Leave(0, handle));
  EXPECT_EQ(Take(1), 2u);
  ASSERT_TRUE(Enter(0, handle));
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_EQ(done_.size(), 1u);
}

TEST_F(DispatcherTest, LeaveTakesBackWhatIsStaged) {
  const std::uint64_t handle = RunShortMethod();
  Accept(1);
  ASSERT_TRUE(Leave(0, handle));
  EXPECT_EQ(Take(0), 0u) << "it would wait for the others' calls";
  ASSERT_TRUE(Empty(1));
  EXPECT_EQ(Take(1), 1u);
}

TEST_F(DispatcherTest, LeaveAndEnterAreForTheHandlerOfTheCall) {
  ASSERT_TRUE(Empty(0));
  Accept(1);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  EXPECT_FALSE(Enter(0, handle)) << "it never left";
  EXPECT_FALSE(Leave(1, handle)) << "not its call";
  EXPECT_FALSE(Leave(0, handle + (std::uint64_t{1} << 32)));
  ASSERT_TRUE(Leave(0, handle));
  EXPECT_FALSE(Leave(0, handle)) << "twice";
  EXPECT_TRUE(Reply(0, handle)) << "which says that it is back";
  EXPECT_FALSE(Enter(0, handle));
}

TEST_F(DispatcherTest, ABlockedHandlerDoesNotStopTheOthersForEver) {
  dispatcher_.set_limits({.running = 1, .threads = 3, .queued = 10});
  ASSERT_TRUE(Empty(0));
  Accept(1);
  EXPECT_EQ(Take(0), 1u);
  for (std::uint32_t endpoint : {1u, 2u}) {
    ASSERT_TRUE(hosts_[endpoint]->Park());
    ASSERT_TRUE(Empty(endpoint));
  }
  Accept(2);
  Accept(3);
  EXPECT_EQ(counters_.calls_delivered_wake.value(), 0u);
  const auto time_to_wake = [&] {
    const Nanos start = now_;
    const std::uint64_t before = counters_.calls_delivered_wake.value();
    while (counters_.calls_delivered_wake.value() == before) {
      const Nanos next = dispatcher_.Next();
      EXPECT_NE(next, kNever);
      ExpireAt(next);
    }
    return now_ - start;
  };
  EXPECT_GT(time_to_wake(), 0u);
  EXPECT_EQ(Take(2), 2u);
  EXPECT_GT(time_to_wake(), 0u) << "one at a time";
  EXPECT_EQ(Take(1), 3u);
}

TEST_F(DispatcherTest, IfAllThreadsWaitForCallsTheQueueIsRefusedOldestFirst) {
  dispatcher_.set_limits({.running = 1, .threads = 2, .queued = 10});
  std::uint64_t handles[2];
  for (std::uint32_t endpoint : {0u, 1u}) {
    ASSERT_TRUE(Empty(endpoint));
    Accept(1);
    EXPECT_EQ(Take(endpoint, &handles[endpoint]), 1u);
    ASSERT_TRUE(Leave(endpoint, handles[endpoint]));
  }
  Accept(2);
  const Nanos refuse = dispatcher_.Next();
  ASSERT_NE(refuse, kNever);
  dispatcher_.set_now(refuse - 1);
  Accept(3);
  ExpireAt(refuse);
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].sequence, 2u);
  EXPECT_EQ(done_[0].status, 8) << "RESOURCE_EXHAUSTED";
  EXPECT_THAT(done_[0].text, ::testing::HasSubstr("max_workers"));
  // One comes back: the rest has hope again.
  ASSERT_TRUE(Enter(0, handles[0]));
  ExpireAt(refuse + kSecond);
  EXPECT_EQ(done_.size(), 1u);
  ASSERT_TRUE(Reply(0, handles[0]));
  EXPECT_EQ(Take(0), 3u);
}

TEST_F(DispatcherTest, TheLastThatWaitsIsToldToStartAnother) {
  dispatcher_.set_limits({.running = 3, .threads = 3, .queued = 10});
  ASSERT_TRUE(Empty(0));
  ASSERT_TRUE(Empty(1));
  Accept(1);
  EXPECT_EQ(Take(1), 1u);
  EXPECT_EQ(last_.header.flags, 0);
  Accept(2);
  EXPECT_EQ(Take(0), 2u);
  EXPECT_EQ(last_.header.flags, LH_FLAG_GROW);
  ASSERT_TRUE(Empty(2));
  Accept(3);
  EXPECT_EQ(Take(2), 3u);
  EXPECT_EQ(last_.header.flags, 0) << "there may be no more";
}

TEST_F(DispatcherTest, ThreadsWithoutWorkGoHomeExceptTwo) {
  for (std::uint32_t endpoint : {0u, 1u, 2u}) ASSERT_TRUE(Empty(endpoint));
  const Nanos home = dispatcher_.Next();
  ASSERT_NE(home, kNever);
  ExpireAt(home - 1);
  EXPECT_EQ(Take(0), 0u);
  ExpireAt(home);
  EXPECT_EQ(Take(0), kRetire);
  EXPECT_EQ(dispatcher_.Next(), kNever) << "idle costs nothing";
  EXPECT_EQ(counters_.threads_retired.value(), 1u);
}

TEST_F(DispatcherTest, CallsOfAThreadThatIsGoneEnd) {
  ASSERT_TRUE(Empty(0));
  Accept(1);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  ASSERT_TRUE(hosts_[0]->Close());
  ASSERT_TRUE(channels_.Reopen(0));
  dispatcher_.Abandon(0);
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].status, 2) << "UNKNOWN: it may have run";
  EXPECT_FALSE(Reply(0, handle));
}

}  // namespace
}  // namespace lauberhorn::nic
