// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What the engine itself costs: calls over a wire in memory, with the host's
// side of the channel on the same thread. No core waits for another, so this
// counts instructions, where dispatch_floor measures the way between cores.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/call_wire.h"
#include "bench/echo_worker.h"
#include "nic/engine.h"
#include "nic/region.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::bench {
namespace {

using nic::Nanos;
using nic::Which;
using nic::testing::HostChannel;

constexpr std::uint64_t kMethod = 7;
constexpr std::size_t kCalls = 4096;  // that are prepared at a time

nic::RegionOptions SmallRegion() {
  nic::RegionOptions options;
  options.endpoints = 8;
  return options;
}

template <typename Command>
absl::string_view Payload(const Command& command) {
  return {reinterpret_cast<const char*>(&command), sizeof(command)};
}

// An engine with a server, a client at the other end of its wire, and one
// thread that would run handlers.
class Rig final : private nic::WireFactory {
 public:
  Rig() {
    nic::EngineOptions options;
    options.secret.fill(1);
    nic::WireFactory& wires = *this;
    engine_ = std::make_unique<nic::Engine>(options, region_, wires, waker_);
    region_.Ready();
    const std::uint64_t server = Control(LH_COMMAND_SERVER_OPEN, "");
    lh_command_method method = {};
    method.server = server;
    method.method = kMethod;
    method.name_length = 4;
    Control(LH_COMMAND_METHOD_ADD, absl::StrCat(Payload(method), "/a/B"));
    lh_command_listen listen = {};
    listen.server = server;
    Control(LH_COMMAND_LISTEN, Payload(listen));
    lh_message empty = {};
    empty.kind = LH_KIND_EMPTY;
    empty.aux = 1;
    serve_.Put(empty);
    wire_->Open();
    while (!wire_->is_open()) Poll();
    for (int turn = 0; turn < 16; ++turn) Poll();
  }

  CallWire& wire() { return *wire_; }
  HostChannel& serve() { return serve_; }

  // As nic::TurnClock, time goes on once in eight turns.
  void Poll() {
    if (++turns_ % 8 == 0) now_ += nic::kMicrosecond;
    engine_->Poll(now_);
  }

 private:
  std::uint64_t Control(lh_command command, absl::string_view payload) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    control_.Put(header, payload);
    nic::testing::TakenMessage result = {};
    while (!control_.Take(&result)) Poll();
    return result.header.data;
  }

  absl::StatusOr<std::unique_ptr<nic::Wire>> Listen(
      const nic::Address&) override {
    auto wire = std::make_unique<CallWire>();
    wire_ = wire.get();
    return wire;
  }
  absl::StatusOr<std::unique_ptr<nic::Wire>> Open() override {
    return absl::UnavailableError("this process calls nobody");
  }

  Nanos now_ = nic::kSecond;
  std::uint32_t turns_ = 0;
  nic::testing::RegionMemory memory_{SmallRegion()};
  nic::Region region_{SmallRegion(), memory_.bytes()};
  nic::testing::RecordingWaker waker_;
  HostChannel control_{region_.base(), 0, Which::kCall};
  HostChannel serve_{region_.base(), 1, Which::kServe};
  CallWire* wire_ = nullptr;  // the engine's
  std::unique_ptr<nic::Engine> engine_;
};

void Call(benchmark::State& state) {
  Rig rig;
  CallWire& wire = rig.wire();
  lh_channel& serve = rig.serve().channel();
  std::uint8_t request[CallWire::kMaxRequest] = {};
  std::size_t done = kCalls;
  for (auto _ : state) {
    if (done == kCalls) {
      state.PauseTiming();
      wire.Prepare(kMethod, request, kCalls, 1);
      done = 0;
      state.ResumeTiming();
    }
    wire.Release(1);
    rig.Poll();
    if (!AnswerNext(serve)) state.SkipWithError("the call did not come");
    rig.Poll();
    if (wire.replied() != ++done) state.SkipWithError("no reply");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Call);

void IdleTurn(benchmark::State& state) {
  Rig rig;
  for (auto _ : state) rig.Poll();
}
BENCHMARK(IdleTurn);

}  // namespace
}  // namespace lauberhorn::bench
