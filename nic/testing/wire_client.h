// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/wire_client.h
//
// A client in miniature: wires as an engine has them, a session, and one call
// at a time. So one process can be a thousand peers. For one thread.
#ifndef LAUBERHORN_NIC_TESTING_WIRE_CLIENT_H_
#define LAUBERHORN_NIC_TESTING_WIRE_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nic/client_transport.h"
#include "nic/clock.h"
#include "nic/counters.h"
#include "nic/keyed_hash.h"
#include "nic/packet.h"
#include "nic/poll_set.h"
#include "nic/time.h"
#include "nic/udp_wires.h"

namespace lauberhorn::nic::testing {

class WireClient final : private ClientTransport::Handler {
 public:
  WireClient() : opened_(poll_.Open()) {}

  // First of all, to an Address or a SocketName.
  template <typename Where>
  absl::Status Connect(const Where& server) {
    if (!opened_.ok()) return opened_;
    const absl::StatusOr<std::uint64_t> peer = transport_.Connect(server);
    if (peer.ok()) peer_ = *peer;
    return peer.status();
  }

  // Begins a call without a request, while none is open.
  void Call(std::uint64_t method) {
    result_.reset();
    transport_.Call(0,
                    {.peer = peer_,
                     .method = method,
                     .deadline = kNever,
                     .wait_for_ready = true,
                     .body = {}},
                    nic::Now());
  }
  // How it ended; nothing before.
  const std::optional<absl::Status>& result() const { return result_; }

  void Turn() {
    const Nanos now = nic::Now();
    for (Wire* const wire : transport_.wires()) {
      for (const Datagram& datagram : wire->Receive()) {
        if (datagram.checksum == Checksum::kNone) linked_ = true;
        const std::optional<Packet> packet =
            ParsePacket(datagram.bytes, datagram.checksum);
        if (packet) transport_.OnPacket(*packet, datagram.from, now);
      }
      for (const Address& address : wire->Unreachable()) {
        transport_.OnUnreachable(address);
      }
      for (const Address& address : wire->Gone()) {
        transport_.OnGone(address, now);
      }
    }
    transport_.Expire(now);
    for (Wire* const wire : transport_.wires()) wire->Flush();
  }

  // Turns until nothing is left to do; false if time will bring something.
  bool FallAsleep() {
    for (Wire* const wire : transport_.wires()) {
      do {
        Turn();
      } while (!wire->TryToSleep());
    }
    return transport_.Next() == kNever;
  }
  // Takes what has come meanwhile.
  void Awake() {
    for (Wire* const wire : transport_.wires()) wire->Awake();
    Turn();
  }

  // Whether a packet has come through memory.
  bool linked() const { return linked_; }

 private:
  static Secret NewSecret() {
    Secret secret = {};
    (void)FillSecret(&secret);
    return secret;
  }

  void OnCallEnded(std::uint32_t, std::uint8_t status,
                   const Body& body) override {
    result_.emplace(
        static_cast<absl::StatusCode>(status),
        absl::string_view(reinterpret_cast<const char*>(body.payload.data()),
                          body.payload.size()));
  }

  PollSet poll_;
  const absl::Status opened_;
  UdpWires wires_{poll_, 0, UdpWire::kDefaultInput, /*local=*/true};
  Counters counters_;
  ClientTransport transport_{
      1,      1,         NewSecret(),
      wires_, counters_, static_cast<ClientTransport::Handler&>(*this)};
  std::uint64_t peer_ = 0;
  std::optional<absl::Status> result_;
  bool linked_ = false;
};

// Many clients of one server. Some at a time call together, the others sleep: a
// server has sessions for so many, and takes them from those that do nothing.
class WireClients {
 public:
  static constexpr std::size_t kTogether = 100;

  // Calls `method`, each time with this result.
  WireClients(std::uint64_t method, absl::StatusCode expected)
      : method_(method), expected_(expected) {}

  // Another one; returns when it has a link.
  template <typename Where>
  absl::Status Add(const Where& server) {
    clients_.push_back(std::make_unique<WireClient>());
    WireClient& client = *clients_.back();
    absl::Status status = client.Connect(server);
    while (status.ok() && !client.linked()) {
      client.Call(method_);
      while (!client.result()) client.Turn();
      status = Check(client);
    }
    if (status.ok() && !client.FallAsleep()) status = NotIdle();
    return status;
  }

  // Each makes so many calls and falls asleep; then it has no timer.
  absl::Status Call(int calls) {
    absl::Status status;
    for (std::size_t at = 0; status.ok() && at < size(); at += kTogether) {
      status = Call(calls, absl::MakeSpan(clients_).subspan(at, kTogether));
    }
    return status;
  }

  std::size_t size() const { return clients_.size(); }

 private:
  using Some = absl::Span<const std::unique_ptr<WireClient>>;

  absl::Status Call(int calls, Some clients) const {
    for (const auto& client : clients) client->Awake();
    for (int call = 0; call < calls; ++call) {
      for (const auto& client : clients) client->Call(method_);
      for (const auto& client : clients) {
        while (!client->result()) client->Turn();
        absl::Status status = Check(*client);
        if (!status.ok()) return status;
      }
    }
    for (const auto& client : clients) {
      if (!client->FallAsleep()) return NotIdle();
    }
    return absl::OkStatus();
  }

  absl::Status Check(const WireClient& client) const {
    if (client.result()->code() == expected_) return absl::OkStatus();
    return absl::InternalError("a call ended otherwise: " +
                               client.result()->ToString());
  }
  static absl::Status NotIdle() {
    return absl::InternalError("an idle client has a timer");
  }

  const std::uint64_t method_;
  const absl::StatusCode expected_;
  std::vector<std::unique_ptr<WireClient>> clients_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_WIRE_CLIENT_H_
