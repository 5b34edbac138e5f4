// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using ::testing::ElementsAre;
using testing::HostChannel;
using ::testing::IsEmpty;
using testing::RecordingWaker;
using testing::RegionMemory;
using testing::TakenMessage;
using testing::Text;
using testing::WithMeta;

constexpr std::uint32_t kEndpoints = 3;
constexpr std::uint32_t kSlots = 4;
constexpr std::uint32_t kTable = 6;
constexpr std::uint8_t kCancelled = 1;
constexpr std::uint8_t kDeadlineExceeded = 4;
constexpr std::uint8_t kInternal = 13;
constexpr absl::StatusCode kCancelCode = absl::StatusCode::kCancelled;

class DispatcherTest : public ::testing::Test, private Dispatcher::Handler {
 protected:
  struct Done {
    std::uint32_t sequence;  // names the call here
    std::uint8_t status;
    std::string text;
    std::string meta;
  };

  DispatcherTest() {
    dispatcher_.set_now(now_);
    for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      hosts_.push_back(std::make_unique<HostChannel>(memory_.bytes().data(),
                                                     endpoint, Which::kServe));
    }
  }

  // A call with this name; its number in the table, kNone if it is not taken
  // in.
  std::uint32_t Accept(std::uint32_t name, Nanos deadline = kNever,
                       std::uint32_t server = 9) {
    if (!dispatcher_.HasPlace()) return Dispatcher::kNone;
    const std::string payload = "call " + std::to_string(name);
    return dispatcher_.Accept(
        {.reply_to = {.token = 1, .session = 2, .sequence = name, .slot = 3},
         .listener = 0,
         .method = 5,
         .deadline = deadline,
         .body = Bytes(payload)},
        {.code = 6, .data = 7, .index = 8, .server = server});
  }

  // The host's messages, as the engine hands them on.
  bool Put(std::uint32_t endpoint, const lh_message& header,
           absl::string_view payload = "") {
    EXPECT_TRUE(hosts_[endpoint]->Put(header, payload));
    HostMessage message;
    EXPECT_TRUE(channels_.Collect(2 * endpoint, &message, now_));
    const auto handle = [&] {
      switch (header.kind) {
        case LH_KIND_EMPTY:
          return dispatcher_.OnEmpty(endpoint, message);
        case LH_KIND_LEAVE:
          return dispatcher_.OnLeave(endpoint, message);
        case LH_KIND_ENTER:
          return dispatcher_.OnEnter(endpoint, message);
        default:
          return dispatcher_.OnReply(endpoint, message);
      }
    };
    const bool good = handle();
    dispatcher_.Dispatch();
    return good;
  }
  bool Empty(std::uint32_t endpoint, std::uint16_t count = 1) {
    lh_message header = {};
    header.kind = LH_KIND_EMPTY;
    header.aux = count;
    return Put(endpoint, header);
  }
  bool Reply(std::uint32_t endpoint, std::uint64_t call,
             absl::string_view text = "ok", std::uint64_t status = 0) {
    now_ += handler_time_;
    dispatcher_.set_now(now_);
    lh_message header = {};
    header.kind = LH_KIND_REPLY;
    header.call = call;
    header.code = status;
    return Put(endpoint, header, text);
  }

  // A handler begins to wait for a call of its own, or comes back.
  bool Leave(std::uint32_t endpoint, std::uint64_t call) {
    lh_message header = {};
    header.kind = LH_KIND_LEAVE;
    header.call = call;
    return Put(endpoint, header);
  }
  bool Enter(std::uint32_t endpoint, std::uint64_t call) {
    lh_message header = {};
    header.kind = LH_KIND_ENTER;
    header.call = call;
    return Put(endpoint, header);
  }

  // Endpoint 0 has a call of a method that is known to be short; its handle.
  std::uint64_t RunShortMethod() {
    handler_time_ = kMicrosecond;
    std::uint64_t handle = 0;
    EXPECT_TRUE(Empty(0));
    Accept(101);
    EXPECT_EQ(Take(0, &handle), 101u);
    EXPECT_TRUE(Reply(0, handle));
    Accept(102);
    EXPECT_EQ(Take(0, &handle), 102u);
    return handle;
  }

  // The name of the next call in the endpoint's lane, 0 if there is none,
  // kRetire if its thread is sent home. `handle` of the call, if not null.
  std::uint32_t Take(std::uint32_t endpoint, std::uint64_t* handle = nullptr) {
    TakenMessage taken;
    if (!hosts_[endpoint]->Take(&taken)) return 0;
    if (taken.header.kind == LH_KIND_RETIRE) return kRetire;
    EXPECT_EQ(taken.header.kind, LH_KIND_CALL);
    EXPECT_EQ(taken.header.code, 6u);
    EXPECT_EQ(taken.header.data, 7u);
    EXPECT_EQ(taken.header.aux, 8);
    if (handle != nullptr) *handle = taken.header.call;
    last_ = taken;
    EXPECT_EQ(taken.payload.rfind("call ", 0), 0u) << taken.payload;
    return static_cast<std::uint32_t>(std::stoul(taken.payload.substr(5)));
  }

  void ExpireAt(Nanos now) {
    now_ = now;
    dispatcher_.set_now(now);
    dispatcher_.Expire();
    dispatcher_.Dispatch();
  }

  std::uint64_t CallWord(std::uint32_t call) const {
    return region_.call_word(call)->word;
  }

  static constexpr std::uint32_t kRetire = ~std::uint32_t{0};

  const RegionOptions options_ = {.endpoints = kEndpoints,
                                  .slots = kSlots,
                                  .arrived_calls = kTable,
                                  .own_calls = 1};
  RegionMemory memory_{options_};
  Region region_{options_, memory_.bytes()};
  Counters counters_;
  ChannelTable channels_{region_, counters_};
  Dispatcher dispatcher_{region_, channels_, counters_, *this};
  std::vector<std::unique_ptr<HostChannel>> hosts_;
  std::vector<Done> done_;
  std::vector<std::uint32_t> servers_ended_;
  std::vector<std::uint64_t> flagged_;
  TakenMessage last_;
  Nanos now_ = kSecond;
  Nanos handler_time_ = 20 * kMicrosecond;  // nothing is staged behind that

 private:
  void OnCallDone(const ReplyTo& to, std::uint8_t status,
                  const Body& body) override {
    EXPECT_EQ(to.token, 1u);
    EXPECT_EQ(to.session, 2u);
    EXPECT_EQ(to.slot, 3u);
    done_.push_back({to.sequence, status, Text(body.payload), Text(body.meta)});
  }
  void OnCallFlagged(std::uint64_t handle) override {
    flagged_.push_back(handle);
  }
  void OnServerCallEnded(std::uint32_t server) override {
    servers_ended_.push_back(server);
  }
};

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
