// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What a packet costs on a UDP wire with each kind of input: echo over the
// loopback device between two wires of one thread. The arguments are how many
// packets are under way at a time, and whether both ends sleep: then each looks
// until nothing is there and waits in epoll, as the engine's thread does that
// has no core of its own. Counted besides: system calls per packet, those of
// epoll included.
#include <benchmark/benchmark.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "nic/udp_wire.h"

namespace lauberhorn::nic {
namespace {

constexpr std::uint8_t kPacket[64] = {};

Address Loopback() {
  return Address(
      {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
       .scope = 0,
       .port = 0,
       .reserved = 0});
}

// One end.
class End {
 public:
  End(UdpWire::Input input, bool sleep) : sleep_(sleep) {
    auto wire = UdpWire::Bind(Loopback(), input);
    if (!wire.ok() || (*wire)->input() != input) return;
    wire_ = *std::move(wire);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;
    (void)epoll_ctl(epoll_, EPOLL_CTL_ADD, wire_->descriptor(), &event);
  }
  ~End() {
    if (epoll_ >= 0) close(epoll_);
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  bool ok() const { return wire_ != nullptr; }
  UdpWire& wire() { return *wire_; }

  // Waits for so many packets and gives each to `handle`.
  template <typename Handle>
  void Take(std::int64_t packets, Handle handle) {
    while (packets > 0) {
      if (sleep_) {
        epoll_event event;
        ++waits_;
        (void)epoll_wait(epoll_, &event, 1, -1);
      }
      while (true) {
        const absl::Span<const Datagram> batch = wire_->Receive();
        if (batch.empty()) break;
        for (const Datagram& datagram : batch) handle(datagram);
        packets -= static_cast<std::int64_t>(batch.size());
        // Who sleeps asks until nothing is there.
        if (!sleep_ && packets <= 0) break;
      }
    }
    wire_->Flush();
  }

  std::uint64_t system_calls() const { return wire_->system_calls() + waits_; }

 private:
  const bool sleep_;
  std::unique_ptr<UdpWire> wire_;
  int epoll_ = -1;
  std::uint64_t waits_ = 0;
};

void Echo(benchmark::State& state, UdpWire::Input input) {
  const std::int64_t window = state.range(0);
  const bool sleep = state.range(1) != 0;
  End client(input, sleep);
  End server(input, sleep);
  if (!client.ok() || !server.ok()) {
    state.SkipWithError("this system does not allow it");
    return;
  }
  const Address to = server.wire().local();
  const std::uint64_t before = client.system_calls() + server.system_calls();
  for (auto _ : state) {
    for (std::int64_t i = 0; i < window; ++i) client.wire().Send(to, kPacket);
    client.wire().Flush();
    server.Take(window, [&](const Datagram& datagram) {
      server.wire().Send(datagram.from, datagram.bytes);
    });
    client.Take(window, [](const Datagram& datagram) {
      benchmark::DoNotOptimize(datagram.bytes.data());
    });
  }
  const std::int64_t packets = 2 * window * state.iterations();
  state.SetItemsProcessed(packets);
  state.counters["calls/packet"] =
      static_cast<double>(client.system_calls() + server.system_calls() -
                          before) /
      static_cast<double>(packets);
}

// What a spinning engine pays for looking where nothing is.
void LookInVain(benchmark::State& state, UdpWire::Input input) {
  End end(input, false);
  if (!end.ok()) {
    state.SkipWithError("this system does not allow it");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(end.wire().Receive());
}

BENCHMARK_CAPTURE(Echo, SystemCalls, UdpWire::Input::kSystemCalls)
    ->ArgNames({"packets", "sleep"})
    ->ArgsProduct({{1, 32}, {0, 1}});
BENCHMARK_CAPTURE(Echo, Ring, UdpWire::Input::kRing)
    ->ArgNames({"packets", "sleep"})
    ->ArgsProduct({{1, 32}, {0, 1}});
BENCHMARK_CAPTURE(LookInVain, SystemCalls, UdpWire::Input::kSystemCalls);
BENCHMARK_CAPTURE(LookInVain, Ring, UdpWire::Input::kRing);

}  // namespace
}  // namespace lauberhorn::nic
