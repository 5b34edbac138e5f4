// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What a session costs the server's transport: a call's packet checked and
// found new, and its reply kept and sent, over a wire in memory. No dispatch,
// no channel: bench/engine_benchmark has these in addition.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "bench/call_wire.h"
#include "nic/counters.h"
#include "nic/packet.h"
#include "nic/server_transport.h"
#include "nic/time.h"

namespace lauberhorn::bench {
namespace {

constexpr std::size_t kCalls = 4096;  // that are prepared at a time

// A server that answers each call at once with its request.
class Server final : private nic::ServerTransport::Handler {
 public:
  Server() : transport_(16, Secret(), counters_, *this) {
    wire_.Open();
    while (!wire_.is_open()) Poll();
  }

  CallWire& wire() { return wire_; }

  void Poll() {
    for (const nic::Datagram& datagram : wire_.Receive()) {
      const std::optional<nic::Packet> packet =
          nic::ParsePacket(datagram.bytes, datagram.checksum);
      if (packet.has_value()) {
        transport_.OnPacket(*packet, datagram.from, wire_, 0, kNow);
      }
    }
  }

 private:
  static constexpr nic::Nanos kNow = nic::kSecond;

  static nic::Secret Secret() {
    nic::Secret secret;
    secret.fill(1);  // nobody else is on this wire
    return secret;
  }

  std::uint32_t OnCall(const nic::IncomingCall& call) override {
    transport_.Reply(call.reply_to, 0, call.body, kNow);
    return 0;
  }
  void OnCallDropped(std::uint32_t, std::uint8_t) override {}
  std::uint8_t Load() const override { return 0; }

  nic::Counters counters_;
  nic::ServerTransport transport_;
  CallWire wire_;
};

void SessionCall(benchmark::State& state) {
  Server server;
  CallWire& wire = server.wire();
  const std::uint8_t request[CallWire::kMaxRequest] = {};
  std::size_t done = kCalls;
  for (auto _ : state) {
    if (done == kCalls) {
      state.PauseTiming();
      wire.Prepare(1, request, kCalls, 1);
      done = 0;
      state.ResumeTiming();
    }
    wire.Release(1);
    server.Poll();
    if (wire.replied() != ++done) state.SkipWithError("no reply");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SessionCall);

}  // namespace
}  // namespace lauberhorn::bench
