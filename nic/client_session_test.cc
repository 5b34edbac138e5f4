// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Peers and their sessions, both ends real: idle and reopened, cancelled,
// disconnected, restarted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "nic/client_transport.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"

namespace lauberhorn::nic {
namespace {

using ::testing::HasSubstr;
using testing::MemoryNetwork;
using testing::TestAddress;
using testing::TestClient;
using testing::TestSecret;
using testing::TestServer;

constexpr std::uint32_t kCalls = 32;
constexpr std::uint8_t kOk = 0;
constexpr std::uint8_t kCancelled = 1;
constexpr std::uint8_t kInvalidArgument = 3;
constexpr std::uint8_t kUnavailable = 14;

class ClientSessionTest : public ::testing::Test {
 protected:
  ClientSessionTest() { StartServer(2); }

  // A server at the same address, in place of the one before.
  void StartServer(std::uint8_t secret) {
    server_.reset();
    server_ = std::make_unique<TestServer>(network_, TestAddress(1, 100), 4,
                                           TestSecret(secret));
  }

  std::uint64_t Connect() {
    const auto peer = client_.transport().Connect(TestAddress(1, 100));
    EXPECT_TRUE(peer.ok()) << peer.status();
    return peer.value_or(0);
  }

  // Runs both ends until there is nothing more to do now.
  void Settle() {
    for (int i = 0; i < 8; ++i) {
      if (server_ != nullptr) server_->Poll(now_);
      client_.Poll(now_);
    }
  }

  void Pass(Nanos time) {
    const Nanos until = now_ + time;
    for (Nanos next; (next = client_.transport().Next()) <= until;) {
      now_ = next;
      Settle();
    }
    now_ = until;
    Settle();
  }

  void Call(std::uint32_t call, std::uint64_t peer) {
    client_.transport().Call(call,
                             {.peer = peer,
                              .method = 1,
                              .deadline = kNever,
                              .wait_for_ready = false,
                              .body = Bytes(std::to_string(call))},
                             now_);
    Settle();
  }

  void Answer(std::uint32_t number) {
    server_->Reply(number, kOk, "ok", now_);
    Settle();
  }

  std::uint64_t Accepted() const {
    return server_->counters.sessions_accepted.value();
  }

  MemoryNetwork network_{1};
  std::unique_ptr<TestServer> server_;
  TestClient client_{network_, TestAddress(2), kCalls, 2, TestSecret(1)};
  Nanos now_ = 1000 * kSecond;
};

TEST_F(ClientSessionTest, AnIdleSessionIsOpenedAnewAndTheOldOneClosed) {
  const std::uint64_t peer = Connect();
  Call(1, peer);
  Answer(0);
  Pass(15 * kSecond);
  Call(1, peer);
  Answer(1);
  EXPECT_EQ(Accepted(), 1u) << "15 s are not long";
  Pass(15 * kSecond + 1);
  Call(1, peer);
  Answer(2);
  EXPECT_EQ(Accepted(), 2u);
  // A server has room for four: it would evict one for each without the CLOSE.
  for (unsigned i = 0; i < 10; ++i) {
    Pass(15 * kSecond + 1);
    Call(1, peer);
    ASSERT_EQ(client_.ended.size(), 3u + i);
    Answer(static_cast<std::uint32_t>(server_->calls.size() - 1));
  }
  EXPECT_EQ(Accepted(), 12u);
  EXPECT_EQ(server_->counters.sessions_refused.value(), 0u);
  EXPECT_EQ(server_->counters.sessions_evicted.value(), 0u);
  EXPECT_EQ(client_.ended.size(), 13u);
  for (const TestClient::Ended& ended : client_.ended) {
    EXPECT_EQ(ended.status, kOk);
  }
}

TEST_F(ClientSessionTest, ASessionWithACallIsNotIdle) {
  const std::uint64_t peer = Connect();
  Call(1, peer);
  Pass(100 * kSecond);
  Call(2, peer);
  EXPECT_EQ(Accepted(), 1u);
  Answer(1);
  Answer(0);
  EXPECT_EQ(client_.ended.size(), 2u);
}

TEST_F(ClientSessionTest, AServerThatRestartedWhileIdleCostsNoCall) {
  const std::uint64_t peer = Connect();
  Call(1, peer);
  Answer(0);
  Pass(20 * kSecond);
  StartServer(3);
  Call(1, peer);
  Answer(0);
  ASSERT_EQ(client_.ended.size(), 2u);
  EXPECT_EQ(client_.ended[1].status, kOk);
}

TEST_F(ClientSessionTest, AServerThatRestartsRunsNoCallOfTheOldOne) {
  const std::uint64_t peer = Connect();
  Call(1, peer);
  EXPECT_EQ(server_->calls.size(), 1u);
  StartServer(3);
  Pass(kSecond);
  EXPECT_TRUE(server_->calls.empty());
  ASSERT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(client_.ended[0].status, kUnavailable);
  EXPECT_THAT(client_.ended[0].text, HasSubstr("may have run"));
  EXPECT_EQ(client_.counters.resets_received.value(), 1u);
  Call(1, peer);
  Answer(0);
  EXPECT_EQ(client_.ended.back().status, kOk);
}

TEST_F(ClientSessionTest, CancelEndsTheCallAndDropsItAtTheServer) {
  const std::uint64_t peer = Connect();
  for (std::uint32_t call = 0; call < 5; ++call) Call(call, peer);
  EXPECT_EQ(server_->calls.size(), 5u);
  client_.transport().Cancel(3, now_);
  ASSERT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(client_.ended[0].call, 3u);
  EXPECT_EQ(client_.ended[0].status, kCancelled);
  Settle();
  EXPECT_EQ(server_->calls[3].dropped, 1);
  Call(5, peer);
  EXPECT_EQ(server_->calls.size(), 6u);
  server_->Reply(3, kOk, "late", now_);
  Settle();
  EXPECT_EQ(client_.ended.size(), 1u);
}

TEST_F(ClientSessionTest, CallsGoOnFromAnotherAddress) {
  const std::uint64_t peer = Connect();
  Call(1, peer);
  const Address inside = client_.transport().wires()[0]->local();
  network_.Translate(inside, TestAddress(9, 1));
  Call(2, peer);  // its first packet is dropped
  EXPECT_EQ(server_->calls.size(), 1u);
  Pass(10 * kMillisecond);
  EXPECT_EQ(server_->calls.size(), 2u);
  Answer(1);
  ASSERT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(client_.ended[0].call, 2u);
  // A running call of before, asked for from the next address.
  network_.Translate(inside, TestAddress(9, 2));
  Answer(0);  // is lost
  EXPECT_EQ(client_.ended.size(), 1u);
  Pass(3 * kSecond);
  ASSERT_EQ(client_.ended.size(), 2u);
  EXPECT_EQ(client_.ended[1].status, kOk);
  EXPECT_EQ(Accepted(), 1u);
  EXPECT_EQ(server_->calls.size(), 2u);
  EXPECT_EQ(server_->counters.sessions_moved.value(), 2u);
  EXPECT_EQ(client_.counters.challenges_answered.value(), 2u);
}

TEST_F(ClientSessionTest, ASessionIsGrantedAsManySlotsAsItUses) {
  const std::uint64_t peer = Connect();
  for (std::uint32_t call = 0; call < 30; ++call) Call(call, peer);
  EXPECT_EQ(server_->calls.size(), 30u) << "none of them waits for another";
  EXPECT_EQ(server_->counters.sessions_grown.value(), 2u);
  for (std::uint32_t number = 30; number > 0; --number) Answer(number - 1);
  EXPECT_EQ(client_.ended.size(), 30u);
  for (const auto& ended : client_.ended) EXPECT_EQ(ended.status, kOk);
}

TEST_F(ClientSessionTest, DisconnectEndsAllCallsOfThePeerAndNoOther) {
  const std::uint64_t peer = Connect();
  const std::uint64_t other = Connect();
  EXPECT_NE(peer, other);
  for (std::uint32_t call = 0; call < 12; ++call) Call(call, peer);
  Call(20, other);
  EXPECT_EQ(Accepted(), 2u) << "each has a session of its own";
  EXPECT_TRUE(client_.transport().Disconnect(peer, now_).ok());
  ASSERT_EQ(client_.ended.size(), 12u);
  for (std::uint32_t call = 0; call < 12; ++call) {
    EXPECT_EQ(client_.ended[call].call, call);
    EXPECT_EQ(client_.ended[call].status, kCancelled);
  }
  Settle();
  for (std::uint32_t number = 0; number < 12; ++number) {
    EXPECT_EQ(server_->calls[number].dropped, 1);
  }
  ASSERT_EQ(server_->calls.size(), 13u);
  Answer(12);
  EXPECT_EQ(client_.ended.back().call, 20u);
  EXPECT_EQ(client_.ended.back().status, kOk);
  EXPECT_EQ(client_.transport().Next(), kNever);

  EXPECT_EQ(client_.transport().Disconnect(peer, now_).code(),
            absl::StatusCode::kNotFound);
  // A handle of another peer in the same place.
  const std::uint64_t fresh = Connect();
  EXPECT_EQ(lh_handle_index(fresh), lh_handle_index(peer));
  EXPECT_NE(fresh, peer);
  Call(1, peer);
  EXPECT_EQ(client_.ended.back().status, kInvalidArgument);
  Call(1, fresh);
  Answer(13);
  EXPECT_EQ(client_.ended.back().status, kOk);
}

TEST_F(ClientSessionTest, DisconnectWhileOpening) {
  const std::uint64_t peer = Connect();
  network_.set_filter([](const Address&, const Address&,
                         absl::Span<const std::uint8_t>) { return false; });
  Call(1, peer);
  EXPECT_TRUE(client_.transport().Disconnect(peer, now_).ok());
  ASSERT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(client_.ended[0].status, kCancelled);
  EXPECT_EQ(client_.transport().Next(), kNever);
  EXPECT_EQ(network_.totals().sent, 1u);
}

TEST_F(ClientSessionTest, AnAnswerToAFormerOpeningOpensNothing) {
  const std::uint64_t peer = Connect();
  network_.set_faults({.min_delay = kMillisecond, .max_delay = kMillisecond});
  Call(1, peer);
  EXPECT_TRUE(client_.transport().Disconnect(peer, now_).ok());
  Connect();
  for (int i = 0; i < 10; ++i) {
    now_ += kMillisecond;
    network_.Advance(now_);
    Settle();
  }
  EXPECT_EQ(client_.counters.packets_stale.value(), 1u);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientSessionTest, KnowsNoForgedHandle) {
  const std::uint64_t peer = Connect();
  std::size_t ended = 0;
  for (const std::uint64_t handle : std::vector<std::uint64_t>{
           0, ~std::uint64_t{0}, peer + 1,
           lh_handle(lh_handle_index(peer), lh_handle_generation(peer) + 1)}) {
    Call(1, handle);
    ASSERT_EQ(client_.ended.size(), ++ended);
    EXPECT_EQ(client_.ended.back().status, kInvalidArgument);
    EXPECT_EQ(client_.transport().Disconnect(handle, now_).code(),
              absl::StatusCode::kNotFound);
  }
  EXPECT_EQ(client_.counters.outgoing_failed.value(), 4u);
}

TEST_F(ClientSessionTest, HasRoomForSoManyPeers) {
  const std::uint64_t first = Connect();
  Connect();
  EXPECT_EQ(client_.transport().Connect(TestAddress(9, 9)).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(client_.transport().Disconnect(first, now_).ok());
  EXPECT_TRUE(client_.transport().Connect(TestAddress(9, 9)).ok());
}

class NoWires final : public WireFactory {
 public:
  absl::StatusOr<std::unique_ptr<Wire>> Listen(const Address&) override {
    return absl::UnavailableError("none");
  }
  absl::StatusOr<std::unique_ptr<Wire>> Open() override {
    ++opens;
    return absl::ResourceExhaustedError("no more wires");
  }

  int opens = 0;
};

class NoHandler final : public ClientTransport::Handler {
 public:
  void OnCallEnded(std::uint32_t, std::uint8_t, const Body&) override {}
};

TEST(ClientWireTest, ConnectSaysWhyThereIsNoWireAndTriesAgain) {
  NoWires wires;
  NoHandler handler;
  Counters counters;
  ClientTransport transport(1, 1, TestSecret(1), wires, counters, handler);
  EXPECT_EQ(wires.opens, 0);
  EXPECT_TRUE(transport.wires().empty());
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(transport.Connect(TestAddress(1, 1)).status().message(),
              "no more wires");
    EXPECT_EQ(wires.opens, i);
  }
}

TEST_F(ClientSessionTest, EveryCallAtATimeEndsInAnyOrder) {
  const std::uint64_t peer = Connect();
  for (std::uint32_t call = 0; call < kCalls; ++call) Call(call, peer);
  std::uint32_t answered = 0;
  while (answered < server_->calls.size()) {
    // The newest first.
    const auto newest = static_cast<std::uint32_t>(server_->calls.size());
    for (std::uint32_t number = newest; number > answered; --number) {
      server_->Reply(number - 1, kOk, server_->calls[number - 1].payload, now_);
    }
    answered = newest;
    Settle();
  }
  ASSERT_EQ(client_.ended.size(), kCalls);
  for (const TestClient::Ended& ended : client_.ended) {
    EXPECT_EQ(ended.text, std::to_string(ended.call));
  }
  EXPECT_EQ(server_->counters.calls_arrived.value(), kCalls);
}

}  // namespace
}  // namespace lauberhorn::nic
