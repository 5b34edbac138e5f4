// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Who is believed to be a session's client.

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "abi/host/process.h"
#include "abi/wire/packet.h"
#include "nic/packet.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/server_transport_fixture.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::MemoryNetwork;
using testing::RawPeer;
using testing::ServerTransportTest;
using testing::TestAddress;

TEST_F(ServerTransportTest, BelievesATokenOnlyFromItsAddress) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  for (const std::uint8_t type :
       {LH_PACKET_CALL, LH_PACKET_PROBE, LH_PACKET_CANCEL, LH_PACKET_CLOSE}) {
    const std::vector<Received> answers = Say(other_, About(type, token, 1));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_CHALLENGE);
  }
  EXPECT_EQ(counters_.challenges_sent.value(), 4u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  EXPECT_EQ(Call(client_, token, 1).size(), 1u) << "the session is there";
}

TEST_F(ServerTransportTest, MovesASessionToWhoReturnsTheChallenge) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  RawPeer moved(network_, TestAddress(2, 201));
  const Received challenge = Say(moved, About(LH_PACKET_PROBE, token, 1)).at(0);
  ASSERT_EQ(challenge.header.type, LH_PACKET_CHALLENGE);
  EXPECT_EQ(challenge.header.token, token);
  EXPECT_TRUE(challenge.payload.empty()) << "no larger than what it answers";
  EXPECT_EQ(counters_.sessions_moved.value(), 0u);
  server_.Reply(0, 0, "done", now_);
  EXPECT_EQ(client_.Receive().size(), 1u) << "not believed yet";

  EXPECT_TRUE(Say(moved, Response(challenge)).empty());
  EXPECT_EQ(counters_.sessions_moved.value(), 1u);
  EXPECT_EQ(Say(moved, About(LH_PACKET_PROBE, token, 1)).at(0).payload, "done");
  Call(moved, token, 2);
  server_.Reply(1, 0, "there", now_);
  EXPECT_TRUE(client_.Receive().empty());
  EXPECT_EQ(moved.Receive().at(0).payload, "there");
  // The old address is as any other now.
  EXPECT_EQ(Call(client_, token, 3).at(0).header.type, LH_PACKET_CHALLENGE);
  EXPECT_EQ(server_.calls.size(), 2u);
  // Its name goes with it: the session can be closed, its place be used again.
  Say(moved, About(LH_PACKET_CLOSE, token, 0));
  EXPECT_NE(Open(client_), token);
  EXPECT_EQ(counters_.sessions_accepted.value(), 2u);
}

TEST_F(ServerTransportTest, BelievesNoForgedResponse) {
  const std::uint64_t token = Open(client_);
  const Received challenge = Say(other_, About(LH_PACKET_CALL, token, 1)).at(0);
  const lh_packet good = Response(challenge);
  std::vector<lh_packet> forged(3, good);
  forged[0].method ^= 1;
  forged[1].ack_bits -= 1;
  forged[2].ack_bits += 1;
  for (const lh_packet& response : forged) Say(other_, response);
  RawPeer neighbour(network_, TestAddress(3, 201));
  Say(neighbour, good);
  // For another session.
  lh_packet elsewhere = good;
  elsewhere.token = Open(client_, 2);
  Say(other_, elsewhere);
  EXPECT_EQ(counters_.challenges_failed.value(), 5u);
  // Too late, and from before its time.
  now_ += 10 * kSecond + 1;
  Say(other_, good);
  now_ -= 11 * kSecond;
  Say(other_, good);
  EXPECT_EQ(counters_.challenges_failed.value(), 7u);
  EXPECT_EQ(counters_.sessions_moved.value(), 0u);
  now_ += 11 * kSecond - 1;
  Say(other_, good);
  EXPECT_EQ(counters_.sessions_moved.value(), 1u) << "the last moment";
  // Recorded, it does not take the session back.
  lh_packet back =
      Response(Say(client_, About(LH_PACKET_PROBE, token, 1)).at(0));
  Say(client_, back);
  Say(other_, good);
  EXPECT_EQ(counters_.sessions_moved.value(), 2u);
  EXPECT_EQ(counters_.challenges_failed.value(), 8u);
  EXPECT_TRUE(Call(client_, token, 1).empty());
  EXPECT_EQ(server_.calls.size(), 1u);
}

TEST_F(ServerTransportTest, AClientThatOnlyTalksFromElsewhereIsDead) {
  // Nobody keeps a dead client's calls running without its address.
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  for (int second = 0; second < 6; ++second) {
    now_ += kSecond;
    Say(other_, About(LH_PACKET_PROBE, token, 1));
  }
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[0].why, LH_CALL_PEER_DEAD);
}

TEST_F(ServerTransportTest, BelievesATokenOnlyOverItsListener) {
  const std::uint64_t token = Open(client_);
  MemoryNetwork elsewhere(1);
  const auto wire = elsewhere.Host(TestAddress(1))->Open();
  ASSERT_TRUE(wire.ok());
  const Packet packet = {
      .header = About(LH_PACKET_CLOSE, token, 1), .meta = {}, .payload = {}};
  server_.transport().OnPacket(packet, client_.address(), **wire, 1, now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  EXPECT_TRUE(Call(client_, token, 1).empty());
  EXPECT_EQ(server_.calls.size(), 1u);
}

TEST_F(ServerTransportTest, ResetsUnknownTokens) {
  for (const std::uint8_t type :
       {LH_PACKET_CALL, LH_PACKET_PROBE, LH_PACKET_CANCEL, LH_PACKET_CLOSE,
        LH_PACKET_RESPONSE}) {
    const std::vector<Received> answers = Say(client_, About(type, 12345, 1));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_RESET);
    EXPECT_EQ(answers[0].header.token, 12345u);
    EXPECT_EQ(answers[0].header.method, server_.transport().incarnation());
    EXPECT_TRUE(answers[0].payload.empty()) << "no larger than what it answers";
  }
  EXPECT_EQ(counters_.packets_unknown_token.value(), 5u);
}

TEST_F(ServerTransportTest, AnswersNothingThatAServerMightHaveSaid) {
  const std::uint64_t token = Open(client_);
  const std::uint8_t types[] = {LH_PACKET_COOKIE,   LH_PACKET_ACCEPT,
                                LH_PACKET_REPLY,    LH_PACKET_BUSY,
                                LH_PACKET_ACCEPTED, LH_PACKET_ACK,
                                LH_PACKET_RESET,    LH_PACKET_CHALLENGE,
                                LH_PACKET_DATA,     LH_PACKET_REFUSE};
  std::uint64_t unexpected = 0;
  for (const std::uint8_t type : types) {
    // Two ends that answered each other's RESET would never stop.
    EXPECT_TRUE(Say(client_, About(type, 12345, 1)).empty()) << int{type};
    EXPECT_TRUE(Say(client_, About(type, token, 1)).empty()) << int{type};
    unexpected += 2;
    EXPECT_EQ(counters_.packets_unexpected.value(), unexpected);
  }
  EXPECT_EQ(counters_.packets_unknown_token.value(), 0u);
  EXPECT_TRUE(server_.calls.empty());
}

}  // namespace
}  // namespace lauberhorn::nic
