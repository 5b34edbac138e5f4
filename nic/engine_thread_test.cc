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
#include "nic/testing/driven_node.h"

namespace lauberhorn::nic {
namespace {

using testing::ConnectToServer;
using testing::HostChannel;
using testing::kLoopback;
using testing::Payload;
using testing::TakenMessage;

// A process and its NIC.
struct Node final : testing::DrivenNode {
  explicit Node(const EngineThreadOptions& options) {
    auto started = EngineThread::Start(options, region);
    EXPECT_TRUE(started.ok()) << started.status();
    thread = *std::move(started);
  }

  std::unique_ptr<EngineThread> thread;

 private:
  void Ring() override { thread->Ring(); }
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

constexpr std::uint64_t kMethod = 7;

// A client and a server, connected, with a thread of the server that waits.
struct Pair {
  explicit Pair(const EngineThreadOptions& options)
      : server(options),
        client(options),
        peer(ConnectToServer(client, server, kMethod)) {}

  // What comes to the server.
  TakenMessage Call(std::uint32_t number, const std::string& request) {
    client.PutCall(number, kMethod, peer, request);
    return Node::Watch(server.serve);
  }

  void Reply(const TakenMessage& arrived, const std::string& text) {
    server.PutReply(arrived, text);
    ASSERT_EQ(Node::Watch(client.call).payload, text);
  }

  Node server;
  Node client;
  const std::uint64_t peer;
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
  const TakenMessage end = Node::Watch(pair.client.call);
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
