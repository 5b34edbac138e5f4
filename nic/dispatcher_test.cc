// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::HostChannel;
using ::testing::IsEmpty;
using testing::RecordingWaker;
using testing::RegionMemory;
using testing::TakenMessage;
using testing::Text;

constexpr std::uint32_t kEndpoints = 3;
constexpr std::uint32_t kSlots = 4;
constexpr std::uint32_t kTable = 6;
constexpr std::uint8_t kDeadlineExceeded = 4;

class DispatcherTest : public ::testing::Test, private Dispatcher::Handler {
 protected:
  struct Done {
    std::uint32_t sequence;  // names the call here
    std::uint8_t status;
    std::string text;
  };

  DispatcherTest() {
    for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      hosts_.push_back(std::make_unique<HostChannel>(memory_.bytes().data(),
                                                     endpoint, Which::kServe));
    }
  }

  // A call with this name; its number in the table.
  std::uint32_t Accept(std::uint32_t name, Nanos deadline = kNever) {
    const std::string payload = "call " + std::to_string(name);
    return dispatcher_.Accept(
        {.reply_to = {.token = 1, .session = 2, .sequence = name, .slot = 3},
         .listener = 0,
         .method = 5,
         .deadline = deadline,
         .payload = Bytes(payload)},
        {.code = 6, .data = 7, .index = 8, .server = 9});
  }

  // The host's messages, as the engine hands them on.
  bool Put(std::uint32_t endpoint, const lh_message& header,
           absl::string_view payload = "") {
    EXPECT_TRUE(hosts_[endpoint]->Put(header, payload));
    HostMessage message;
    EXPECT_TRUE(channels_.Collect(2 * endpoint, &message, now_));
    const bool good = header.kind == LH_KIND_EMPTY
                          ? dispatcher_.OnEmpty(endpoint, message)
                          : dispatcher_.OnReply(endpoint, message);
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
    lh_message header = {};
    header.kind = LH_KIND_REPLY;
    header.call = call;
    header.code = status;
    return Put(endpoint, header, text);
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
  TakenMessage last_;
  Nanos now_ = kSecond;

 private:
  void OnCallDone(const ReplyTo& to, std::uint8_t status,
                  absl::Span<const std::uint8_t> payload) override {
    EXPECT_EQ(to.token, 1u);
    EXPECT_EQ(to.session, 2u);
    EXPECT_EQ(to.slot, 3u);
    done_.push_back({to.sequence, status, Text(payload)});
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
  EXPECT_EQ(dispatcher_.Next(now_), now_ + 5);
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
  dispatcher_.Reopen(0);
  dispatcher_.Reopen(1);
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
  const Nanos look = dispatcher_.Next(now_);
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
  EXPECT_EQ(dispatcher_.Next(now_), kNever) << "nobody is queued";
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
  ASSERT_TRUE(Empty(1));
  ASSERT_TRUE(hosts_[1]->Park());
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
  Accept(1, now_ + 20);
  Accept(2, now_ + 10);
  Accept(3);
  EXPECT_EQ(dispatcher_.Next(now_), now_ + 10);
  dispatcher_.Expire(now_ + 9);
  EXPECT_THAT(done_, IsEmpty());
  dispatcher_.Expire(now_ + 10);
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].sequence, 2u);
  EXPECT_EQ(done_[0].status, kDeadlineExceeded);
  EXPECT_EQ(dispatcher_.Next(now_), now_ + 20);
  dispatcher_.Expire(now_ + 1000);
  EXPECT_EQ(done_.size(), 2u);
  EXPECT_EQ(counters_.calls_expired.value(), 2u);
  EXPECT_THAT(servers_ended_, ElementsAre(9u, 9u));
  EXPECT_EQ(dispatcher_.Next(now_), kNever);
  ASSERT_TRUE(Empty(0));
  EXPECT_EQ(Take(0), 3u);
}

TEST_F(DispatcherTest, ADeadlineEndsACallForItsCallerWhileAThreadHasIt) {
  ASSERT_TRUE(Empty(0));
  const std::uint32_t call = Accept(1, now_ + 10);
  std::uint64_t handle;
  EXPECT_EQ(Take(0, &handle), 1u);
  dispatcher_.Expire(now_ + 9);
  EXPECT_EQ(CallWord(call), lh_handle(0, 1));
  dispatcher_.Expire(now_ + 10);
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
  dispatcher_.Drop(call);
  dispatcher_.Expire(now_ + 10);
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_CANCELLED | LH_CALL_EXPIRED, 1));
  ASSERT_TRUE(Reply(0, handle));
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_EQ(dispatcher_.Next(now_), kNever);
}

TEST_F(DispatcherTest, DropEndsAQueuedCallSilently) {
  Accept(1);
  const std::uint32_t call = Accept(2, now_ + 10);
  Accept(3);
  dispatcher_.Drop(call);
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  EXPECT_EQ(dispatcher_.Next(now_), kNever) << "its deadline is gone, too";
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
  dispatcher_.Drop(call);
  EXPECT_EQ(CallWord(call), lh_handle(LH_CALL_CANCELLED, 1));
  EXPECT_THAT(servers_ended_, IsEmpty()) << "it is in work until it replies";
  EXPECT_TRUE(Reply(0, handle, "for nobody"));
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_THAT(servers_ended_, ElementsAre(9u));
  Accept(2);
  EXPECT_EQ(Take(0), 2u) << "its thread waits again";
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

TEST_F(DispatcherTest, NoCallIsLostOrRunTwiceInRandomOrder) {
  std::mt19937_64 random(3);
  const auto below = [&](std::uint32_t bound) {
    return static_cast<std::uint32_t>(random() % bound);
  };
  struct Held {
    std::uint64_t handle;
    std::uint32_t name;
  };
  std::vector<std::vector<Held>> held(kEndpoints);
  std::set<std::uint32_t> open, dropped, expired, taken;
  std::vector<std::uint32_t> numbers(1);  // in the table, by name
  std::uint32_t name = 0;
  std::uint32_t ended = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t endpoint = below(kEndpoints);
    switch (below(8)) {
      case 0:
      case 1: {
        const Nanos deadline = below(2) == 0 ? kNever : now_ + 1 + below(200);
        const std::uint32_t number = Accept(name + 1, deadline);
        if (number == Dispatcher::kNone) break;
        numbers.push_back(number);
        open.insert(++name);
        break;
      }
      case 2:
        if (held[endpoint].empty()) Empty(endpoint, 1);
        break;
      case 3: {
        std::uint64_t handle;
        const std::uint32_t got = Take(endpoint, &handle);
        if (got == 0 || got == kRetire) break;
        ASSERT_TRUE(taken.insert(got).second) << got << " was given twice";
        held[endpoint].push_back({handle, got});
        break;
      }
      case 4:
      case 5:
        if (!held[endpoint].empty()) {
          const Held call = held[endpoint].back();
          held[endpoint].pop_back();
          ASSERT_TRUE(Reply(endpoint, call.handle, std::to_string(call.name)));
          ASSERT_EQ(open.erase(call.name) + dropped.erase(call.name) +
                        expired.erase(call.name),
                    1u);
          ++ended;
        }
        break;
      case 6:
        if (below(4) == 0) {
          dispatcher_.Retire(endpoint);
        } else if (!open.empty()) {
          // A call that has not ended, of which nobody wants to hear any more.
          const std::uint32_t victim = *open.begin();
          const std::size_t before = servers_ended_.size();
          dispatcher_.Drop(numbers[victim]);
          open.erase(victim);
          if (servers_ended_.size() == before) {
            dropped.insert(victim);
          } else {
            ASSERT_FALSE(taken.count(victim));
            ++ended;
          }
        }
        break;
      default:
        now_ += below(20);
        dispatcher_.Expire(now_);
    }
    for (const Done& done : done_) {
      if (done.status == kDeadlineExceeded) {
        ASSERT_EQ(open.erase(done.sequence), 1u);
        if (done.text.find("queued") != std::string::npos) {
          ASSERT_FALSE(taken.count(done.sequence));
          ++ended;
        } else {
          expired.insert(done.sequence);  // a thread has it, or will
        }
      } else {
        ASSERT_EQ(done.text, std::to_string(done.sequence));
      }
    }
    done_.clear();
    ASSERT_EQ(servers_ended_.size(), ended);
    const std::size_t left = open.size() + dropped.size() + expired.size();
    ASSERT_EQ(left + ended, name);
    ASSERT_LE(left, kTable);
  }
  EXPECT_GT(name, 1000u);
  EXPECT_GT(taken.size(), 400u);
  EXPECT_GT(counters_.calls_expired.value(), 100u);
}

}  // namespace
}  // namespace lauberhorn::nic
