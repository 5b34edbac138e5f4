// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What the two engines of a call between processes of one host cost: both, and
// the host's sides of their channels, on one thread. No core waits for another,
// so this counts instructions, where local_floor measures the way between
// cores.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/echo_worker.h"
#include "nic/engine.h"
#include "nic/poll_set.h"
#include "nic/region.h"
#include "nic/testing/host_side.h"
#include "nic/testing/local_peers.h"
#include "nic/udp_wires.h"

namespace lauberhorn::bench {
namespace {

using nic::Nanos;
using nic::Which;
using nic::testing::HostChannel;
using nic::testing::TakenMessage;

constexpr std::uint64_t kMethod = 7;

nic::RegionOptions SmallRegion() {
  nic::RegionOptions options;
  options.endpoints = 8;
  return options;
}

template <typename Command>
absl::string_view Payload(const Command& command) {
  return {reinterpret_cast<const char*>(&command), sizeof(command)};
}

// An engine that reaches others of this host through memory.
class Host {
 public:
  explicit Host(std::uint8_t secret) {
    if (!poll_.Open().ok()) std::abort();
    nic::EngineOptions options;
    options.secret.fill(secret);
    nic::WireFactory& wires = wires_;
    engine_ = std::make_unique<nic::Engine>(options, region_, wires, waker_);
    region_.Ready();
  }

  void Poll() {
    // Time goes on once in eight turns, as it does where threads wait.
    if (++turns_ % 8 == 0) now_ += nic::kMicrosecond;
    engine_->Poll(now_);
  }

  std::uint64_t Control(lh_command command, absl::string_view payload) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    control_.Put(header, payload);
    TakenMessage result = {};
    while (!control_.Take(&result)) Poll();
    return result.header.data;
  }

  HostChannel& control() { return control_; }
  HostChannel& serve() { return serve_; }
  const nic::Counters& counters() const { return engine_->counters(); }

 private:
  Nanos now_ = nic::kSecond;
  std::uint32_t turns_ = 0;
  nic::PollSet poll_;
  nic::UdpWires wires_{poll_, 0, nic::UdpWire::kDefaultInput, /*local=*/true};
  nic::testing::RegionMemory memory_{SmallRegion()};
  nic::Region region_{SmallRegion(), memory_.bytes()};
  nic::testing::RecordingWaker waker_;
  HostChannel control_{region_.base(), 0, Which::kCall};
  HostChannel serve_{region_.base(), 1, Which::kServe};
  std::unique_ptr<nic::Engine> engine_;
};

// A server with one worker, and a client with a link to it.
class Rig {
 public:
  Rig() {
    const std::uint64_t open = server.Control(LH_COMMAND_SERVER_OPEN, "");
    lh_command_method method = {};
    method.server = open;
    method.method = kMethod;
    method.name_length = 4;
    server.Control(LH_COMMAND_METHOD_ADD,
                   absl::StrCat(Payload(method), "/a/B"));
    lh_command_listen listen = {};
    listen.server = open;
    listen.address = nic::testing::LoopbackAddress().raw();
    const std::uint64_t port =
        server.Control(LH_COMMAND_LISTEN, Payload(listen));
    listen = {};
    listen.address =
        nic::testing::LoopbackAddress(static_cast<std::uint16_t>(port)).raw();
    peer_ = client.Control(LH_COMMAND_CONNECT, Payload(listen));
    lh_message empty = {};
    empty.kind = LH_KIND_EMPTY;
    empty.aux = 1;
    server.serve().Put(empty);
    // The first go by UDP.
    while (client.counters().packets_linked.value() < 16) Call();
  }

  void Call() {
    lh_channel& channel = client.control().channel();
    lh_line* const line = lh_put_begin(&channel.out);
    line->header.call = handle_;
    line->header.code = kMethod;
    line->header.data = peer_;
    line->header.deadline = 0;
    line->header.length = LH_INLINE_SIZE;
    line->header.kind = LH_KIND_CALL;
    line->header.flags = 0;
    line->header.aux = 0;
    std::memset(line->payload, 1, LH_INLINE_SIZE);
    lh_put_end(&channel.out, line);
    client.Poll();
    server.Poll();
    while (!AnswerNext(server.serve().channel())) {
      client.Poll();
      server.Poll();
    }
    server.Poll();
    client.Poll();
    lh_line* end;
    while ((end = lh_take(&channel.in)) == nullptr) {
      server.Poll();
      client.Poll();
    }
    lh_release(&channel.in, end);
    handle_ =
        lh_handle(lh_handle_index(handle_), lh_handle_generation(handle_) + 1);
  }

  Host client{1};
  Host server{2};

 private:
  std::uint64_t peer_ = 0;
  std::uint64_t handle_ = lh_handle(SmallRegion().arrived_calls, 1);
};

void LocalCall(benchmark::State& state) {
  Rig rig;
  for (auto _ : state) rig.Call();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(LocalCall);

void LocalIdleTurn(benchmark::State& state) {
  Rig rig;
  for (auto _ : state) rig.server.Poll();
}
BENCHMARK(LocalIdleTurn);

}  // namespace
}  // namespace lauberhorn::bench
