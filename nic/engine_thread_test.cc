// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Two engines on threads of their own, over UDP, with each kind of input,
// asleep between packets or spinning; and one whose driver resets it.

#include "nic/engine_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <tuple>

#include "absl/status/status.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using testing::Connect;
using testing::HostChannel;
using testing::OpenServer;
using testing::Payload;
using testing::RegionMemory;
using testing::TakenMessage;

constexpr lh_address kLoopback = {
    .ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
    .scope = 0,
    .port = 0,
    .reserved = 0};

RegionOptions SmallRegion() {
  RegionOptions options;
  options.endpoints = 2;
  options.arrived_calls = 64;
  options.own_calls = 64;
  return options;
}

// A process and its NIC.
struct Node {
  explicit Node(const EngineThreadOptions& options)
      : memory(SmallRegion()),
        region(SmallRegion(), memory.bytes()),
        serve(region.base(), 0, Which::kServe),
        call(region.base(), 0, Which::kCall) {
    auto started = EngineThread::Start(options, region);
    EXPECT_TRUE(started.ok()) << started.status();
    thread = *std::move(started);
  }

  void Put(HostChannel& channel, const lh_message& header,
           const std::string& payload = "") {
    EXPECT_TRUE(channel.Put(header, payload));
    thread->Ring();
  }

  // Waits for the next message.
  static TakenMessage Take(HostChannel& channel) {
    TakenMessage message = {};
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!channel.Take(&message)) {
      if (std::chrono::steady_clock::now() > end) {
        ADD_FAILURE() << "nothing came";
        break;
      }
      std::this_thread::yield();
    }
    return message;
  }

  std::uint64_t Control(lh_command command, const std::string& payload) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    Put(call, header, payload);
    const TakenMessage result = Take(call);
    EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
    EXPECT_EQ(result.header.code, 0u) << result.payload;
    return result.header.data;
  }

  // The same, as nic/testing/commands.h wants it.
  auto Commands() {
    return [this](lh_command command, const std::string& payload) {
      return Control(command, payload);
    };
  }

  RegionMemory memory;
  Region region;
  HostChannel serve;
  HostChannel call;
  std::unique_ptr<EngineThread> thread;
};

class EngineThreadTest
    : public ::testing::TestWithParam<std::tuple<UdpWire::Input, bool>> {};

INSTANTIATE_TEST_SUITE_P(
    Kinds, EngineThreadTest,
    ::testing::Combine(::testing::Values(UdpWire::Input::kSystemCalls,
                                         UdpWire::Input::kRing),
                       ::testing::Bool()),
    [](const auto& which) {
      const bool ring = std::get<0>(which.param) == UdpWire::Input::kRing;
      return std::string(ring ? "Ring" : "SystemCalls") +
             (std::get<1>(which.param) ? "Spins" : "Sleeps");
    });

// Where rings are refused, this is one more test of system calls.
constexpr std::uint64_t kMethod = 7;

// A client and a server, connected, with a thread of the server that waits.
struct Pair {
  explicit Pair(const EngineThreadOptions& options)
      : server(options), client(options) {
    lh_command_method method = {};
    method.method = kMethod;
    lh_address address = kLoopback;
    address.port = OpenServer(server.Commands(), method, "", address).port;
    peer = Connect(client.Commands(), address);
    lh_message empty = {};
    empty.kind = LH_KIND_EMPTY;
    empty.aux = 1;
    server.Put(server.serve, empty);
  }

  // What comes to the server.
  TakenMessage Call(std::uint32_t number, const std::string& request) {
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(SmallRegion().arrived_calls, number);
    call.code = kMethod;
    call.data = peer;
    client.Put(client.call, call, request);
    return Node::Take(server.serve);
  }

  void Reply(const TakenMessage& arrived, const std::string& text) {
    lh_message reply = {};
    reply.kind = LH_KIND_REPLY;
    reply.call = arrived.header.call;
    server.Put(server.serve, reply, text);
    ASSERT_EQ(Node::Take(client.call).payload, text);
  }

  Node server;
  Node client;
  std::uint64_t peer;
};

void CarryCalls(const EngineThreadOptions& options) {
  Pair pair(options);
  // More threads than processors that all spin take turns.
  const std::uint32_t rounds = options.spin ? 20 : 100;
  for (std::uint32_t round = 1; round <= rounds; ++round) {
    const std::string request(round, 'q');
    const TakenMessage arrived = pair.Call(round, request);
    ASSERT_EQ(arrived.payload, request);
    pair.Reply(arrived, "reply to " + request);
  }
  for (const Node* node : {&pair.server, &pair.client}) {
    EXPECT_EQ(node->thread->counters().packets_linked.value() > 0,
              options.local);
  }
}

// Where rings are refused, this is one more test of system calls.
TEST_P(EngineThreadTest, CarriesCalls) {
  EngineThreadOptions options;
  options.input = std::get<0>(GetParam());
  options.spin = std::get<1>(GetParam());
  for (const bool local : {false, true}) {
    options.local = local;
    CarryCalls(options);
  }
}

// Nobody has to ask whether it lives.
TEST_P(EngineThreadTest, TheEndOfAServerOnThisHostEndsItsCalls) {
  EngineThreadOptions options;
  options.input = std::get<0>(GetParam());
  options.spin = std::get<1>(GetParam());
  Pair pair(options);
  std::uint32_t number = 1;
  do {
    pair.Reply(pair.Call(number++, "a"), "b");
  } while (pair.client.thread->counters().packets_linked.value() == 0);
  EXPECT_EQ(pair.Call(number, "c").payload, "c");
  pair.server.thread.reset();
  const TakenMessage end = Node::Take(pair.client.call);
  EXPECT_EQ(end.header.kind, LH_KIND_REPLY);
  EXPECT_EQ(end.header.code,
            static_cast<std::uint64_t>(absl::StatusCode::kUnavailable));
  EXPECT_THAT(end.payload, ::testing::HasSubstr("has ended"));
  EXPECT_EQ(pair.client.thread->counters().probes.value(), 0u);
}

TEST_P(EngineThreadTest, ADriverResetsIt) {
  EngineThreadOptions options;
  options.input = std::get<0>(GetParam());
  options.spin = std::get<1>(GetParam());
  Node node(options);
  lh_info* const info = node.region.info();
  std::uint16_t port = 0;
  for (std::uint64_t epoch = 1; epoch <= 3; ++epoch) {
    lh_command_listen listen = {};
    listen.server = node.Control(LH_COMMAND_SERVER_OPEN, "");
    listen.address = kLoopback;
    // The last engine's server does not have it any more.
    listen.address.port = port;
    port = static_cast<std::uint16_t>(
        node.Control(LH_COMMAND_LISTEN, Payload(listen)));
    // Not collected before the reset, or after.
    lh_message empty = {};
    empty.kind = LH_KIND_EMPTY;
    EXPECT_TRUE(node.serve.Put(empty));

    const std::uint64_t device = lh_load_acquire(&info->device_epoch);
    lh_store_release(&info->driver_epoch, epoch);
    lh_store_release(&info->request, LH_REQUEST_RESET);
    node.thread->Ring();
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (lh_load_acquire(&info->device_epoch) == device ||
           lh_load_acquire(&info->status) != LH_STATUS_READY) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "it was not reset";
      std::this_thread::yield();
    }
    EXPECT_EQ(info->device_epoch, device + 1);
    node.serve = HostChannel(node.region.base(), 0, Which::kServe);
    node.call = HostChannel(node.region.base(), 0, Which::kCall);
    EXPECT_EQ(*node.call.next_word(), 0u);
    EXPECT_EQ(*node.serve.next_word(), 0u);
  }
}

}  // namespace
}  // namespace lauberhorn::nic
