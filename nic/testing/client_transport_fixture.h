// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/client_transport_fixture.h
//
// The client's end of the transport against a server that says whatever it
// likes, in simulated time.
#ifndef LAUBERHORN_NIC_TESTING_CLIENT_TRANSPORT_FIXTURE_H_
#define LAUBERHORN_NIC_TESTING_CLIENT_TRANSPORT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nic/bytes.h"
#include "nic/client_transport.h"
#include "nic/counters.h"
#include "nic/packet.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

class ClientTransportTest : public ::testing::Test {
 protected:
  using Received = RawPeer::Received;

  static constexpr std::uint32_t kCalls = 32;
  static constexpr std::uint8_t kOk = 0;
  static constexpr std::uint8_t kCancelled = 1;
  static constexpr std::uint8_t kDeadlineExceeded = 4;
  static constexpr std::uint8_t kResourceExhausted = 8;
  static constexpr std::uint8_t kUnavailable = 14;

  ClientTransportTest() {
    const auto peer = client_.transport().Connect(server_.address());
    EXPECT_TRUE(peer.ok()) << peer.status();
    peer_ = *peer;
    client_address_ = client_.transport().wires()[0]->local();
  }

  void Call(std::uint32_t call, Nanos deadline = kNever,
            bool wait_for_ready = false, absl::string_view payload = "hi") {
    client_.transport().Call(call,
                             {.peer = peer_,
                              .method = 42,
                              .deadline = deadline,
                              .wait_for_ready = wait_for_ready,
                              .body = Bytes(payload)},
                             now_);
  }

  // Lets the time pass; the client comes back whenever it said it would.
  void Pass(Nanos time) {
    const Nanos until = now_ + time;
    for (Nanos next; (next = client_.transport().Next()) <= until;) {
      now_ = next;
      client_.Poll(now_);
    }
    now_ = until;
    client_.Poll(now_);
  }

  void Say(const lh_packet& header, absl::string_view payload = "") {
    server_.Send(client_address_, header, payload);
    client_.Poll(now_);
  }

  void SayOpen(std::uint8_t type, const lh_open& open) {
    server_.SendOpen(client_address_, type, open);
    client_.Poll(now_);
  }

  // The one packet that came to the server.
  Received Only(std::uint8_t type) {
    const std::vector<Received> packets = server_.Receive();
    EXPECT_EQ(packets.size(), 1u);
    if (packets.size() != 1) return {};
    EXPECT_EQ(packets[0].header.type, type);
    return packets[0];
  }

  lh_open AnswerHello() {
    lh_open open = Only(LH_PACKET_HELLO).open();
    open.server = kServer;
    open.cookie = 0xc00c1e;
    open.cookie_time = 5;
    SayOpen(LH_PACKET_COOKIE, open);
    return open;
  }

  // Opens the session that the client asks for, with the next token.
  void Accept() {
    AnswerHello();
    lh_open open = Only(LH_PACKET_OPEN).open();
    open.token = ++token_;
    SayOpen(LH_PACKET_ACCEPT, open);
  }

  lh_packet About(std::uint8_t type, const lh_packet& call) {
    lh_packet header = PacketOf(type);
    header.token = call.token;
    header.slot = call.slot;
    header.sequence = call.sequence;
    return header;
  }

  void Reply(const lh_packet& call, absl::string_view text,
             std::uint8_t status = kOk) {
    lh_packet header = About(LH_PACKET_REPLY, call);
    header.status = status;
    header.message_length = static_cast<std::uint32_t>(text.size());
    Say(header, text);
  }

  // When packets of this type come to the server while the time passes, as
  // milliseconds from now.
  std::vector<Nanos> Times(std::uint8_t type, Nanos time) {
    std::vector<Nanos> times;
    const Nanos start = now_;
    const auto note = [&] {
      for (const Received& packet : server_.Receive()) {
        if (packet.header.type == type) {
          times.push_back((now_ - start) / kMillisecond);
        }
      }
    };
    note();
    while (now_ < start + time) {
      Pass(std::min(client_.transport().Next(), start + time) - now_);
      note();
    }
    return times;
  }

  void ExpectEnded(std::size_t index, std::uint32_t call, std::uint8_t status,
                   absl::string_view text) {
    ASSERT_LT(index, client_.ended.size()) << "it has not ended";
    EXPECT_EQ(client_.ended[index].call, call);
    EXPECT_EQ(client_.ended[index].status, status);
    EXPECT_THAT(client_.ended[index].text,
                ::testing::HasSubstr(std::string(text)));
  }

  static constexpr std::uint64_t kServer = 0x5e17e1;

  MemoryNetwork network_{1};
  RawPeer server_{network_, TestAddress(1, 100)};
  RawPeer other_{network_, TestAddress(3, 100)};
  TestClient client_{network_, TestAddress(2), kCalls, 2, TestSecret(1)};
  const Counters& counters_ = client_.counters;
  std::uint64_t peer_;
  Address client_address_;
  std::uint64_t token_ = 1000;
  Nanos now_ = 1000 * kSecond;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_CLIENT_TRANSPORT_FIXTURE_H_
