// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Sessions that are lost, that seem to be, or that move.

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/slot_pool.h"
#include "nic/testing/client_transport_fixture.h"

namespace lauberhorn::nic {
namespace {

using testing::ClientTransportTest;

TEST_F(ClientTransportTest, ALostSessionFailsWhatWasSentAndKeepsWhatWasNot) {
  for (const std::uint8_t type : {LH_PACKET_RESET, LH_PACKET_CLOSE}) {
    client_.ended.clear();
    for (std::uint32_t call = 0; call < kSessionSlots + 2u; ++call) Call(call);
    Accept();
    const lh_packet first = server_.Receive().at(0).header;
    Say(About(type, first));
    ASSERT_EQ(client_.ended.size(), kSessionSlots);
    for (std::uint32_t call = 0; call < kSessionSlots; ++call) {
      ExpectEnded(call, call, kUnavailable, "may have run");
      ExpectEnded(call, call, kUnavailable,
                  type == LH_PACKET_RESET ? "restarted" : "shut down");
    }
    Say(About(type, first));  // again: of a session that is gone
    Reply(first, "too late");
    EXPECT_EQ(client_.ended.size(), kSessionSlots);
    Accept();
    const std::vector<Received> rest = server_.Receive();
    ASSERT_EQ(rest.size(), 2u);
    for (const Received& call : rest) {
      EXPECT_EQ(call.header.token, token_);
      EXPECT_EQ(call.header.sequence, 1u);
      Reply(call.header, "ok");
    }
    ExpectEnded(kSessionSlots, kSessionSlots, kOk, "ok");
    ExpectEnded(kSessionSlots + 1, kSessionSlots + 1, kOk, "ok");
    Say(About(LH_PACKET_CLOSE, rest[0].header));  // so that both start closed
  }
  EXPECT_EQ(counters_.resets_received.value(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 4u);
}

TEST_F(ClientTransportTest, ACloseSaysWhy) {
  Call(1);
  Accept();
  lh_packet close = About(LH_PACKET_CLOSE, Only(LH_PACKET_CALL).header);
  close.status = kResourceExhausted;
  Say(close);
  ExpectEnded(0, 1, kUnavailable, "gave this client's place to another one");
  // An idle client loses no call by it.
  Call(1);
  Accept();
  Reply(Only(LH_PACKET_CALL).header, "ok");
  close.token = token_;
  Say(close);
  EXPECT_EQ(client_.ended.size(), 2u);
  Call(1);
  Accept();
  Only(LH_PACKET_CALL);
}

TEST_F(ClientTransportTest, AResetOfTheSameServerIsNoRestart) {
  Call(1);
  Accept();
  lh_packet reset = About(LH_PACKET_RESET, Only(LH_PACKET_CALL).header);
  reset.method = kServer;
  Say(reset);
  ExpectEnded(0, 1, kUnavailable, "forgotten this client; the call may have");
}

TEST_F(ClientTransportTest, BelievesATokenOnlyFromItsServer) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  for (const std::uint8_t type : {LH_PACKET_REPLY, LH_PACKET_RESET,
                                  LH_PACKET_CLOSE, LH_PACKET_ACCEPTED}) {
    other_.Send(client_address_, About(type, call));
  }
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 4u);
  EXPECT_TRUE(client_.ended.empty());
  Reply(call, "mine");
  ExpectEnded(0, 1, kOk, "mine");
}

TEST_F(ClientTransportTest, ReturnsAChallengeOfItsServerAlone) {
  Call(1);
  Accept();
  lh_packet challenge = About(LH_PACKET_CHALLENGE, Only(LH_PACKET_CALL).header);
  challenge.method = 0x5ec2e7;
  challenge.ack_bits = 77;
  Say(challenge);
  const Received response = Only(LH_PACKET_RESPONSE);
  EXPECT_EQ(response.header.token, token_);
  EXPECT_EQ(response.header.method, 0x5ec2e7u);
  EXPECT_EQ(response.header.ack_bits, 77u);
  EXPECT_TRUE(response.payload.empty());
  other_.Send(client_address_, challenge);
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  ++challenge.token;
  Say(challenge);
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_TRUE(server_.Receive().empty());
  EXPECT_TRUE(other_.Receive().empty());
  EXPECT_EQ(counters_.challenges_answered.value(), 1u);
  EXPECT_TRUE(client_.ended.empty());
}

}  // namespace
}  // namespace lauberhorn::nic
