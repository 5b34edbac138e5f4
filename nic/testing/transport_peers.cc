// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/transport_peers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic::testing {
namespace {

std::unique_ptr<Wire> Listen(MemoryNetwork& network, const Address& address) {
  absl::StatusOr<std::unique_ptr<Wire>> wire =
      network.Host(address)->Listen(address);
  EXPECT_TRUE(wire.ok()) << wire.status();
  return *std::move(wire);
}

// Gives each packet that has arrived to `handle`, unless it is malformed.
template <typename Handle>
void Drain(Wire& wire, Counters& counters, Handle handle) {
  for (auto batch = wire.Receive(); !batch.empty(); batch = wire.Receive()) {
    for (const Datagram& datagram : batch) {
      counters.packets_received.Add();
      const std::optional<Packet> packet = ParsePacket(datagram.bytes);
      if (packet.has_value()) {
        handle(*packet, datagram.from);
      } else {
        counters.packets_malformed.Add();
      }
    }
  }
}

}  // namespace

Secret TestSecret(std::uint8_t number) {
  Secret secret;
  secret.fill(number);
  return secret;
}

lh_packet PacketOf(std::uint8_t type) {
  lh_packet header = {};
  header.type = type;
  return header;
}

lh_open RawPeer::Received::open() const {
  lh_open open = {};
  EXPECT_EQ(payload.size(), sizeof(open));
  std::memcpy(&open, payload.data(), std::min(payload.size(), sizeof(open)));
  return open;
}

RawPeer::RawPeer(MemoryNetwork& network, const Address& address)
    : wire_(Listen(network, address)) {}

void RawPeer::Send(const Address& to, const lh_packet& header,
                   absl::string_view payload, absl::string_view name) {
  std::uint8_t bytes[LH_PACKET_MAX];
  const std::size_t size =
      SealPacket(header, {.name = name, .payload = Bytes(payload)}, bytes);
  wire_->Send(to, {bytes, size});
}

void RawPeer::SendOpen(const Address& to, std::uint8_t type,
                       const lh_open& open) {
  lh_packet header = PacketOf(type);
  header.slots = type == LH_PACKET_ACCEPT ? kSessionSlots : 0;
  Send(to, header, {reinterpret_cast<const char*>(&open), sizeof(open)});
}

std::vector<RawPeer::Received> RawPeer::Receive() {
  std::vector<Received> received;
  Counters counters;
  Drain(*wire_, counters, [&](const Packet& packet, const Address& from) {
    received.push_back(
        {packet.header, Text(packet.payload), from, std::string(packet.name)});
  });
  EXPECT_EQ(counters.packets_malformed.value(), 0u);
  return received;
}

TestServer::TestServer(MemoryNetwork& network, const Address& address,
                       std::uint32_t sessions, const Secret& secret)
    : wire_(Listen(network, address)),
      transport_(absl::make_unique<ServerTransport>(
          sessions, secret, counters,
          static_cast<ServerTransport::Handler&>(*this))) {}

void TestServer::Poll(Nanos now) {
  now_ = now;
  Drain(*wire_, counters, [&](const Packet& packet, const Address& from) {
    transport_->OnPacket(packet, from, *wire_, 0, now);
  });
  transport_->Expire(now);
  EXPECT_GT(transport_->Next(), now) << "due things were left";
}

void TestServer::Reply(std::uint32_t call, std::uint8_t status,
                       absl::string_view text, Nanos now,
                       absl::string_view meta) {
  transport_->Reply(calls[call].reply_to, status, {Bytes(meta), Bytes(text)},
                    now);
}

std::uint32_t TestServer::OnCall(const IncomingCall& call) {
  if (busy && busy()) return ServerTransport::kBusy;
  const auto number = static_cast<std::uint32_t>(calls.size());
  calls.push_back({.reply_to = call.reply_to,
                   .listener = call.listener,
                   .method = call.method,
                   .name = std::string(call.name),
                   .deadline = call.deadline,
                   .payload = Text(call.body.payload),
                   .meta = Text(call.body.meta)});
  if (answer) answer(number, now_);
  return number;
}

void TestServer::OnCallDropped(std::uint32_t call, std::uint8_t why) {
  ++calls.at(call).dropped;
  calls.at(call).why = why;
}

TestClient::TestClient(MemoryNetwork& network, const Address& host,
                       std::uint32_t calls, std::uint32_t peers,
                       const Secret& secret)
    : wires_(network.Host(host)),
      transport_(absl::make_unique<ClientTransport>(
          calls, peers, secret, *wires_, counters,
          static_cast<ClientTransport::Handler&>(*this))) {}

void TestClient::Poll(Nanos now) {
  for (Wire* const wire : transport_->wires()) {
    Drain(*wire, counters, [&](const Packet& packet, const Address& from) {
      transport_->OnPacket(packet, from, now);
    });
    for (const Address& address : wire->Unreachable()) {
      transport_->OnUnreachable(address);
    }
  }
  transport_->Expire(now);
  EXPECT_GT(transport_->Next(), now) << "due things were left";
}

void TestClient::OnCallEnded(std::uint32_t call, std::uint8_t status,
                             const Body& body) {
  EXPECT_FALSE(transport_->IsOpen(call)) << "its number is not free";
  ended.push_back({call, status, Text(body.payload), Text(body.meta)});
}

}  // namespace lauberhorn::nic::testing
