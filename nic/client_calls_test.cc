// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// A client's calls, from the first transmission to the end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/body.h"
#include "nic/bytes.h"
#include "nic/packet.h"
#include "nic/slot_pool.h"
#include "nic/testing/client_transport_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::ClientTransportTest;
using ::testing::ElementsAre;

TEST_F(ClientTransportTest, SendsACallAgainEverLater) {
  Call(1);
  Accept();
  EXPECT_THAT(
      Times(LH_PACKET_CALL, 20 * kSecond),
      ElementsAre(0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270, 4270, 5270));
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 1, kUnavailable, "may have run");
  EXPECT_EQ(counters_.retransmissions.value(), 11u);
  EXPECT_EQ(counters_.outgoing_failed.value(), 1u);
  EXPECT_EQ(client_.transport().Next(), kNever);
  // The session is lost with it, which the server is told in case it is there.
  EXPECT_EQ(counters_.packets_sent.value(), 2u + 12 + 1) << "a CLOSE";
  Call(2);
  Accept();
  EXPECT_EQ(Only(LH_PACKET_CALL).header.token, token_);
}

TEST_F(ClientTransportTest, EachTransmissionIsOfTheSameCallWithLessTime) {
  Call(1, now_ + 25 * kMillisecond);
  Accept();
  const lh_packet first = Only(LH_PACKET_CALL).header;
  EXPECT_EQ(first.remaining_us, 25'000u);
  Pass(10 * kMillisecond);
  const lh_packet second = Only(LH_PACKET_CALL).header;
  EXPECT_EQ(second.sequence, first.sequence);
  EXPECT_EQ(second.slot, first.slot);
  EXPECT_EQ(second.remaining_us, 15'000u);
  EXPECT_EQ(second.sent_us, first.sent_us + 10'000);
}

TEST_F(ClientTransportTest, ADeadlineFarAwayIsThisEndsAlone) {
  Call(1, now_ + 5000 * kSecond);
  Accept();
  EXPECT_EQ(Only(LH_PACKET_CALL).header.remaining_us, 0u)
      << "the server is not to end it early";
}

TEST_F(ClientTransportTest, SendsNoCallWhoseDeadlineHasPassed) {
  Call(1, now_);
  ExpectEnded(0, 1, kDeadlineExceeded, "could be sent");
  EXPECT_TRUE(server_.Receive().empty()) << "no session for it";
  Call(2);
  Accept();
  Reply(Only(LH_PACKET_CALL).header, "ok");
  Call(3, 1);
  ExpectEnded(2, 3, kDeadlineExceeded, "could be sent");
  EXPECT_TRUE(server_.Receive().empty());
  EXPECT_EQ(counters_.outgoing_failed.value(), 2u);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, ADeadlineEndsACallThatWasSentAndTellsTheServer) {
  Call(1, now_ + 5 * kMillisecond);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  Pass(5 * kMillisecond - 1);
  EXPECT_TRUE(client_.ended.empty());
  Pass(1);
  ExpectEnded(0, 1, kDeadlineExceeded, "before the answer came");
  const lh_packet cancel = Only(LH_PACKET_CANCEL).header;
  EXPECT_EQ(cancel.sequence, call.sequence);
  EXPECT_EQ(cancel.slot, call.slot);
  EXPECT_EQ(cancel.token, call.token);
  Reply(call, "late");
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 0u) << "it ends the CANCEL";
  Reply(call, "late");
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
}

TEST_F(ClientTransportTest, CallsBeyondTheSlotsWaitInOrder) {
  for (std::uint32_t call = 0; call < 20; ++call) {
    Call(call, call == 10 ? now_ + kMillisecond : kNever, false,
         std::to_string(call));
  }
  Accept();
  std::vector<Received> calls = server_.Receive();
  ASSERT_EQ(calls.size(), kSessionSlots);
  for (std::uint32_t call = 0; call < calls.size(); ++call) {
    EXPECT_EQ(calls[call].payload, std::to_string(call));
    EXPECT_EQ(calls[call].header.slot, call);
  }
  // From the middle, the beginning and the end of those that wait.
  Pass(kMillisecond);
  ExpectEnded(0, 10, kDeadlineExceeded, "could be sent");
  client_.transport().Cancel(8, now_);
  ExpectEnded(1, 8, kCancelled, "cancelled");
  client_.transport().Cancel(19, now_);
  ExpectEnded(2, 19, kCancelled, "cancelled");
  EXPECT_TRUE(server_.Receive().empty()) << "the server knew none of them";
  Call(20, kNever, false, "20");

  // Any slot that is free takes the next.
  std::vector<std::string> order;
  std::uint16_t slot = 3;
  std::vector<lh_packet> running;
  for (const Received& call : calls) running.push_back(call.header);
  for (int i = 0; i < 10; ++i) {
    Reply(running[slot], "ok");
    const Received next = Only(LH_PACKET_CALL);
    EXPECT_EQ(next.header.slot, slot);
    EXPECT_EQ(next.header.sequence, running[slot].sequence + 1);
    order.push_back(next.payload);
    running[slot] = next.header;
    slot = static_cast<std::uint16_t>((slot + 5) % kSessionSlots);
  }
  EXPECT_THAT(order, ElementsAre("9", "11", "12", "13", "14", "15", "16", "17",
                                 "18", "20"));
  for (const lh_packet& call : running) Reply(call, "ok");
  EXPECT_TRUE(server_.Receive().empty());
  EXPECT_EQ(client_.ended.size(), 21u);
}

TEST_F(ClientTransportTest, ARunningCallIsProbedAndLostAfterFiveMisses) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  Say(About(LH_PACKET_ACCEPTED, call));
  std::vector<Nanos> probes = Times(LH_PACKET_PROBE, 3500 * kMillisecond);
  EXPECT_THAT(probes, ElementsAre(1000, 2000, 3000));
  Say(About(LH_PACKET_ACCEPTED, call));  // as if nothing had been missed
  EXPECT_THAT(Times(LH_PACKET_PROBE, 20 * kSecond),
              ElementsAre(1000, 2000, 3000, 4000, 5000));
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 1, kUnavailable, "may have run");
  EXPECT_EQ(counters_.probes.value(), 8u);
  EXPECT_EQ(counters_.retransmissions.value(), 0u);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, ARunningCallMayTakeItsTime) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  Say(About(LH_PACKET_ACCEPTED, call));
  for (int second = 0; second < 1000; ++second) {
    Pass(kSecond);
    EXPECT_EQ(Only(LH_PACKET_PROBE).header.sequence, call.sequence);
    Say(About(LH_PACKET_ACCEPTED, call));
  }
  Reply(call, "at last");
  ExpectEnded(0, 1, kOk, "at last");
}

TEST_F(ClientTransportTest, LateAndRepeatedRepliesEndNothing) {
  Call(1);
  Accept();
  const lh_packet first = Only(LH_PACKET_CALL).header;
  Reply(first, "one");
  Reply(first, "one");
  EXPECT_EQ(client_.ended.size(), 1u);
  Call(2);
  const lh_packet second = Only(LH_PACKET_CALL).header;
  ASSERT_EQ(second.slot, first.slot);
  Reply(first, "one");  // of the call before, in the same slot
  Say(About(LH_PACKET_ACCEPTED, first));
  lh_packet wrong = second;
  wrong.slot = kSessionSlots;
  Reply(wrong, "no such slot");
  wrong.slot = 1;
  Reply(wrong, "empty slot");
  wrong = second;
  ++wrong.sequence;
  Reply(wrong, "not yet");
  wrong = second;
  ++wrong.token;
  Reply(wrong, "no such session");
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 7u);
  Reply(second, "two");
  ExpectEnded(1, 2, kOk, "two");
}

TEST_F(ClientTransportTest, MalformedAndUnexpectedPacketsEndNothing) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  lh_packet reply = About(LH_PACKET_REPLY, call);
  reply.message_length = 2;
  std::vector<lh_packet> bad(4, reply);
  bad[0].message = 1;
  bad[1].offset = 1;
  bad[2].message_length = 1;
  bad[3].message_length = 3;
  for (const lh_packet& header : bad) Say(header, "ok");
  // No message can hold this.
  const std::string meta(kMaxPayload - sizeof(MetaSize), 'm');
  const Packet too_much = {
      .header = reply, .meta = Bytes(meta), .payload = Bytes("ok")};
  client_.transport().OnPacket(too_much, server_.address(), now_);
  EXPECT_EQ(counters_.packets_malformed.value(), 5u);
  const std::uint8_t types[] = {
      LH_PACKET_HELLO, LH_PACKET_OPEN, LH_PACKET_CALL,   LH_PACKET_PROBE,
      LH_PACKET_ACK,   LH_PACKET_DATA, LH_PACKET_CANCEL, LH_PACKET_RESPONSE};
  for (const std::uint8_t type : types) Say(About(type, call));
  EXPECT_EQ(counters_.packets_unexpected.value(), std::size(types));
  EXPECT_TRUE(client_.ended.empty());
  EXPECT_TRUE(server_.Receive().empty()) << "none of them is answered";
  Reply(call, "ok");
  ExpectEnded(0, 1, kOk, "ok");
}

}  // namespace
}  // namespace lauberhorn::nic
