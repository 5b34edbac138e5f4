// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/answers.h"

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nic/bytes.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using testing::HostChannel;
using testing::RegionMemory;
using testing::TakenMessage;

constexpr std::uint32_t kSlots = 4;
constexpr std::uint32_t kEndpoints = 3;
constexpr std::uint32_t kCalls = 16;
constexpr std::uint32_t kMostCalls = 12;

RegionOptions SmallRegion() {
  RegionOptions options;
  options.endpoints = kEndpoints;
  options.slots = kSlots;
  options.arrived_calls = 1;
  options.own_calls = kCalls;
  return options;
}

// The number of an endpoint's `call` channel.
std::uint32_t Channel(std::uint32_t endpoint) { return 2 * endpoint + 1; }

std::uint64_t Handle(std::uint32_t call, std::uint32_t generation = 1) {
  return lh_handle(1 + call, generation);
}

class AnswersTest : public ::testing::Test {
 protected:
  AnswersTest() {
    for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      hosts_.emplace_back(region_.base(), endpoint, Which::kCall);
    }
  }

  // Takes a call and ends it with this text.
  void Call(std::uint32_t call, std::uint32_t endpoint, absl::string_view text,
            std::uint32_t generation = 1) {
    ASSERT_TRUE(
        answers_.Take(call, Handle(call, generation), Channel(endpoint)));
    answers_.End(call, 0, Bytes(text));
  }

  // Fills the lane of an endpoint, with the calls from `first` on.
  void Fill(std::uint32_t endpoint, std::uint32_t first = 0) {
    for (std::uint32_t call = first; call < first + kSlots; ++call) {
      Call(call, endpoint, absl::StrCat(call));
    }
  }

  std::string Taken(std::uint32_t endpoint) {
    TakenMessage message = {};
    if (!hosts_[endpoint].Take(&message)) return "nothing";
    last_ = message.header;
    return message.payload;
  }

  std::uint64_t Backlog(std::uint32_t endpoint) {
    return lh_load_acquire(&region_.state(Channel(endpoint))->backlog);
  }

  RegionMemory memory_{SmallRegion()};
  Region region_{SmallRegion(), memory_.bytes()};
  Counters counters_;
  ChannelTable channels_{region_, counters_};
  Answers answers_{SmallRegion(), kMostCalls, channels_, counters_};
  std::vector<HostChannel> hosts_;
  lh_message last_ = {};
};

TEST_F(AnswersTest, AnAnswerSaysHowTheCallEnded) {
  ASSERT_TRUE(answers_.Take(3, Handle(3), Channel(1)));
  EXPECT_TRUE(answers_.IsOpen(3, Handle(3)));
  EXPECT_FALSE(answers_.IsOpen(3, Handle(3, 2)));
  answers_.End(3, 5, Bytes("no such key"));
  EXPECT_FALSE(answers_.IsOpen(3, Handle(3)));
  EXPECT_EQ(Taken(1), "no such key");
  EXPECT_EQ(last_.kind, LH_KIND_REPLY);
  EXPECT_EQ(last_.call, Handle(3));
  EXPECT_EQ(last_.code, 5u);
  EXPECT_EQ(counters_.answers_waited.value(), 0u);
}

TEST_F(AnswersTest, WhatFindsNoRoomWaitsInOrder) {
  Fill(0);
  Call(10, 0, "a");
  Call(9, 0, std::string(kMaxPayload, 'b'));
  EXPECT_EQ(counters_.answers_waited.value(), 2u);
  EXPECT_FALSE(answers_.DeliverWaiting());
  EXPECT_EQ(Taken(0), "0");
  // Not past those that wait, although there is room.
  Call(11, 0, "c");
  EXPECT_TRUE(answers_.DeliverWaiting());
  for (const char* const next : {"1", "2", "3", "a"}) EXPECT_EQ(Taken(0), next);
  EXPECT_TRUE(answers_.DeliverWaiting());
  EXPECT_EQ(Taken(0), std::string(kMaxPayload, 'b'));
  EXPECT_EQ(Taken(0), "c");
  EXPECT_EQ(last_.call, Handle(11));
  EXPECT_FALSE(answers_.DeliverWaiting());
}

TEST_F(AnswersTest, NoChannelWaitsForAnother) {
  Fill(0);
  Call(4, 0, "waits");
  Call(5, 1, "at once");
  EXPECT_EQ(Taken(1), "at once");
  Fill(1, 6);
  Call(10, 1, "next");
  EXPECT_EQ(Taken(1), "6");
  EXPECT_TRUE(answers_.DeliverWaiting());
  for (const char* const next : {"7", "8", "9", "next"}) {
    EXPECT_EQ(Taken(1), next);
  }
}

TEST_F(AnswersTest, ANumberIsFreeOnceItsAnswerIsInTheLane) {
  Fill(0);
  EXPECT_TRUE(answers_.Take(0, Handle(0, 2), Channel(1)));
  Call(4, 0, "waits");
  EXPECT_FALSE(answers_.Take(4, Handle(4, 2), Channel(1)));
  EXPECT_FALSE(answers_.IsOpen(4, Handle(4)));
  EXPECT_EQ(Taken(0), "0");
  EXPECT_TRUE(answers_.DeliverWaiting());
  EXPECT_TRUE(answers_.Take(4, Handle(4, 2), Channel(1)));
}

TEST_F(AnswersTest, CallsBeyondTheMostAreBusyUntilOneIsAnswered) {
  for (std::uint32_t call = 0; call < kMostCalls; ++call) {
    ASSERT_TRUE(answers_.Take(call, Handle(call), Channel(0)));
    EXPECT_FALSE(answers_.Exceeded());
  }
  ASSERT_TRUE(answers_.Take(15, Handle(15), Channel(1)));
  EXPECT_TRUE(answers_.Exceeded());
  answers_.Busy(15);
  EXPECT_EQ(Taken(1), "");
  EXPECT_EQ(last_.kind, LH_KIND_BUSY);
  EXPECT_EQ(last_.call, Handle(15));
  // An answer that waits keeps the call's place.
  for (std::uint32_t call = 0; call < kSlots; ++call) answers_.End(call, 0, {});
  for (std::uint32_t call = 0; call < kSlots; ++call) {
    ASSERT_TRUE(answers_.Take(call, Handle(call, 2), Channel(1)));
  }
  answers_.End(kSlots, 0, {});
  ASSERT_TRUE(answers_.Take(15, Handle(15), Channel(1)));
  EXPECT_TRUE(answers_.Exceeded());
  Taken(0);
  answers_.DeliverWaiting();
  EXPECT_FALSE(answers_.Exceeded());
}

TEST_F(AnswersTest, BusyWaitsForRoomToo) {
  Fill(0);
  ASSERT_TRUE(answers_.Take(4, Handle(4), Channel(0)));
  answers_.Busy(4);
  EXPECT_FALSE(answers_.Take(4, Handle(4), Channel(0)));
  Taken(0);
  answers_.DeliverWaiting();
  for (int skip = 1; skip < 4; ++skip) Taken(0);
  Taken(0);
  EXPECT_EQ(last_.kind, LH_KIND_BUSY);
  EXPECT_TRUE(answers_.Take(4, Handle(4), Channel(0)));
}

TEST_F(AnswersTest, AProcessThatDoesNotFetchResultsGetsNoMoreCommands) {
  Fill(0);
  const std::uint32_t first = answers_.TakeForCommand(Channel(0), 71);
  const std::uint32_t second = answers_.TakeForCommand(Channel(0), 72);
  ASSERT_NE(first, Answers::kNone);
  ASSERT_NE(second, Answers::kNone);
  EXPECT_EQ(answers_.TakeForCommand(Channel(0), 73), Answers::kNone);
  EXPECT_NE(answers_.TakeForCommand(Channel(1), 74), Answers::kNone);
  answers_.Result(second, 0, 99, {});
  answers_.Result(first, 5, 0, Bytes("no such server"));
  EXPECT_EQ(answers_.TakeForCommand(Channel(0), 75), Answers::kNone);
  for (std::uint32_t call = 0; call < kSlots; ++call) Taken(0);
  answers_.DeliverWaiting();
  EXPECT_NE(answers_.TakeForCommand(Channel(0), 76), Answers::kNone);
  EXPECT_EQ(Taken(0), "");
  EXPECT_EQ(last_.kind, LH_KIND_RESULT);
  EXPECT_EQ(last_.call, 72u);
  EXPECT_EQ(last_.data, 99u);
  EXPECT_EQ(Taken(0), "no such server");
  EXPECT_EQ(last_.call, 71u);
  EXPECT_EQ(last_.code, 5u);
}

TEST_F(AnswersTest, NothingIsKeptForALaneThatIsGone) {
  Fill(0);
  Call(4, 0, "waits");
  for (std::uint32_t call = 0; call < kSlots; ++call) Taken(0);
  ASSERT_TRUE(hosts_[0].Close());
  EXPECT_FALSE(answers_.Take(4, Handle(4, 2), Channel(0)));
  EXPECT_FALSE(answers_.DeliverWaiting());
  EXPECT_EQ(Backlog(0), 0u);
  Call(4, 0, "nobody is there", 2);
  EXPECT_TRUE(answers_.Take(4, Handle(4, 3), Channel(0)));
  EXPECT_EQ(counters_.answers_waited.value(), 1u);
}

TEST_F(AnswersTest, SaysWhetherThereIsABacklogAndWhetherItCanBeDelivered) {
  Fill(0);
  EXPECT_EQ(Backlog(0), 0u);
  Call(4, 0, "waits");
  EXPECT_EQ(Backlog(0), 1u);
  EXPECT_EQ(Backlog(1), 0u);
  EXPECT_FALSE(answers_.CanDeliver());
  Taken(0);
  EXPECT_TRUE(answers_.CanDeliver());
  EXPECT_TRUE(answers_.DeliverWaiting());
  EXPECT_EQ(Backlog(0), 0u);
  EXPECT_FALSE(answers_.CanDeliver());
}

TEST_F(AnswersTest, ACancelMayComeBeforeItsCall) {
  answers_.Cancel(2, Handle(2));
  ASSERT_TRUE(answers_.Take(2, Handle(2), Channel(0)));
  EXPECT_TRUE(answers_.WasCancelled(2));
  answers_.End(2, 1, {});
  ASSERT_TRUE(answers_.Take(2, Handle(2, 2), Channel(0)));
  EXPECT_FALSE(answers_.WasCancelled(2)) << "it meant the first";
  answers_.End(2, 0, {});
  // Of a call that has ended: nothing to remember, not even for the next call
  // of this generation, when it has wrapped.
  answers_.Cancel(2, Handle(2, 2));
  ASSERT_TRUE(answers_.Take(2, Handle(2, 2), Channel(0)));
  EXPECT_FALSE(answers_.WasCancelled(2));
}

TEST_F(AnswersTest, ACallThatWasBusyMayBeCancelledBeforeItComesAgain) {
  ASSERT_TRUE(answers_.Take(2, Handle(2), Channel(0)));
  answers_.Busy(2);
  answers_.Cancel(2, Handle(2));
  ASSERT_TRUE(answers_.Take(2, Handle(2), Channel(0)));
  EXPECT_TRUE(answers_.WasCancelled(2));
}

TEST_F(AnswersTest, EachAnswerComesOnceAndInTheOrderOfItsChannel) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  std::vector<std::deque<std::string>> expected(kEndpoints);
  std::vector<std::uint32_t> generation(kCalls, 0);
  std::vector<std::uint32_t> answered_on(kCalls, 0);
  std::vector<bool> taken(kCalls, false);
  std::uint64_t checked = 0;
  for (int step = 0; step < 20'000; ++step) {
    const auto call = static_cast<std::uint32_t>(random() % kCalls);
    const auto endpoint = static_cast<std::uint32_t>(random() % kEndpoints);
    // The host is slow.
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        if (!taken[call] && answers_.Take(call, Handle(call, generation[call]),
                                          Channel(endpoint))) {
          taken[call] = true;
          answered_on[call] = endpoint;
          ++generation[call];
        }
        break;
      case 3:
      case 4:
      case 5:
        if (taken[call]) {
          taken[call] = false;
          const std::string text =
              absl::StrCat(step, std::string(random() % 2 == 0 ? 0 : 200, '.'));
          expected[answered_on[call]].push_back(text);
          answers_.End(call, 0, Bytes(text));
        }
        break;
      case 6:
        if (TakenMessage message; hosts_[endpoint].Take(&message)) {
          ASSERT_FALSE(expected[endpoint].empty());
          ASSERT_EQ(message.payload, expected[endpoint].front());
          expected[endpoint].pop_front();
          ++checked;
        }
        break;
      default:
        answers_.DeliverWaiting();
    }
  }
  EXPECT_GT(checked, 100u);
  EXPECT_GT(counters_.answers_waited.value(), 100u);
}

}  // namespace
}  // namespace lauberhorn::nic
