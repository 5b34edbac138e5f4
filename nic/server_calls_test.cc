// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The calls of a session: each is told of once, and answered as often as asked
// for.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/body.h"
#include "nic/bytes.h"
#include "nic/packet.h"
#include "nic/slot_pool.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/server_transport_fixture.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::PacketOf;
using testing::ServerTransportTest;
using testing::TestAddress;

TEST_F(ServerTransportTest, TellsTheHandlerOfEachCallOnce) {
  const std::uint64_t token = Open(client_);
  lh_packet header = About(LH_PACKET_CALL, token, 1, 3);
  header.method = 99;
  header.message_length = 5;
  header.remaining_us = 250;
  EXPECT_TRUE(Say(client_, header, "hello").empty());
  ASSERT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.calls[0].method, 99u);
  EXPECT_EQ(server_.calls[0].payload, "hello");
  EXPECT_EQ(server_.calls[0].deadline, now_ + 250 * kMicrosecond);
  EXPECT_EQ(server_.calls[0].listener, 0u);
  header.slot = 4;
  header.remaining_us = 0;
  Say(client_, header, "hello");
  header.slot = 5;
  header.remaining_us = ~0u;
  Say(client_, header, "hello");
  ASSERT_EQ(server_.calls.size(), 3u);
  EXPECT_EQ(server_.calls[1].deadline, kNever);
  EXPECT_EQ(server_.calls[2].deadline, now_ + Nanos{~0u} * kMicrosecond);
  EXPECT_EQ(counters_.calls_arrived.value(), 3u);
}

TEST_F(ServerTransportTest, TellsTheHandlerTheNameOfTheMethod) {
  const std::uint64_t token = Open(client_);
  lh_packet header = About(LH_PACKET_CALL, token, 1);
  header.message_length = 2;
  client_.Send(server_.address(), header, "hi", "/a/B");
  EXPECT_TRUE(Answers(client_).empty());
  Call(client_, token, 2);
  ASSERT_EQ(server_.calls.size(), 2u);
  EXPECT_EQ(server_.calls[0].name, "/a/B");
  EXPECT_EQ(server_.calls[0].payload, "hi");
  EXPECT_EQ(server_.calls[1].name, "");
}

TEST_F(ServerTransportTest, AcceptsNoCallBeforeTheHandlerHasSeenIt) {
  // ACCEPTED would confirm the name of a method that the handler refuses.
  const std::uint64_t token = Open(client_);
  for (std::uint16_t slot = 0; slot < kSessionSlots; ++slot) {
    if (slot == kSessionSlots - 1) {
      server_.answer = [&](std::uint32_t call, Nanos now) {
        server_.Reply(call, 12, "no such method", now);
      };
    }
    const std::vector<Received> answers = Call(client_, token, 1, slot);
    if (slot < kSessionSlots - 1) {
      EXPECT_TRUE(answers.empty());
      continue;
    }
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
  }
}

TEST_F(ServerTransportTest, RepliesToTheCall) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1, 3);
  now_ += 7 * kMicrosecond;
  server_.Reply(0, 5, "not found", now_);
  const std::vector<Received> answers = client_.Receive();
  ASSERT_EQ(answers.size(), 1u);
  const lh_packet& header = answers[0].header;
  EXPECT_EQ(header.type, LH_PACKET_REPLY);
  EXPECT_EQ(header.token, token);
  EXPECT_EQ(header.slot, 3);
  EXPECT_EQ(header.sequence, 1u);
  EXPECT_EQ(header.status, 5);
  EXPECT_EQ(header.flags, LH_PACKET_FLAG_LAST);
  EXPECT_EQ(header.message_length, 9u);
  EXPECT_EQ(header.echo_us, 1001u);
  EXPECT_EQ(header.sent_us, static_cast<std::uint32_t>(now_ / kMicrosecond));
  EXPECT_EQ(answers[0].payload, "not found");
}

TEST_F(ServerTransportTest, TheHandlerMayAnswerAtOnce) {
  server_.answer = [&](std::uint32_t call, Nanos now) {
    server_.Reply(call, 0, "now", now);
  };
  const std::uint64_t token = Open(client_);
  const std::vector<Received> answers = Call(client_, token, 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
  EXPECT_EQ(answers[0].payload, "now");
}

TEST_F(ServerTransportTest, AnswersDuplicatesAndRunsNothingTwice) {
  const std::uint64_t token = Open(client_);
  EXPECT_TRUE(Call(client_, token, 1).empty());
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> answers = Call(client_, token, 1);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
    EXPECT_EQ(answers[0].header.sequence, 1u);
    EXPECT_EQ(answers[0].header.echo_us, 1001u);
    EXPECT_TRUE(answers[0].payload.empty());
  }
  server_.Reply(0, 0, std::string(kMaxPayload, 'r'), now_);
  EXPECT_EQ(client_.Receive().size(), 1u);
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> answers = Call(client_, token, 1);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
    EXPECT_EQ(answers[0].payload, std::string(kMaxPayload, 'r'));
  }
  EXPECT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  EXPECT_EQ(counters_.calls_arrived.value(), 1u);
  EXPECT_EQ(counters_.calls_duplicate.value(), 6u);
}

TEST_F(ServerTransportTest, ACallThatThereIsNoPlaceForNeverCame) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  server_.Reply(0, 0, "first", now_);
  client_.Receive();
  bool busy = true;
  server_.busy = [&] { return busy; };
  server_.load = 200;
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> answers = Call(client_, token, 2);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_BUSY);
    EXPECT_EQ(answers[0].header.sequence, 2u);
    EXPECT_EQ(answers[0].header.echo_us, 1002u);
    EXPECT_EQ(answers[0].header.load, 200);
  }
  EXPECT_EQ(server_.transport().Next(), kNever) << "nothing runs";
  EXPECT_EQ(counters_.calls_arrived.value(), 1u);
  EXPECT_EQ(counters_.calls_duplicate.value(), 0u);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 2)).empty());
  EXPECT_EQ(Call(client_, token, 1).at(0).payload, "first") << "kept";
  busy = false;
  EXPECT_TRUE(Call(client_, token, 2).empty());
  EXPECT_EQ(server_.calls.size(), 2u);
  EXPECT_EQ(Call(client_, token, 2).at(0).header.type, LH_PACKET_ACCEPTED);
  // It still ends the one before it, which nobody waits for.
  busy = true;
  EXPECT_EQ(Call(client_, token, 3).at(0).header.type, LH_PACKET_BUSY);
  EXPECT_EQ(server_.calls[1].dropped, 1);
  EXPECT_EQ(server_.calls.size(), 2u);
}

TEST_F(ServerTransportTest, EveryPacketSaysTheLoad) {
  server_.load = 77;
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  const Received accepted = Call(client_, token, 1).at(0);
  server_.Reply(0, 0, "done", now_);
  const Received reply = client_.Receive().at(0);
  const Received reset = Call(client_, token + 1, 1).at(0);
  for (const Received& packet : {accepted, reply, reset}) {
    EXPECT_EQ(packet.header.load, 77) << int{packet.header.type};
  }
}

TEST_F(ServerTransportTest, HigherSequenceEndsTheLower) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  Call(client_, token, 2);
  ASSERT_EQ(server_.calls.size(), 2u);
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(counters_.calls_superseded.value(), 1u);

  // The late reply of the first one reaches nobody and disturbs nothing.
  server_.Reply(0, 0, "late", now_);
  EXPECT_TRUE(client_.Receive().empty());
  ASSERT_EQ(Call(client_, token, 2).size(), 1u);
  server_.Reply(1, 0, "second", now_);
  const std::vector<Received> answers = client_.Receive();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].payload, "second");
  EXPECT_EQ(answers[0].header.sequence, 2u);

  // A call that was answered is not dropped by the next.
  Call(client_, token, 3);
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(counters_.calls_superseded.value(), 1u);
}

TEST_F(ServerTransportTest, DropsOlderSequences) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 5);
  EXPECT_TRUE(Call(client_, token, 4).empty());
  server_.Reply(0, 0, "five", now_);
  client_.Receive();
  EXPECT_TRUE(Call(client_, token, 4).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 2u);
  EXPECT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
}

TEST_F(ServerTransportTest, SequencesWrap) {
  const std::uint64_t token = Open(client_);
  // As far as a client comes: never more than half the circle at a time.
  Call(client_, token, 0x7fffffff);
  Call(client_, token, 0xfffffffe);
  Call(client_, token, 0xffffffff);
  Call(client_, token, 1);
  ASSERT_EQ(server_.calls.size(), 4u);
  EXPECT_TRUE(Call(client_, token, 0xffffffff).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_EQ(Call(client_, token, 1).size(), 1u) << "a duplicate";
  EXPECT_EQ(counters_.calls_superseded.value(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(server_.calls[i].dropped, 1);
}

TEST_F(ServerTransportTest, SlotsDoNotTouchEachOther) {
  const std::uint64_t token = Open(client_);
  for (std::uint16_t slot = 0; slot < kSessionSlots; ++slot) {
    const auto answers = Call(client_, token, 1, slot, std::to_string(slot));
    // Whoever uses all slots is granted more at once.
    ASSERT_EQ(answers.size(), slot == kSessionSlots - 1 ? 1u : 0u);
    if (answers.empty()) continue;
    EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
    EXPECT_EQ(answers[0].header.slots, 2 * kSessionSlots);
  }
  ASSERT_EQ(server_.calls.size(), kSessionSlots);
  for (std::uint32_t call = kSessionSlots; call > 0; --call) {
    server_.Reply(call - 1, 0, server_.calls[call - 1].payload, now_);
    const std::vector<Received> answers = client_.Receive();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.slot, call - 1);
    EXPECT_EQ(answers[0].payload, std::to_string(call - 1));
  }
}

TEST_F(ServerTransportTest, AnswersProbes) {
  const std::uint64_t token = Open(client_);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 0)).empty())
      << "of a slot that was never used";
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 1)).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 2u);
  Call(client_, token, 1);
  lh_packet probe = About(LH_PACKET_PROBE, token, 1);
  probe.sent_us = 4711;
  std::vector<Received> answers = Say(client_, probe);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
  EXPECT_EQ(answers[0].header.echo_us, 4711u);
  server_.Reply(0, 0, "done", now_);
  client_.Receive();
  answers = Say(client_, probe);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
  EXPECT_EQ(answers[0].payload, "done");
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 2)).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 3u);
}

TEST_F(ServerTransportTest, RefusesMalformedCalls) {
  const std::uint64_t token = Open(client_);
  lh_packet good = About(LH_PACKET_CALL, token, 1);
  good.message_length = 2;
  std::vector<lh_packet> bad(6, good);
  bad[0].message = 1;
  bad[1].offset = 1;
  bad[2].message_length = 1;
  bad[3].message_length = 3;
  bad[4].sequence = 0;
  bad[5].slot = kSessionSlots;
  std::uint64_t malformed = 0;
  for (const lh_packet& header : bad) {
    EXPECT_TRUE(Say(client_, header, "hi").empty());
    EXPECT_EQ(counters_.packets_malformed.value(), ++malformed);
  }
  // No message can hold this.
  const std::string meta(kMaxPayload - sizeof(MetaSize), 'm');
  const Packet too_much = {
      .header = good, .meta = Bytes(meta), .payload = Bytes("hi")};
  const auto wire = network_.Host(TestAddress(1))->Open();
  ASSERT_TRUE(wire.ok());
  server_.transport().OnPacket(too_much, client_.address(), **wire, 0, now_);
  EXPECT_EQ(counters_.packets_malformed.value(), ++malformed);
  EXPECT_TRUE(server_.calls.empty());

  EXPECT_TRUE(Say(client_, PacketOf(LH_PACKET_HELLO), "short").empty());
  EXPECT_TRUE(Say(client_, PacketOf(LH_PACKET_OPEN), "short").empty());
  EXPECT_EQ(counters_.packets_malformed.value(), malformed + 2);
}

}  // namespace
}  // namespace lauberhorn::nic
