// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Who gets a call: threads that wait, the queue, and what a lane holds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "abi/host/message.h"
#include "abi/host/process.h"
#include "nic/dispatcher.h"
#include "nic/testing/dispatcher_fixture.h"
#include "nic/testing/host_side.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::DispatcherTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TakenMessage;
using testing::WithMeta;

TEST_F(DispatcherTest, AWaitingEndpointGetsTheCall) {
  ASSERT_TRUE(Empty(1));
  Accept(1, now_ + 5);
  std::uint64_t handle;
  EXPECT_EQ(Take(0), 0u);
  EXPECT_EQ(Take(2), 0u);
  EXPECT_EQ(Take(1, &handle), 1u);
  EXPECT_EQ(last_.header.deadline, now_ + 5);
  EXPECT_EQ(counters_.calls_delivered.value(), 1u);
  EXPECT_EQ(counters_.calls_queued.value(), 0u);
  EXPECT_EQ(dispatcher_.Next(), now_ + 5);
  EXPECT_EQ(CallWord(lh_handle_index(handle)),
            lh_handle(0, lh_handle_generation(handle)));
  EXPECT_TRUE(Reply(1, handle, "result", 5));
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].sequence, 1u);
  EXPECT_EQ(done_[0].status, 5);
  EXPECT_EQ(done_[0].text, "result");
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  EXPECT_EQ(counters_.replies_collected.value(), 1u);
  // The reply says that it waits again.
  Accept(2);
  EXPECT_EQ(Take(1), 2u);
  EXPECT_EQ(last_.header.deadline, 0u) << "none";
}

TEST_F(DispatcherTest, MetadataComesWithTheCallAndWithTheReply) {
  const std::string meta = "some metadata";
  const std::string payload = "call 1";
  dispatcher_.Accept(
      {.reply_to = {.token = 1, .session = 2, .sequence = 1, .slot = 3},
       .listener = 0,
       .method = 5,
       .deadline = kNever,
       .body = {Bytes(meta), Bytes(payload)}},
      {.code = 6, .data = 7, .index = 8, .server = 9});
  ASSERT_TRUE(Empty(0));
  TakenMessage call;
  ASSERT_TRUE(hosts_[0]->Take(&call));
  EXPECT_EQ(call.header.flags & LH_FLAG_META, LH_FLAG_META);
  EXPECT_EQ(call.payload, WithMeta(meta, payload));

  lh_message reply = {};
  reply.kind = LH_KIND_REPLY;
  reply.call = call.header.call;
  reply.flags = LH_FLAG_META;
  ASSERT_TRUE(Put(0, reply, WithMeta("more", "done")));
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].meta, "more");
  EXPECT_EQ(done_[0].text, "done");
}

TEST_F(DispatcherTest, MetadataThatLiesAboutItsSizeEndsTheCall) {
  const std::string lies[] = {"", "abc", std::string("\x01\0\0\0", 4),
                              std::string("\xff\xff\xff\xff", 4) + "abc"};
  ASSERT_TRUE(Empty(0));
  std::uint32_t name = 0;
  for (const std::string& lie : lies) {
    Accept(++name);
    std::uint64_t handle;
    ASSERT_EQ(Take(0, &handle), name);
    lh_message reply = {};
    reply.kind = LH_KIND_REPLY;
    reply.call = handle;
    reply.flags = LH_FLAG_META;
    EXPECT_FALSE(Put(0, reply, lie));
    ASSERT_EQ(done_.size(), name);
    EXPECT_EQ(done_.back().status, kInternal);
    EXPECT_EQ(done_.back().meta, "");
    // Refused or not, it said that the thread takes the next.
  }
}

TEST_F(DispatcherTest, TheLastToWaitIsTheFirstToWork) {
  for (std::uint32_t endpoint : {1u, 0u, 2u}) ASSERT_TRUE(Empty(endpoint));
  for (std::uint32_t name = 1; name <= 4; ++name) Accept(name);
  EXPECT_EQ(Take(2), 1u);
  EXPECT_EQ(Take(0), 2u);
  EXPECT_EQ(Take(1), 3u);
  EXPECT_EQ(counters_.calls_queued.value(), 1u);
}

TEST_F(DispatcherTest, WhoeverDoesTheTurnIsTheFirstToWorkIfItWaits) {
  for (std::uint32_t endpoint : {1u, 0u}) ASSERT_TRUE(Empty(endpoint));
  dispatcher_.Prefer(1);
  dispatcher_.Prefer(2);  // waits for no call
  Accept(1);
  EXPECT_EQ(Take(1), 1u);
  Accept(2);
  EXPECT_EQ(Take(0), 2u);
}

TEST_F(DispatcherTest, SaysHowLongAThreadWillBeAway) {
  ASSERT_TRUE(Empty(0));
  EXPECT_EQ(dispatcher_.UsualTime(0), kNever) << "it has no call";
  Accept(1);
  EXPECT_EQ(dispatcher_.UsualTime(0), 0u) << "nothing is known of the method";
  const Nanos given = now_;
  std::uint64_t handle;
  ASSERT_EQ(Take(0, &handle), 1u);
  ASSERT_TRUE(Reply(0, handle));
  const Nanos took = now_ - given;
  EXPECT_GT(took, 0u);
  Accept(2);
  EXPECT_EQ(dispatcher_.UsualTime(0), took);
  while (dispatcher_.queued() < 2) Accept(3);
  EXPECT_EQ(dispatcher_.UsualTime(0), (dispatcher_.held(0) + 2) * took)
      << "with all that waits";
}

TEST_F(DispatcherTest, TheQueueKeepsItsOrder) {
  for (std::uint32_t name = 1; name <= 5; ++name) Accept(name);
  EXPECT_EQ(counters_.calls_queued.value(), 5u);
  std::vector<std::uint32_t> order;
  std::uint64_t handle;
  ASSERT_TRUE(Empty(0));
  for (int i = 0; i < 5; ++i) {
    order.push_back(Take(0, &handle));
    EXPECT_EQ(Take(0), 0u) << "one at a time";
    ASSERT_TRUE(Reply(0, handle));
  }
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(done_.size(), 5u);
}

TEST_F(DispatcherTest, AnEndpointGetsAsManyCallsAsItAskedFor) {
  for (std::uint32_t name = 1; name <= 5; ++name) Accept(name);
  ASSERT_TRUE(Empty(0, 3));
  std::uint64_t handles[3];
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(Take(0, &handles[i]), i + 1);
  EXPECT_EQ(Take(0), 0u);
  ASSERT_TRUE(Reply(0, handles[1]));
  EXPECT_EQ(Take(0), 4u);
  EXPECT_EQ(Take(0), 0u);
}

TEST_F(DispatcherTest, EmptyNeverPromisesMoreThanTheLaneHolds) {
  EXPECT_FALSE(Empty(0, 0));
  EXPECT_FALSE(Empty(0, kSlots));
  EXPECT_FALSE(Empty(0, 0xffff));
  EXPECT_TRUE(Empty(0, kSlots - 1));
  EXPECT_FALSE(Empty(0, 1));
  Accept(1);
  EXPECT_EQ(Take(0), 1u);
  EXPECT_TRUE(Empty(0, 1));
  EXPECT_FALSE(Empty(0, 1));
}

TEST_F(DispatcherTest, AFullTableRefusesAndRecovers) {
  for (std::uint32_t name = 1; name <= kTable; ++name) {
    EXPECT_NE(Accept(name), Dispatcher::kNone);
  }
  EXPECT_EQ(Accept(7), Dispatcher::kNone);
  ASSERT_TRUE(Empty(0));
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  EXPECT_EQ(Accept(7), Dispatcher::kNone) << "it runs, and needs its place";
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_NE(Accept(7), Dispatcher::kNone);
  EXPECT_EQ(Accept(8), Dispatcher::kNone);
}

TEST_F(DispatcherTest, AFullTableWithoutAQueueSaysSo) {
  for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
    ASSERT_TRUE(Empty(endpoint, kTable / kEndpoints));
  }
  for (std::uint32_t name = 1; name <= kTable; ++name) {
    ASSERT_NE(Accept(name), Dispatcher::kNone);
  }
  EXPECT_EQ(Accept(7), Dispatcher::kNone);
  EXPECT_EQ(dispatcher_.Fullness(), 255);
}

TEST_F(DispatcherTest, AFullQueueRefuses) {
  dispatcher_.set_limits({.running = 1, .threads = 1, .queued = 2});
  EXPECT_EQ(dispatcher_.Fullness(), 0);
  EXPECT_NE(Accept(1), Dispatcher::kNone);
  EXPECT_NE(Accept(2), Dispatcher::kNone);
  EXPECT_EQ(dispatcher_.Fullness(), 255);
  EXPECT_EQ(Accept(3), Dispatcher::kNone);
  ASSERT_TRUE(Empty(0));
  EXPECT_NE(Accept(3), Dispatcher::kNone);
}

TEST_F(DispatcherTest, AClosedLaneCostsNoCallAndNoOrder) {
  ASSERT_TRUE(Empty(0));
  ASSERT_TRUE(Empty(1));
  ASSERT_TRUE(hosts_[1]->Close());
  Accept(1);
  Accept(2);
  EXPECT_EQ(counters_.deliveries_failed.value(), 1u);
  EXPECT_EQ(Take(0), 1u);
  ASSERT_TRUE(Empty(2, 2));
  EXPECT_EQ(Take(2), 2u);
  Accept(3);
  EXPECT_EQ(Take(2), 3u);
  EXPECT_EQ(counters_.deliveries_failed.value(), 1u) << "it is not asked again";
}

TEST_F(DispatcherTest, AClosedLaneLeavesTheQueueAsItWas) {
  ASSERT_TRUE(Empty(0, 3));
  ASSERT_TRUE(hosts_[0]->Close());
  for (std::uint32_t name = 1; name <= 3; ++name) Accept(name);
  EXPECT_EQ(counters_.calls_queued.value(), 3u);
  ASSERT_TRUE(Empty(1, 3));
  for (std::uint32_t name = 1; name <= 3; ++name) EXPECT_EQ(Take(1), name);
}

TEST_F(DispatcherTest, ForgedAndRepeatedRepliesEndNothing) {
  ASSERT_TRUE(Empty(0));
  const std::uint32_t running = Accept(1);
  const std::uint32_t queued = Accept(2);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  EXPECT_FALSE(Reply(1, handle)) << "of an endpoint that has not got it";
  EXPECT_FALSE(Reply(0, lh_handle(running, 2)));
  EXPECT_FALSE(Reply(0, lh_handle(running, 0)));
  EXPECT_FALSE(Reply(0, lh_handle(queued, 1))) << "nobody has got it";
  EXPECT_FALSE(Reply(0, lh_handle(kTable - 1, 0))) << "it is free";
  EXPECT_EQ(counters_.replies_late.value(), 5u);
  EXPECT_FALSE(Reply(0, lh_handle(kTable, 1)));
  EXPECT_FALSE(Reply(0, ~std::uint64_t{0}));
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_TRUE(Reply(0, handle));
  EXPECT_FALSE(Reply(0, handle)) << "twice";
  EXPECT_EQ(done_.size(), 1u);
  EXPECT_EQ(counters_.replies_collected.value(), 1u);
  // None of these was a promise to take a call.
  EXPECT_EQ(Take(0), 2u);
  EXPECT_EQ(Take(0), 0u);
}

TEST_F(DispatcherTest, AStatusThatDoesNotExistIsRefusedButEndsTheCall) {
  for (const std::uint64_t status :
       {std::uint64_t{17}, std::uint64_t{1} << 32}) {
    ASSERT_TRUE(Empty(0));
    Accept(1);
    std::uint64_t handle;
    EXPECT_EQ(Take(0, &handle), 1u);
    EXPECT_FALSE(Reply(0, handle, "status", status));
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_EQ(done_[0].status, 13);  // INTERNAL
    done_.clear();
  }
}

TEST_F(DispatcherTest, NoCallIsLostOrRunTwiceInRandomOrder) {
  std::mt19937_64 random(3);
  const auto below = [&](std::uint32_t bound) {
    return static_cast<std::uint32_t>(random() % bound);
  };
  struct Held {
    std::uint64_t handle;
    std::uint32_t name;
    bool left;
  };
  std::vector<std::vector<Held>> held(kEndpoints);
  std::set<std::uint32_t> open, dropped, ended_early, taken;
  std::vector<std::uint32_t> numbers(1);  // in the table, by name
  std::uint32_t name = 0;
  std::uint32_t ended = 0;
  for (int step = 0; step < 60'000; ++step) {
    const std::uint32_t endpoint = below(kEndpoints);
    switch (below(10)) {
      case 0:
      case 1: {
        const Nanos deadline =
            below(2) == 0 ? kNever : now_ + 1 + below(200'000);
        const std::uint32_t number = Accept(name + 1, deadline, name + 1);
        if (number == Dispatcher::kNone) break;
        numbers.push_back(number);
        open.insert(++name);
        break;
      }
      case 2:
        // Whoever has been told to go home looks before it asks again.
        if (held[endpoint].empty() && !channels_.NewestWaits(2 * endpoint)) {
          Empty(endpoint, 1);
        }
        break;
      case 3: {
        std::uint64_t handle;
        const std::uint32_t got = Take(endpoint, &handle);
        if (got == 0 || got == kRetire) break;
        ASSERT_TRUE(taken.insert(got).second) << got << " was given twice";
        held[endpoint].push_back({handle, got, false});
        break;
      }
      case 4:
      case 5:
        if (!held[endpoint].empty()) {
          const Held call = held[endpoint].back();
          held[endpoint].pop_back();
          ASSERT_TRUE(Reply(endpoint, call.handle, std::to_string(call.name)));
        }
        break;
      case 6:
        if (!held[endpoint].empty()) {
          Held& call = held[endpoint].back();
          const bool others =
              std::any_of(held[endpoint].begin(), held[endpoint].end() - 1,
                          [](const Held& other) { return other.left; });
          if (others) break;
          ASSERT_TRUE(call.left ? Enter(endpoint, call.handle)
                                : Leave(endpoint, call.handle));
          call.left = !call.left;
        }
        break;
      case 7:
        if (held[endpoint].empty()) hosts_[endpoint]->Park();
        break;
      case 8:
        if (below(4) == 0) {
          dispatcher_.Retire(endpoint);
        } else if (!open.empty()) {
          // A call that has not ended, of which nobody wants to hear any more.
          const std::uint32_t victim = *open.begin();
          const std::uint32_t call = numbers[victim];
          if (below(2) == 0) {
            dispatcher_.Cancel(
                lh_handle(call, lh_handle_generation(CallWord(call))),
                kCancelCode, "");
            break;
          }
          dispatcher_.Drop(call, LH_CALL_CANCELLED);
          open.erase(victim);
          dropped.insert(victim);
        }
        break;
      default:
        ExpireAt(now_ + below(20'000));
        handler_time_ = below(2) * 20 * kMicrosecond;
    }
    for (const Done& done : done_) {
      if (done.status == kDeadlineExceeded || done.status == kCancelled) {
        ASSERT_EQ(open.erase(done.sequence), 1u);
        ended_early.insert(done.sequence);
      } else {
        ASSERT_EQ(done.text, std::to_string(done.sequence));
        ASSERT_EQ(open.count(done.sequence), 1u);
      }
    }
    done_.clear();
    for (; ended < servers_ended_.size(); ++ended) {
      const std::uint32_t which = servers_ended_[ended];
      ASSERT_EQ(
          open.erase(which) + dropped.erase(which) + ended_early.erase(which),
          1u);
      for (const auto& calls : held) {
        for (const Held& call : calls) ASSERT_NE(call.name, which);
      }
    }
    const std::size_t left = open.size() + dropped.size() + ended_early.size();
    ASSERT_EQ(left + ended, name);
    ASSERT_LE(left, kTable);
  }
  EXPECT_GT(name, 1000u);
  EXPECT_GT(taken.size(), 400u);
  EXPECT_GT(counters_.calls_expired.value(), 100u);
  EXPECT_GT(counters_.calls_cancelled.value(), 100u);
}

}  // namespace
}  // namespace lauberhorn::nic
