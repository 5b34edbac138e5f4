// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls allocate nothing on their way through the engine: two engines over a
// wire that does not allocate either, in a program that counts every
// allocation.

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "nic/engine.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/testing/kernel_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/node.h"

namespace {

std::uint64_t allocations = 0;

}  // namespace

__attribute__((noinline)) void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* memory) noexcept {
  std::free(memory);
}
__attribute__((noinline)) void operator delete(void* memory,
                                               std::size_t) noexcept {
  std::free(memory);
}

namespace lauberhorn::nic {
namespace {

using testing::Connect;
using testing::HostChannel;
using testing::OpenServer;
using testing::TakenMessage;
using testing::TestAddress;

// One direction of a wire: a few packets in fixed memory.
struct Pipe {
  static constexpr std::size_t kPackets = 16;
  std::uint8_t bytes[kPackets][LH_PACKET_MAX];
  std::size_t sizes[kPackets];
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t kept = 0;  // behind those: sent, not flushed
};

class PipeWire final : public Wire {
 public:
  PipeWire(Pipe& in, Pipe& out, Address local, Address peer)
      : in_(in), out_(out), local_(local), peer_(peer) {}

  absl::Span<const Datagram> Receive() override {
    if (in_.count == 0) return {};
    const std::size_t slot = in_.first % Pipe::kPackets;
    std::memcpy(buffer_, in_.bytes[slot], in_.sizes[slot]);
    datagram_ = {{buffer_, in_.sizes[slot]}, peer_};
    ++in_.first;
    --in_.count;
    return {&datagram_, 1};
  }

  void Send(const Address&, absl::Span<const std::uint8_t> packet) override {
    if (out_.count + out_.kept == Pipe::kPackets) return;
    const std::size_t slot =
        (out_.first + out_.count + out_.kept++) % Pipe::kPackets;
    std::memcpy(out_.bytes[slot], packet.data(), packet.size());
    out_.sizes[slot] = packet.size();
  }

  void Flush() override { out_.count += std::exchange(out_.kept, 0); }

  Address local() const override { return local_; }

 private:
  Pipe& in_;
  Pipe& out_;
  const Address local_;
  const Address peer_;
  std::uint8_t buffer_[LH_PACKET_MAX];
  Datagram datagram_;
};

class PipeFactory final : public WireFactory {
 public:
  PipeFactory(Pipe& in, Pipe& out, Address local, Address peer)
      : in_(in), out_(out), local_(local), peer_(peer) {}
  absl::StatusOr<std::unique_ptr<Wire>> Listen(const Address&) override {
    return Open();
  }
  absl::StatusOr<std::unique_ptr<Wire>> Open() override {
    return std::make_unique<PipeWire>(in_, out_, local_, peer_);
  }

 private:
  Pipe& in_;
  Pipe& out_;
  const Address local_;
  const Address peer_;
};

RegionOptions SmallRegion() {
  RegionOptions options;
  options.endpoints = 2;
  options.arrived_calls = 8;
  options.own_calls = 16;
  return options;
}

struct ServingNode : testing::Node {
  ServingNode(std::uint8_t secret, WireFactory& wires,
              Processors* processors = nullptr)
      : Node(SmallRegion(), ThreeCalls(processors), secret, wires) {}

  static EngineOptions ThreeCalls(Processors* processors) {
    EngineOptions options;
    options.calls = 3;
    options.processors = processors;
    options.attachment = {.process = 0,
                          .first = 0,
                          .count = SmallRegion().endpoints,
                          .generation = 1,
                          .weight = 1};
    return options;
  }

  HostChannel serve{region.base(), 0, Which::kServe};
};

constexpr std::uint64_t kMethod = 7;

// Between a server and a client.
struct Cable {
  // The server serves kMethod, and the client knows it: the handle of this
  // peer.
  std::uint64_t Serve(ServingNode& server, ServingNode& client, Nanos now) {
    lh_command_method method = {};
    method.method = kMethod;
    OpenServer(server.Commands(now), method, "", lh_address());
    return Connect(client.Commands(now), server_address.raw());
  }

  Address client_address = TestAddress(2, 1000);
  Address server_address = TestAddress(1, 50051);
  std::unique_ptr<Pipe> to_server = std::make_unique<Pipe>();
  std::unique_ptr<Pipe> to_client = std::make_unique<Pipe>();
  PipeFactory server_wires{*to_server, *to_client, server_address,
                           client_address};
  PipeFactory client_wires{*to_client, *to_server, client_address,
                           server_address};
};

TEST(EngineAllocationTest, FlowingCallsAllocateNothing) {
  Cable cable;
  ServingNode server(1, cable.server_wires);
  ServingNode client(2, cable.client_wires);

  Nanos now = kSecond;
  const std::uint64_t before_control = allocations;
  const std::uint64_t peer = cable.Serve(server, client, now);

  // Control commands may allocate, and the test would see it.
  EXPECT_GT(allocations, before_control);

  lh_message empty = {};
  empty.kind = LH_KIND_EMPTY;
  empty.aux = 1;
  ASSERT_TRUE(server.serve.Put(empty));

  const std::string request(200, 'q');
  std::uint64_t in_engines = 0;
  for (std::uint32_t round = 1; round <= 300; ++round) {
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(SmallRegion().arrived_calls, round);
    call.code = kMethod;
    call.data = peer;
    call.deadline = now + kSecond;
    ASSERT_TRUE(client.call.Put(call, request));
    TakenMessage message = {};
    bool answered = false;
    for (int turn = 0; turn < 20 && !answered; ++turn) {
      const std::uint64_t before = allocations;
      client.engine.Poll(now);
      server.engine.Poll(now);
      in_engines += allocations - before;
      now += kMicrosecond;
      if (server.serve.Take(&message)) {
        lh_message reply = {};
        reply.kind = LH_KIND_REPLY;
        reply.call = message.header.call;
        ASSERT_TRUE(server.serve.Put(reply, message.payload));
      }
      answered = client.call.Take(&message);
    }
    ASSERT_TRUE(answered);
    ASSERT_EQ(message.payload, request);
  }
  EXPECT_EQ(in_engines, 0u);
}

class NoInterrupter final : public Interrupter {
  void Interrupt(std::uint32_t) override {}
};

// A thread that comes to a CPU for each call, and leaves it.
TEST(EngineAllocationTest, CallsByRunAllocateNothing) {
  constexpr KernelRegionOptions kKernel = {.cpus = 2, .endpoints = 4};
  testing::KernelMemory memory(kKernel);
  testing::KernelSide kernel(memory.region());
  NoInterrupter interrupter;
  Processors processors(memory.region(), 1, 1, interrupter);
  Cable cable;
  ServingNode server(1, cable.server_wires, &processors);
  ServingNode client(2, cable.client_wires);
  Nanos now = kSecond;
  kernel.Publish(1, {.mode = LH_CPU_OTHER});
  kernel.Bound(0, 0);
  processors.Look(now);
  const std::uint64_t peer = cable.Serve(server, client, now);
  lh_message empty = {};
  empty.kind = LH_KIND_EMPTY;
  empty.aux = 1;
  ASSERT_TRUE(server.serve.Put(empty));
  std::uint64_t in_engine = 0;
  const auto turn = [&] {
    now += kMicrosecond;
    client.engine.Poll(now);
    const std::uint64_t before = allocations;
    processors.Look(now);
    server.engine.Poll(now);
    processors.Flush(now);
    in_engine += allocations - before;
  };
  TakenMessage message = {};
  for (std::uint32_t round = 1; round <= 300; ++round) {
    kernel.Idle(0, LH_CPU_IDLE_WAIT);
    kernel.SetState(0, LH_ENDPOINT_PARKED);
    turn();
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(SmallRegion().arrived_calls, round);
    call.code = kMethod;
    call.data = peer;
    ASSERT_TRUE(client.call.Put(call, "request"));
    KernelCommand command;
    for (int count = 0; count < 20 && !kernel.HasCommand(0); ++count) turn();
    ASSERT_TRUE(kernel.TakeCommand(0, &command)) << round;
    kernel.SetState(0, LH_ENDPOINT_RUNNABLE);
    kernel.Bound(0, 0);
    ASSERT_TRUE(kernel.Answer(0, command.number, LH_ANSWER_DONE));
    turn();
    ASSERT_TRUE(server.serve.Take(&message));
    lh_message reply = {};
    reply.kind = LH_KIND_REPLY;
    reply.call = message.header.call;
    ASSERT_TRUE(server.serve.Put(reply));
    bool answered = false;
    for (int count = 0; count < 20 && !answered; ++count) {
      turn();
      answered = client.call.Take(&message);
    }
    ASSERT_TRUE(answered);
  }
  EXPECT_EQ(server.engine.counters().calls_run.value(), 300u);
  EXPECT_EQ(in_engine, 0u);
}

TEST(EngineAllocationTest, AnswersThatFindNoRoomAllocateNothing) {
  const auto in = std::make_unique<Pipe>();
  const auto out = std::make_unique<Pipe>();
  PipeFactory wires(*in, *out, TestAddress(2, 1000), TestAddress(1, 50051));
  ServingNode node(1, wires);
  // More than the lane has slots and the engine accepts: three wait, then BUSY.
  const std::uint32_t calls = SmallRegion().slots + 4;
  std::uint64_t in_engine = 0;
  const auto poll = [&] {
    const std::uint64_t before = allocations;
    node.engine.Poll(kSecond);
    in_engine += allocations - before;
  };
  TakenMessage message = {};
  for (std::uint32_t round = 1; round <= 100; ++round) {
    for (std::uint32_t index = 0; index < calls; ++index) {
      lh_message call = {};
      call.kind = LH_KIND_CALL;
      call.call = lh_handle(SmallRegion().arrived_calls + index, round);
      // To nobody: answered at once.
      ASSERT_TRUE(node.call.Put(call));
      poll();
    }
    for (std::uint32_t index = 0; index < calls; ++index) {
      ASSERT_TRUE(node.call.Take(&message)) << index;
      EXPECT_EQ(message.header.kind,
                index < calls - 1 ? LH_KIND_REPLY : LH_KIND_BUSY);
      poll();
    }
  }
  EXPECT_EQ(node.engine.counters().answers_waited.value(), 400u);
  EXPECT_EQ(in_engine, 0u);
}

}  // namespace
}  // namespace lauberhorn::nic
