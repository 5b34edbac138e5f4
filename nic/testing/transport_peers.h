// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/transport_peers.h
//
// Both ends of the transport on a network in memory, each with a handler that
// remembers what it was told, and an end that says whatever a test wants.
#ifndef LAUBERHORN_NIC_TESTING_TRANSPORT_PEERS_H_
#define LAUBERHORN_NIC_TESTING_TRANSPORT_PEERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nic/client_transport.h"
#include "nic/counters.h"
#include "nic/packet.h"
#include "nic/server_transport.h"
#include "nic/testing/memory_wire.h"

namespace lauberhorn::nic::testing {

// Different for each `number`.
Secret TestSecret(std::uint8_t number);

// A packet of this type, and nothing else set.
lh_packet PacketOf(std::uint8_t type);

// An end that speaks packets.
class RawPeer {
 public:
  struct Received {
    lh_packet header;
    std::string payload;
    Address from;
    std::string name;  // of the method, if the packet has it

    lh_open open() const;
  };

  RawPeer(MemoryNetwork& network, const Address& address);

  void Send(const Address& to, const lh_packet& header,
            absl::string_view payload = "", absl::string_view name = "");
  void SendOpen(const Address& to, std::uint8_t type, const lh_open& open);

  // The packets that came since the last call. Each must be well-formed.
  std::vector<Received> Receive();

  Address address() const { return wire_->local(); }

 private:
  std::unique_ptr<Wire> wire_;
};

// A server's transport. Calls are answered when the test says so, unless it has
// set `answer`.
class TestServer final : private ServerTransport::Handler {
 public:
  struct Call {
    ReplyTo reply_to;
    std::uint32_t listener;
    std::uint64_t method;
    std::string name;
    Nanos deadline;
    std::string payload;
    std::string meta;
    int dropped = 0;
    std::uint8_t why = 0;  // it was dropped
  };

  TestServer(MemoryNetwork& network, const Address& address,
             std::uint32_t sessions, const Secret& secret);

  // Handles all packets that have arrived, then what is due.
  void Poll(Nanos now);
  void Reply(std::uint32_t call, std::uint8_t status, absl::string_view text,
             Nanos now, absl::string_view meta = "");

  ServerTransport& transport() { return *transport_; }
  Address address() const { return wire_->local(); }

  Counters counters;
  std::vector<Call> calls;
  // Called with the number of a new call, while it is told of it.
  std::function<void(std::uint32_t call, Nanos now)> answer;
  // Whether there is no place for the next call; not asked if not set.
  std::function<bool()> busy;
  std::uint8_t load = 0;

 private:
  std::uint32_t OnCall(const IncomingCall& call) override;
  void OnCallDropped(std::uint32_t call, std::uint8_t why) override;
  std::uint8_t Load() const override { return load; }

  std::unique_ptr<Wire> wire_;
  std::unique_ptr<ServerTransport> transport_;
  Nanos now_ = 0;
};

// A client's transport.
class TestClient final : private ClientTransport::Handler {
 public:
  struct Ended {
    std::uint32_t call;
    std::uint8_t status;
    std::string text;
    std::string meta;
  };

  TestClient(MemoryNetwork& network, const Address& host, std::uint32_t calls,
             std::uint32_t peers, const Secret& secret);

  // Handles all packets that have arrived, then what is due.
  void Poll(Nanos now);

  ClientTransport& transport() { return *transport_; }
  const ClientTransport& transport() const { return *transport_; }

  Counters counters;
  std::vector<Ended> ended;  // in order

 private:
  void OnCallEnded(std::uint32_t call, std::uint8_t status,
                   const Body& body) override;

  std::unique_ptr<WireFactory> wires_;
  std::unique_ptr<ClientTransport> transport_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_TRANSPORT_PEERS_H_
