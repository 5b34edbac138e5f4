// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/local_peers.h
//
// Two wires on the loopback interface for tests, with a link between them. Both
// are driven by the thread of the test.
#ifndef LAUBERHORN_NIC_TESTING_LOCAL_PEERS_H_
#define LAUBERHORN_NIC_TESTING_LOCAL_PEERS_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nic/host_wire.h"
#include "nic/packet.h"
#include "nic/udp_wire.h"

namespace lauberhorn::nic::testing {

inline Address LoopbackAddress(std::uint16_t port = 0) {
  return Address(
      {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
       .scope = 0,
       .port = port,
       .reserved = 0});
}

inline std::unique_ptr<HostWire> MakeHostWire(
    absl::StatusOr<std::unique_ptr<UdpWire>> udp) {
  EXPECT_TRUE(udp.ok()) << udp.status();
  absl::StatusOr<std::unique_ptr<HostWire>> wire =
      HostWire::Make(*std::move(udp));
  EXPECT_TRUE(wire.ok()) << wire.status();
  return *std::move(wire);
}

// A packet of this type whose `method` is `number`.
inline std::vector<std::uint8_t> PacketOf(std::uint8_t type,
                                          std::uint64_t number,
                                          Checksum checksum) {
  lh_packet header = {};
  header.type = type;
  header.method = number;
  std::vector<std::uint8_t> bytes(LH_PACKET_MAX);
  bytes.resize(SealPacket(header, {}, bytes.data(), checksum));
  return bytes;
}

inline void SendTo(Wire& wire, const Address& to, std::uint8_t type,
                   std::uint64_t number) {
  wire.Send(to, PacketOf(type, number, wire.checksum(to)));
  wire.Flush();
}

struct Came {
  std::uint64_t number;
  Address from;
  bool linked;  // through memory
};

// What comes to a wire, one by one.
class WireInbox {
 public:
  explicit WireInbox(Wire& wire) : wire_(wire) {}

  // One turn.
  void Turn() {
    for (const Datagram& datagram : wire_.Receive()) {
      const std::optional<Packet> packet =
          ParsePacket(datagram.bytes, datagram.checksum);
      ASSERT_TRUE(packet.has_value());
      came_.push_back({packet->header.method, datagram.from,
                       datagram.checksum == Checksum::kNone});
    }
    for (const Address& address : wire_.Gone()) gone_.push_back(address);
  }

  // Turns until a packet is there.
  Came Next() {
    while (came_.empty()) Turn();
    const Came first = came_.front();
    came_.pop_front();
    return first;
  }

  const std::deque<Came>& came() const { return came_; }
  const std::vector<Address>& gone() const { return gone_; }

 private:
  Wire& wire_;
  std::deque<Came> came_;
  std::vector<Address> gone_;
};

class LocalPeers {
 public:
  LocalPeers()
      : server(MakeHostWire(UdpWire::Bind(LoopbackAddress()))),
        client(MakeHostWire(UdpWire::Open())) {}

  // What opens a session opens a link.
  void OpenLink() {
    SendTo(*client, server->local(), LH_PACKET_HELLO, 0);
    from = at_server.Next().from;
    while (server->links() == 0 || client->links() == 0) {
      at_server.Turn();
      at_client.Turn();
    }
  }

  void ToServer(std::uint64_t number) {
    SendTo(*client, server->local(), LH_PACKET_CALL, number);
  }
  void ToClient(std::uint64_t number) {
    SendTo(*server, from, LH_PACKET_REPLY, number);
  }

  std::unique_ptr<HostWire> server;
  std::unique_ptr<HostWire> client;
  WireInbox at_server{*server};
  WireInbox at_client{*client};
  Address from;  // of the client, as the server sees it
};

// Whether a descriptor is readable.
inline bool IsReadable(int descriptor) {
  pollfd look = {descriptor, POLLIN, 0};
  return poll(&look, 1, 0) == 1;
}

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_LOCAL_PEERS_H_
