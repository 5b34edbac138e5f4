// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// 4,096 calls over one channel, all at the server before the first is answered,
// in simulated time.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nic/engine.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/node.h"

namespace lauberhorn::nic {
namespace {

using testing::Connect;
using testing::HostChannel;
using testing::MemoryNetwork;
using testing::Node;
using testing::OpenServer;
using testing::Payload;
using testing::TakenMessage;
using testing::TestAddress;

constexpr std::uint32_t kCalls = 4096;
constexpr std::uint64_t kMethod = 7;
constexpr std::uint16_t kPort = 50051;

// A session has 1,024 slots at most.
constexpr std::uint32_t kPeers = 5;

// So much room that the server never counts as nearly full, which would make
// its clients hold calls back.
RegionOptions LargeRegion() {
  RegionOptions options;
  options.endpoints = 2;
  options.arrived_calls = 4 * kCalls;
  options.own_calls = kCalls;
  return options;
}

// A process whose second endpoint serves, and gets the answers.
struct QueueNode : Node {
  QueueNode(WireFactory& wires, std::uint8_t host)
      : Node(LargeRegion(), {}, host, wires) {}

  HostChannel serve{region.base(), 1, Which::kServe};
  HostChannel queue{region.base(), 1, Which::kCall};
};

TEST(EngineManyCallsTest, AllArriveBeforeTheFirstIsAnswered) {
  MemoryNetwork network(1);
  const std::unique_ptr<WireFactory> wires[] = {network.Host(TestAddress(1)),
                                                network.Host(TestAddress(2))};
  QueueNode server(*wires[0], 1);
  QueueNode client(*wires[1], 2);
  Nanos now = kSecond;
  const auto step = [&] {
    network.Advance(now);
    const Nanos next = std::min(
        {client.engine.Poll(now), server.engine.Poll(now), network.Next()});
    if (next != kNever) now = std::max(now + 1, next);
  };

  lh_command_limits limits = {};
  limits.running = limits.threads = 1;
  limits.queued = LargeRegion().arrived_calls;
  server.Control(now, LH_COMMAND_LIMITS, Payload(limits));
  lh_command_method method = {};
  method.method = kMethod;
  const Address address = TestAddress(1, kPort);
  OpenServer(server.Commands(now), method, "", address.raw());
  std::vector<std::uint64_t> peers;
  for (std::uint32_t count = 0; count < kPeers; ++count) {
    peers.push_back(Connect(client.Commands(now), address.raw()));
  }

  // All from one channel, to be answered on one other.
  for (std::uint32_t index = 0; index < kCalls; ++index) {
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(LargeRegion().arrived_calls + index, 1);
    call.code = kMethod;
    call.data = peers[index % kPeers];
    call.aux = 2;  // endpoint 1
    while (!client.call.Put(call, absl::StrCat(index))) step();
  }
  TakenMessage message;
  for (int steps = 0; server.engine.counters().calls_arrived.value() < kCalls;
       ++steps) {
    ASSERT_LT(steps, 100'000) << "not all of them arrive";
    ASSERT_FALSE(client.queue.Take(&message));
    step();
  }

  // A thread comes and answers one after the other; nobody fetches an answer.
  lh_message empty = {};
  empty.kind = LH_KIND_EMPTY;
  empty.aux = 1;
  ASSERT_TRUE(server.serve.Put(empty));
  std::uint32_t answered = 0;
  for (int steps = 0; answered < kCalls; ++steps) {
    ASSERT_LT(steps, 1'000'000) << answered << " were answered";
    if (server.serve.Take(&message)) {
      lh_message reply = {};
      reply.kind = LH_KIND_REPLY;
      reply.call = message.header.call;
      ASSERT_TRUE(server.serve.Put(reply, "re: " + message.payload));
      ++answered;
    }
    step();
  }
  for (int turns = 0; turns < 100; ++turns) step();
  EXPECT_EQ(client.engine.counters().answers_waited.value(),
            kCalls - LargeRegion().slots);

  // Then all are fetched, each once.
  std::vector<int> times(kCalls, 0);
  for (std::uint32_t count = 0; count < kCalls; ++count) {
    for (int steps = 0; !client.queue.Take(&message); ++steps) {
      ASSERT_LT(steps, 1000) << count << " were fetched";
      step();
    }
    ASSERT_EQ(message.header.kind, LH_KIND_REPLY);
    ASSERT_EQ(message.header.code, 0u) << message.payload;
    const std::uint32_t index =
        lh_handle_index(message.header.call) - LargeRegion().arrived_calls;
    ASSERT_LT(index, kCalls);
    EXPECT_EQ(++times[index], 1) << index << " came twice";
    EXPECT_EQ(message.payload, absl::StrCat("re: ", index));
  }
  for (int turns = 0; turns < 100; ++turns) step();
  EXPECT_FALSE(client.queue.Take(&message));
}

}  // namespace
}  // namespace lauberhorn::nic
