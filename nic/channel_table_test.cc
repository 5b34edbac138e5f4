// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The NIC's side of the channels against a host that keeps the contract, and
// one that does not. Both are driven by one thread, so each test says who comes
// when.

#include "nic/channel_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

constexpr std::uint32_t kSlots = 4;

// Sizes around every border of a message.
const std::size_t kSizes[] = {0,   1,   79,  80,  81,   127,  128,
                              129, 207, 208, 209, 1390, 1391, kMaxPayload};

std::string Payload(std::size_t size) {
  std::string payload(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    payload[i] = static_cast<char>(i * 13 + size);
  }
  return payload;
}

lh_message Message(std::uint8_t kind, std::uint64_t call = 0) {
  lh_message header = {};
  header.kind = kind;
  header.call = call;
  return header;
}

class ChannelTableTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  ChannelTableTest() { region_.Ready(); }

  bool Collect() { return table_.Collect(kChannel, &message_, now_); }
  bool Deliver(absl::string_view payload = "", bool* woken = nullptr) {
    return table_.Deliver(kChannel, Message(LH_KIND_REPLY), Bytes(payload),
                          woken);
  }
  bool Watched() const { return region_.state(kChannel)->watched != 0; }
  std::uint64_t Quarantine() const {
    return region_.state(kChannel)->quarantine;
  }

  // The last channel of the second endpoint: neither the first nor the last.
  static constexpr std::uint32_t kChannel = 3;

  const RegionOptions options_ = {.endpoints = 3,
                                  .slots = kSlots,
                                  .arrived_calls = 4,
                                  .own_calls = 4,
                                  .features = GetParam()};
  RegionMemory memory_{options_};
  Region region_{options_, memory_.bytes()};
  Counters counters_;
  ChannelTable table_{region_, counters_};
  HostChannel host_{memory_.bytes().data(), kChannel / 2, Which::kCall};
  HostMessage message_;
  Nanos now_ = kSecond;
};

INSTANTIATE_TEST_SUITE_P(Fences, ChannelTableTest,
                         ::testing::Values(0, LH_FEATURE_ASYMMETRIC_FENCE));

TEST_P(ChannelTableTest, CollectsMessagesOfEverySize) {
  ASSERT_EQ(kMaxPayload, 1392u);
  EXPECT_FALSE(Collect());
  for (const std::size_t size : kSizes) {
    lh_message header = Message(LH_KIND_CALL, size + 1);
    header.code = 2;
    header.data = 3;
    header.deadline = 4;
    header.aux = 5;
    header.flags = LH_FLAG_WAIT_FOR_READY | LH_FLAG_NOWAIT | LH_FLAG_LAST;
    ASSERT_TRUE(host_.Put(header, Payload(size)));
    ASSERT_TRUE(Collect()) << size;
    EXPECT_EQ(Text(message_.bytes()), Payload(size));
    EXPECT_EQ(message_.header.call, size + 1);
    EXPECT_EQ(message_.header.code, 2u);
    EXPECT_EQ(message_.header.data, 3u);
    EXPECT_EQ(message_.header.deadline, 4u);
    EXPECT_EQ(message_.header.aux, 5);
    EXPECT_EQ(message_.header.flags, header.flags);
    EXPECT_EQ(message_.header.kind, LH_KIND_CALL);
    EXPECT_FALSE(Collect());
  }
  EXPECT_EQ(counters_.messages_refused.value(), 0u);
}

TEST_P(ChannelTableTest, MetadataIsTakenApartAndPutTogether) {
  // Around the border between line and overflow block, and all there may be.
  for (const std::size_t meta_size :
       {std::size_t{1}, std::size_t{75}, std::size_t{76}, std::size_t{77},
        kMaxPayload - sizeof(MetaSize)}) {
    const std::string meta = Payload(meta_size);
    const std::string payload = Payload(
        std::min<std::size_t>(200, kMaxPayload - sizeof(MetaSize) - meta_size));
    lh_message header = Message(LH_KIND_REPLY);
    header.flags = LH_FLAG_META;
    ASSERT_TRUE(host_.Put(header, WithMeta(meta, payload)));
    ASSERT_TRUE(Collect());
    Body body;
    ASSERT_TRUE(message_.Split(&body));
    EXPECT_EQ(Text(body.meta), meta);
    EXPECT_EQ(Text(body.payload), payload);
    EXPECT_TRUE(FitsMessage(body));
    ASSERT_TRUE(table_.DeliverBody(kChannel, Message(LH_KIND_REPLY), body));
    TakenMessage taken;
    ASSERT_TRUE(host_.Take(&taken));
    EXPECT_EQ(taken.header.flags, LH_FLAG_META);
    EXPECT_EQ(taken.payload, WithMeta(meta, payload));
  }
  // Without metadata there is no size before the bytes.
  ASSERT_TRUE(host_.Put(Message(LH_KIND_REPLY), "bytes"));
  ASSERT_TRUE(Collect());
  Body body;
  ASSERT_TRUE(message_.Split(&body));
  EXPECT_TRUE(body.meta.empty());
  EXPECT_EQ(Text(body.payload), "bytes");
}

TEST_P(ChannelTableTest, MetadataThatLiesAboutItsSizeIsFound) {
  const std::string whole = WithMeta("meta", "bytes");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    lh_message header = Message(LH_KIND_CALL);
    header.flags = LH_FLAG_META;
    ASSERT_TRUE(host_.Put(header, whole.substr(0, size)));
    ASSERT_TRUE(Collect());
    Body body;
    EXPECT_EQ(message_.Split(&body), size >= sizeof(MetaSize) + 4) << size;
  }
}

TEST_P(ChannelTableTest, DeliversMessagesOfEverySize) {
  TakenMessage taken;
  for (const std::size_t size : kSizes) {
    lh_message header = Message(LH_KIND_CALL, size + 1);
    header.word = ~std::uint64_t{0};  // not the giver's to say
    header.code = 2;
    header.data = 3;
    header.deadline = 4;
    header.length = 12345;
    header.aux = 5;
    header.flags = LH_FLAG_LAST;
    bool woken = true;
    ASSERT_TRUE(table_.Deliver(kChannel, header, Bytes(Payload(size)), &woken));
    EXPECT_FALSE(woken);
    EXPECT_TRUE(table_.NewestWaits(kChannel));
    ASSERT_TRUE(host_.Take(&taken));
    EXPECT_FALSE(table_.NewestWaits(kChannel));
    EXPECT_EQ(taken.payload, Payload(size));
    EXPECT_EQ(taken.header.call, size + 1);
    EXPECT_EQ(taken.header.code, 2u);
    EXPECT_EQ(taken.header.data, 3u);
    EXPECT_EQ(taken.header.deadline, 4u);
    EXPECT_EQ(taken.header.length, size);
    EXPECT_EQ(taken.header.aux, 5);
    EXPECT_EQ(taken.header.flags, LH_FLAG_LAST);
    EXPECT_EQ(taken.header.kind, LH_KIND_CALL);
    EXPECT_FALSE(host_.Take(&taken));
  }
}

TEST_P(ChannelTableTest, LanesKeepOrderAndSayWhenTheyAreFull) {
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL), Payload(100 + i)));
      ASSERT_TRUE(Deliver(Payload(200 + i)));
    }
    EXPECT_FALSE(host_.Put(Message(LH_KIND_CALL), "no room"));
    EXPECT_FALSE(Deliver("no room"));
    TakenMessage taken;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      ASSERT_TRUE(Collect());
      EXPECT_EQ(Text(message_.bytes()), Payload(100 + i));
      ASSERT_TRUE(host_.Take(&taken));
      EXPECT_EQ(taken.payload, Payload(200 + i));
    }
    EXPECT_FALSE(Collect());
    EXPECT_FALSE(host_.Take(&taken));
  }
  EXPECT_EQ(Quarantine(), LH_QUARANTINE_NONE);
}

TEST_P(ChannelTableTest, ChannelsDoNotTouchEachOther) {
  HostChannel neighbour(memory_.bytes().data(), kChannel / 2, Which::kServe);
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL), Payload(kMaxPayload)));
  ASSERT_TRUE(neighbour.Put(Message(LH_KIND_REPLY), Payload(1000)));
  ASSERT_TRUE(Collect());
  EXPECT_EQ(Text(message_.bytes()), Payload(kMaxPayload));
  ASSERT_TRUE(table_.Collect(kChannel - 1, &message_, now_));
  EXPECT_EQ(Text(message_.bytes()), Payload(1000));
  EXPECT_FALSE(table_.Collect(kChannel + 1, &message_, now_));
}

TEST_P(ChannelTableTest, SkipsMessagesThatBreakTheContract) {
  const auto put_bad = [&](std::uint8_t kind, std::uint8_t flags,
                           std::uint32_t length) {
    lh_message header = Message(kind);
    header.flags = flags;
    header.length = length;
    ASSERT_TRUE(host_.Put(header, "", true));
  };
  std::uint64_t refused = 0;
  for (const std::uint32_t length :
       {std::uint32_t{kMaxPayload + 1}, 0x7fffffffu, ~0u}) {
    put_bad(LH_KIND_CALL, 0, length);
    EXPECT_FALSE(Collect());
    EXPECT_EQ(counters_.messages_refused.value(), ++refused);
  }
  put_bad(LH_KIND_NONE, 0, 0);
  put_bad(LH_KIND_CALL, LH_FLAG_BULK, 0);
  put_bad(LH_KIND_CONTROL, LH_FLAG_META, 0);
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL), "good"));
  ASSERT_TRUE(Collect());
  EXPECT_EQ(Text(message_.bytes()), "good");
  for (unsigned bit = LH_FLAG_GROW; bit < 256; bit <<= 1) {
    put_bad(LH_KIND_CALL, static_cast<std::uint8_t>(bit), 0);
    EXPECT_FALSE(Collect());
  }
  EXPECT_EQ(counters_.messages_refused.value(), refused + 3 + 3);
  EXPECT_EQ(Quarantine(), LH_QUARANTINE_NONE);
  ASSERT_TRUE(Deliver("still served"));
}

TEST_P(ChannelTableTest, QuarantinesAfterTooManyBadMessages) {
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(host_.Put(Message(LH_KIND_NONE)));
    ASSERT_FALSE(Collect());
  }
  EXPECT_EQ(Quarantine(), LH_QUARANTINE_NONE);
  EXPECT_FALSE(table_.IsGone(kChannel));
  table_.Refuse(kChannel);  // what only the engine sees counts, too
  EXPECT_EQ(Quarantine(), LH_QUARANTINE_BAD_MESSAGE);
  EXPECT_TRUE(table_.IsGone(kChannel));
  EXPECT_EQ(counters_.messages_refused.value(), 1001u);
  EXPECT_EQ(counters_.channels_quarantined.value(), 1u);
  table_.Refuse(kChannel);
  EXPECT_EQ(counters_.channels_quarantined.value(), 1u);

  // Its thread is told, once, and so is the engine.
  TakenMessage last;
  ASSERT_TRUE(host_.Take(&last));
  EXPECT_EQ(last.header.kind, LH_KIND_QUARANTINED);
  EXPECT_EQ(last.header.code, LH_QUARANTINE_BAD_MESSAGE);
  EXPECT_FALSE(host_.Take(&last));
  std::uint32_t number = 0;
  ASSERT_TRUE(table_.TakeQuarantined(&number));
  EXPECT_EQ(number, kChannel);
  EXPECT_FALSE(table_.TakeQuarantined(&number));

  // Nothing comes or goes, but there is room for whatever is put.
  for (unsigned count = 0; count < 3 * kSlots; ++count) {
    ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL), "hello?"));
    EXPECT_FALSE(Collect());
  }
  EXPECT_FALSE(Deliver("hello?"));
  table_.TakeBells(now_);
  EXPECT_TRUE(table_.TryToSleep());
  table_.Awake();
  now_ += kSecond;
  table_.UnwatchQuiet(now_);
  EXPECT_THAT(table_.watched(), IsEmpty());
  // The others are served.
  HostChannel other(memory_.bytes().data(), 0, Which::kCall);
  ASSERT_TRUE(other.Put(Message(LH_KIND_CALL), "fine"));
  EXPECT_TRUE(table_.Collect(1, &message_, now_));
}

TEST_P(ChannelTableTest, QuarantineWakesWhoSleeps) {
  ASSERT_TRUE(host_.Park());
  __u64* const word = host_.next_word();
  for (int i = 0; i < 1001; ++i) table_.Refuse(kChannel);
  RecordingWaker waker;
  table_.FlushWakes(waker);
  EXPECT_THAT(waker.words, ::testing::Contains(word));
}

TEST_P(ChannelTableTest, QuarantineWithoutRoomIsSaidInTheStateOnly) {
  while (Deliver("fills the lane")) continue;
  for (int i = 0; i < 1001; ++i) table_.Refuse(kChannel);
  EXPECT_EQ(Quarantine(), LH_QUARANTINE_BAD_MESSAGE);
  TakenMessage taken;
  while (host_.Take(&taken)) EXPECT_EQ(taken.header.kind, LH_KIND_REPLY);
}

TEST_P(ChannelTableTest, OneCollectIsBoundedWhateverTheHostPuts) {
  // A lane full of bad messages, again and again: quarantined in the end.
  int rounds = 0;
  while (Quarantine() == LH_QUARANTINE_NONE && rounds < 2000) {
    while (host_.Put(Message(LH_KIND_NONE))) continue;
    EXPECT_FALSE(Collect());
    ++rounds;
  }
  EXPECT_EQ(rounds,
            (1001 + static_cast<int>(kSlots) - 1) / static_cast<int>(kSlots));
}

TEST_P(ChannelTableTest, QuarantinesALaneWithABadWord) {
  for (unsigned state = LH_STATES; state < 16; ++state) {
    RegionMemory memory(options_);
    Region region(options_, memory.bytes());
    Counters counters;
    ChannelTable table(region, counters);
    HostChannel host(memory.bytes().data(), kChannel / 2, Which::kCall);
    *host.next_word() = lh_word(state, 0);
    EXPECT_FALSE(table.Deliver(kChannel, Message(LH_KIND_REPLY), Bytes("x")));
    EXPECT_EQ(region.state(kChannel)->quarantine, LH_QUARANTINE_BAD_WORD);
    EXPECT_EQ(counters.channels_quarantined.value(), 1u);
    EXPECT_TRUE(table.IsGone(kChannel));
    *host.next_word() = lh_word(LH_FREE, 0);
    EXPECT_FALSE(table.Deliver(kChannel, Message(LH_KIND_REPLY), Bytes("x")));
    EXPECT_EQ(counters.channels_quarantined.value(), 1u);
  }
}

TEST_P(ChannelTableTest, DoesNotCollectFromALaneWithABadWord) {
  auto* const word = &lh_lane_next(&host_.channel().out)->header.word;
  for (unsigned state = 0; state < 16; ++state) {
    if (state == LH_FULL) continue;
    *word = lh_word(state, 7);
    EXPECT_FALSE(Collect()) << state;
  }
}

TEST_P(ChannelTableTest, DeliversToNobodyWhoIsGone) {
  TakenMessage taken;
  ASSERT_TRUE(Deliver("first"));
  EXPECT_FALSE(host_.Close()) << "a message came first";
  ASSERT_TRUE(host_.Take(&taken));
  EXPECT_FALSE(table_.IsGone(kChannel));
  ASSERT_TRUE(host_.Close());
  EXPECT_TRUE(table_.IsClosed(kChannel));
  EXPECT_TRUE(table_.IsGone(kChannel));
  EXPECT_FALSE(Deliver("nobody"));
  EXPECT_FALSE(table_.NewestWaits(kChannel));
  ASSERT_TRUE(table_.Reopen(kChannel));
  EXPECT_FALSE(table_.Reopen(kChannel)) << "it is not closed";
  EXPECT_FALSE(table_.IsGone(kChannel));
  ASSERT_TRUE(Deliver("second"));
  ASSERT_TRUE(host_.Take(&taken));
  EXPECT_EQ(taken.payload, "second");
  EXPECT_EQ(Quarantine(), LH_QUARANTINE_NONE);
}

TEST_P(ChannelTableTest, WakesWhomItFoundParkedAndNobodyElse) {
  RecordingWaker waker;
  TakenMessage taken;
  table_.FlushWakes(waker);
  EXPECT_FALSE(table_.IsParked(kChannel));
  ASSERT_TRUE(Deliver("awake"));
  table_.FlushWakes(waker);
  EXPECT_THAT(waker.words, IsEmpty());
  ASSERT_TRUE(host_.Take(&taken));

  __u64* const word = host_.next_word();
  ASSERT_TRUE(host_.Park());
  EXPECT_TRUE(table_.IsParked(kChannel));
  bool woken = false;
  ASSERT_TRUE(Deliver("parked", &woken));
  EXPECT_TRUE(woken);
  EXPECT_FALSE(table_.IsParked(kChannel));
  ASSERT_TRUE(Deliver("behind it", &woken));
  EXPECT_FALSE(woken);
  EXPECT_THAT(waker.words, IsEmpty()) << "wakes come at the end of the turn";
  table_.FlushWakes(waker);
  EXPECT_THAT(waker.words, ElementsAre(word));
  EXPECT_THAT(waker.endpoints, ElementsAre(kChannel / 2));
  table_.FlushWakes(waker);
  EXPECT_EQ(waker.words.size(), 1u) << "once";
  EXPECT_EQ(counters_.wakes.value(), 1u);
  EXPECT_FALSE(host_.Unpark()) << "a message came";

  // One that left its sleep by itself needs no wake.
  ASSERT_TRUE(host_.Take(&taken));
  ASSERT_TRUE(host_.Take(&taken));
  ASSERT_TRUE(host_.Park());
  ASSERT_TRUE(host_.Unpark());
  ASSERT_TRUE(Deliver("awake again", &woken));
  EXPECT_FALSE(woken);
  table_.FlushWakes(waker);
  EXPECT_EQ(waker.words.size(), 1u);
}

TEST_P(ChannelTableTest, FindsAChannelByItsBellAndLeavesItWhenQuiet) {
  EXPECT_THAT(table_.watched(), IsEmpty());
  table_.TakeBells(now_);
  EXPECT_THAT(table_.watched(), IsEmpty()) << "nobody rang";
  for (int round = 0; round < 3; ++round) {
    ASSERT_FALSE(Watched());
    ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL), "ring"));
    EXPECT_EQ(host_.rings(), 0) << "the NIC is awake";
    table_.TakeBells(now_);
    EXPECT_THAT(table_.watched(), ElementsAre(kChannel));
    EXPECT_TRUE(Watched());
    ASSERT_TRUE(Collect());

    // Watched: the host need not say where it put a message.
    ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL), "no ring"));
    EXPECT_EQ(*host_.channel().bell.bits, 0u);
    now_ += 5 * kMillisecond;
    ASSERT_TRUE(Collect());
    now_ += 10 * kMillisecond - 1;
    table_.UnwatchQuiet(now_);
    EXPECT_TRUE(Watched());
    now_ += 1;
    table_.UnwatchQuiet(now_);
    EXPECT_FALSE(Watched());
    EXPECT_THAT(table_.watched(), IsEmpty());
  }
}

TEST_P(ChannelTableTest, DoesNotLeaveAChannelWithAMessage) {
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
  table_.TakeBells(now_);
  ASSERT_TRUE(Collect());
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
  now_ += kSecond;
  table_.UnwatchQuiet(now_);
  EXPECT_TRUE(Watched());
  EXPECT_THAT(table_.watched(), ElementsAre(kChannel));
  ASSERT_TRUE(Collect());
}

TEST_P(ChannelTableTest, LeavesTheQuietAndKeepsTheOthers) {
  HostChannel first(memory_.bytes().data(), 0, Which::kServe);
  HostChannel last(memory_.bytes().data(), 2, Which::kCall);
  for (HostChannel* channel : {&first, &host_, &last}) {
    ASSERT_TRUE(channel->Put(Message(LH_KIND_CALL)));
  }
  table_.TakeBells(now_);
  EXPECT_THAT(table_.watched(), ElementsAre(0u, kChannel, 5u));
  for (const std::uint32_t channel : {0u, kChannel, 5u}) {
    ASSERT_TRUE(table_.Collect(channel, &message_, now_));
  }
  now_ += 10 * kMillisecond;
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
  ASSERT_TRUE(Collect());
  table_.UnwatchQuiet(now_);
  EXPECT_THAT(table_.watched(), ElementsAre(kChannel));
}

TEST_P(ChannelTableTest, IgnoresBellsOfNoChannel) {
  for (lh_bell_line& line : region_.bell()) {
    for (__u64& word : line.bits) word = ~std::uint64_t{0};
  }
  table_.TakeBells(now_);
  EXPECT_THAT(table_.watched(), ElementsAre(0u, 1u, 2u, 3u, 4u, 5u));
  for (const lh_bell_line& line : region_.bell()) {
    for (const __u64 word : line.bits) EXPECT_EQ(word, 0u);
  }
  EXPECT_TRUE(table_.TryToSleep())
      << "bits that mean nothing keep nobody awake";
  table_.Awake();
}

TEST_P(ChannelTableTest, SleepsOnlyIfNothingIsThere) {
  EXPECT_EQ(region_.info()->asleep, 0u);
  ASSERT_TRUE(table_.TryToSleep());
  EXPECT_EQ(region_.info()->asleep, 1u);
  EXPECT_EQ(counters_.sleeps.value(), 1u);

  // Not watched and asleep: the bit and the ring.
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
  EXPECT_EQ(host_.rings(), 1);
  table_.Awake();
  EXPECT_EQ(region_.info()->asleep, 0u);
  EXPECT_FALSE(table_.TryToSleep()) << "a bell is set";
  EXPECT_EQ(region_.info()->asleep, 0u);
  table_.TakeBells(now_);
  EXPECT_FALSE(table_.TryToSleep()) << "a watched channel has a message";
  EXPECT_EQ(region_.info()->asleep, 0u);
  ASSERT_TRUE(Collect());

  // Watched and asleep: the ring alone.
  ASSERT_TRUE(table_.TryToSleep());
  ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
  EXPECT_EQ(host_.rings(), 2);
  EXPECT_EQ(*host_.channel().bell.bits, 0u);
  table_.Awake();
  ASSERT_TRUE(Collect());
  EXPECT_EQ(counters_.sleeps.value(), 2u);
}

// A put at each step of the NIC between its last look at a quiet channel and
// its sleep: the message is found, or the host rings.
TEST_P(ChannelTableTest, APutAtAnyStepIsFoundOrRings) {
  for (int put_before = 0; put_before < 5; ++put_before) {
    SCOPED_TRACE(put_before);
    // As in a fresh turn: watched, nothing there, quiet.
    ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
    table_.TakeBells(now_);
    ASSERT_TRUE(Collect());
    now_ += kSecond;
    const int rings = host_.rings();
    const auto step = [&](int number) {
      if (number == put_before) {
        ASSERT_TRUE(host_.Put(Message(LH_KIND_CALL)));
      }
    };
    step(0);
    table_.TakeBells(now_);
    step(1);
    table_.UnwatchQuiet(now_);
    step(2);
    const bool asleep = table_.TryToSleep();
    step(3);
    if (asleep) {
      step(4);
      EXPECT_EQ(host_.rings(), rings + 1) << "asleep, and nobody rang";
      table_.Awake();
    } else if (put_before == 4) {
      FAIL() << "it should sleep if nothing came";
    }
    table_.TakeBells(now_);
    EXPECT_THAT(table_.watched(), ElementsAre(kChannel));
    EXPECT_TRUE(Collect());
    now_ += kSecond;
    table_.UnwatchQuiet(now_);
    EXPECT_THAT(table_.watched(), IsEmpty());
  }
}

}  // namespace
}  // namespace lauberhorn::nic
