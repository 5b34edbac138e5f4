// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/server_transport_fixture.h
//
// The server's end of the transport against clients that say whatever they
// like, in simulated time.
#ifndef LAUBERHORN_NIC_TESTING_SERVER_TRANSPORT_FIXTURE_H_
#define LAUBERHORN_NIC_TESTING_SERVER_TRANSPORT_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nic/counters.h"
#include "nic/packet.h"
#include "nic/server_transport.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

class ServerTransportTest : public ::testing::Test {
 protected:
  using Received = RawPeer::Received;

  static constexpr std::uint32_t kSessions = 4;

  // What `peer` gets back for the packet that it sent.
  std::vector<Received> Answers(RawPeer& peer) {
    server_.Poll(now_);
    return peer.Receive();
  }

  std::vector<Received> Say(RawPeer& peer, const lh_packet& header,
                            absl::string_view payload = "") {
    peer.Send(server_.address(), header, payload);
    return Answers(peer);
  }

  std::vector<Received> SayOpen(RawPeer& peer, std::uint8_t type,
                                const lh_open& open) {
    peer.SendOpen(server_.address(), type, open);
    return Answers(peer);
  }

  // The cookie for a session of the client.
  lh_open Cookie(RawPeer& peer, std::uint64_t number) {
    lh_open hello = {};
    hello.client = kClient;
    hello.number = number;
    const std::vector<Received> answers = SayOpen(peer, LH_PACKET_HELLO, hello);
    if (answers.size() != 1) {
      ADD_FAILURE() << answers.size() << " answers to HELLO";
      return {};
    }
    EXPECT_EQ(answers[0].header.type, LH_PACKET_COOKIE);
    return answers[0].open();
  }

  // Opens a session; its token, or 0 if it is refused.
  std::uint64_t Open(RawPeer& peer, std::uint64_t number = 1) {
    const std::vector<Received> answers =
        SayOpen(peer, LH_PACKET_OPEN, Cookie(peer, number));
    if (answers.empty()) return 0;
    // A session that it gives up for this one is closed before.
    const Received& accept = answers.back();
    if (accept.header.type == LH_PACKET_REFUSE) {
      EXPECT_EQ(accept.payload.size(), sizeof(lh_open)) << "as large as OPEN";
      EXPECT_EQ(accept.open().number, number);
      EXPECT_EQ(accept.open().token, 0u);
      return 0;
    }
    EXPECT_EQ(accept.header.type, LH_PACKET_ACCEPT);
    EXPECT_EQ(accept.header.slots, kSessionSlots);
    return accept.open().token;
  }

  static lh_packet About(std::uint8_t type, std::uint64_t token,
                         std::uint32_t sequence, std::uint16_t slot = 0) {
    lh_packet header = PacketOf(type);
    header.token = token;
    header.sequence = sequence;
    header.slot = slot;
    return header;
  }

  std::vector<Received> Call(RawPeer& peer, std::uint64_t token,
                             std::uint32_t sequence, std::uint16_t slot = 0,
                             absl::string_view payload = "hi") {
    lh_packet header = About(LH_PACKET_CALL, token, sequence, slot);
    header.message_length = static_cast<std::uint32_t>(payload.size());
    header.flags = LH_PACKET_FLAG_LAST;
    header.sent_us = sequence + 1000;
    return Say(peer, header, payload);
  }

  // One answer: the call with this sequence was given up.
  static void ExpectCancelled(const std::vector<Received>& answers,
                              std::uint32_t sequence) {
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
    EXPECT_EQ(answers[0].header.sequence, sequence);
    EXPECT_EQ(answers[0].header.status, 1) << "CANCELLED";
    EXPECT_TRUE(answers[0].payload.empty()) << "no larger than what it answers";
  }

  static lh_packet Response(const Received& challenge) {
    lh_packet header = PacketOf(LH_PACKET_RESPONSE);
    header.token = challenge.header.token;
    header.method = challenge.header.method;
    header.ack_bits = challenge.header.ack_bits;
    return header;
  }

  // Lets the time pass, while hosts ask for their calls: the first ones in
  // these sessions.
  void PassProbing(const std::map<std::uint8_t, std::uint64_t>& tokens,
                   Nanos time) {
    for (const Nanos until = now_ + time; now_ < until;) {
      now_ = std::min(now_ + kSecond, until);
      for (const auto& [host, token] : tokens) {
        Say(Host(host), About(LH_PACKET_PROBE, token, 1));
      }
    }
  }

  // A client with an address of its own, for each `number`.
  RawPeer& Host(std::uint8_t number) {
    std::unique_ptr<RawPeer>& host = hosts_[number];
    if (host == nullptr) {
      host = std::make_unique<RawPeer>(
          network_, TestAddress(static_cast<std::uint8_t>(10 + number), 200));
    }
    return *host;
  }

  // Opens as many sessions as there may be, from as many hosts.
  std::vector<std::uint64_t> OpenAll() {
    std::vector<std::uint64_t> tokens;
    for (std::uint8_t number = 0; number < kSessions; ++number) {
      tokens.push_back(Open(Host(number)));
      EXPECT_NE(tokens.back(), 0u);
    }
    return tokens;
  }

  static constexpr std::uint64_t kClient = 0xc11e47;

  MemoryNetwork network_{1};
  TestServer server_{network_, TestAddress(1, 100), kSessions, TestSecret(1)};
  const Counters& counters_ = server_.counters;
  RawPeer client_{network_, TestAddress(2, 200)};
  RawPeer other_{network_, TestAddress(3, 200)};
  std::map<std::uint8_t, std::unique_ptr<RawPeer>> hosts_;
  Nanos now_ = 1000 * kSecond;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SERVER_TRANSPORT_FIXTURE_H_
