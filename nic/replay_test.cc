// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Who records what two ends say, and says it again: at once or later, in any
// order, in the name of who said it or from elsewhere. Nothing runs twice, no
// call ends, and both ends are as before.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "nic/client_transport.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"

namespace lauberhorn::nic {
namespace {

using testing::MemoryNetwork;
using testing::RawPeer;
using testing::TestAddress;
using testing::TestClient;
using testing::TestSecret;
using testing::TestServer;

constexpr std::uint8_t kOk = 0;

class ReplayTest : public ::testing::Test {
 protected:
  struct Recorded {
    Address from;
    Address to;
    std::vector<std::uint8_t> bytes;
  };

  // What must not change.
  struct State {
    std::size_t calls;  // that came to the server's handler
    int dropped;
    std::size_t ended;  // at the client
    std::uint64_t accepted;
    std::uint64_t moved;
    std::uint64_t lost;
    friend bool operator==(const State&, const State&) = default;
  };

  ReplayTest() {
    network_.set_filter([this](const Address& from, const Address& to,
                               absl::Span<const std::uint8_t> bytes) {
      if (recording_) {
        record_.push_back({from, to, {bytes.begin(), bytes.end()}});
      }
      return true;
    });
    EXPECT_TRUE(client_.transport().NameMethod(1, "/a/B").ok());
    Live();
    recording_ = false;
  }

  // Some life of two ends: sessions opened, closed, moved and used; calls that
  // were answered, refused, cancelled, and one that still runs.
  void Live() {
    const std::uint64_t former = Connect();
    Call(0, former);
    Answer(0);
    EXPECT_TRUE(client_.transport().Disconnect(former, now_).ok());
    Pass(11 * kSecond);  // the cookie of that one is too old now
    const std::uint64_t peer = Connect();
    for (std::uint32_t call = 1; call < 4; ++call) Call(call, peer);
    Answer(1);
    client_.transport().Cancel(2, now_);
    server_.busy = [this] { return server_.calls.size() == 4; };
    Call(4, peer);
    server_.busy = nullptr;
    Pass(10 * kMillisecond);
    Answer(4);
    network_.Translate(client_.transport().wires()[0]->local(), outside_);
    Call(5, peer);
    Pass(10 * kMillisecond);
    Answer(5);
    Pass(kSecond);
    EXPECT_EQ(server_.calls.size(), 6u);
    EXPECT_EQ(server_.counters.sessions_moved.value(), 1u);
    EXPECT_EQ(client_.ended.size(), 5u) << "but the call of number 3";
    std::vector<bool> types(LH_PACKET_TYPES);
    for (const Recorded& packet : record_) {
      types[ParsePacket(packet.bytes)->header.type] = true;
    }
    for (const int type :
         {LH_PACKET_HELLO, LH_PACKET_COOKIE, LH_PACKET_OPEN, LH_PACKET_ACCEPT,
          LH_PACKET_CALL, LH_PACKET_REPLY, LH_PACKET_ACCEPTED, LH_PACKET_PROBE,
          LH_PACKET_BUSY, LH_PACKET_CANCEL, LH_PACKET_CHALLENGE,
          LH_PACKET_RESPONSE, LH_PACKET_CLOSE}) {
      EXPECT_TRUE(types[static_cast<std::size_t>(type)]) << type;
    }
  }

  std::uint64_t Connect() {
    return *client_.transport().Connect(server_.address());
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

  // The call that came to the server as the `number`th.
  void Answer(std::uint32_t number) {
    server_.Reply(number, kOk, "ok", now_);
    Settle();
  }

  void Settle() {
    for (int i = 0; i < 8; ++i) {
      server_.Poll(now_);
      client_.Poll(now_);
    }
  }

  void Pass(Nanos time) {
    const Nanos until = now_ + time;
    for (Nanos next; (next = std::min(client_.transport().Next(),
                                      server_.transport().Next())) <= until;) {
      now_ = next;
      Settle();
    }
    now_ = until;
    Settle();
  }

  State Now() const {
    State state = {.calls = server_.calls.size(),
                   .dropped = 0,
                   .ended = client_.ended.size(),
                   .accepted = server_.counters.sessions_accepted.value(),
                   .moved = server_.counters.sessions_moved.value(),
                   .lost = server_.counters.clients_lost.value()};
    for (const TestServer::Call& call : server_.calls) {
      state.dropped += call.dropped;
    }
    return state;
  }

  // Replays all of it with `replay`, in several orders, at once and later.
  template <typename Replay>
  void ReplayAll(Replay replay) {
    const State before = Now();
    std::mt19937 random(1);
    std::vector<Recorded> packets = record_;
    for (const Nanos pause : {Nanos{0}, kSecond, 5 * kSecond, 60 * kSecond}) {
      Pass(pause);
      for (int order = 0; order < 20; ++order) {
        for (const Recorded& packet : packets) {
          replay(packet);
          if (random() % 4 == 0) Settle();
        }
        Settle();
        ASSERT_EQ(Now(), before) << "after " << pause << " ns, order " << order;
        std::shuffle(packets.begin(), packets.end(), random);
      }
    }
    // Whatever was running, runs, and the session is of use.
    Answer(3);
    ASSERT_EQ(client_.ended.size(), before.ended + 1);
    EXPECT_EQ(client_.ended.back().status, kOk);
    EXPECT_EQ(client_.ended.back().call, 3u);
    Pass(100 * kMillisecond);
    Call(6, lh_handle(0, 2));
    Pass(100 * kMillisecond);
    Answer(6);
    EXPECT_EQ(client_.ended.back().call, 6u);
    EXPECT_EQ(client_.ended.back().status, kOk);
    EXPECT_EQ(server_.counters.sessions_accepted.value(), before.accepted);
  }

  const Address outside_ = TestAddress(9, 1);

  MemoryNetwork network_{1};
  TestServer server_{network_, TestAddress(1, 100), 8, TestSecret(1)};
  TestClient client_{network_, TestAddress(2), 8, 2, TestSecret(2)};
  RawPeer elsewhere_{network_, TestAddress(3, 300)};
  bool recording_ = true;
  std::vector<Recorded> record_;
  Nanos now_ = 1000 * kSecond;
};

TEST_F(ReplayTest, FromWhoSaidItChangesNothing) {
  ReplayAll([&](const Recorded& packet) {
    network_.Forge(packet.from, packet.to, packet.bytes);
  });
}

TEST_F(ReplayTest, InTheNameOfTheClientAsItIsNowChangesNothing) {
  ReplayAll([&](const Recorded& packet) {
    const bool to_server = packet.to == server_.address();
    network_.Forge(to_server ? outside_ : packet.from,
                   to_server ? packet.to : outside_, packet.bytes);
  });
}

TEST_F(ReplayTest, FromElsewhereChangesNothing) {
  ReplayAll([&](const Recorded& packet) {
    network_.Forge(elsewhere_.address(),
                   packet.to == server_.address() ? packet.to : outside_,
                   packet.bytes);
  });
  // And it was told nothing: cookies, challenges, and that nobody is known.
  std::size_t answers = 0;
  for (const RawPeer::Received& packet : elsewhere_.Receive()) {
    EXPECT_TRUE(packet.header.type == LH_PACKET_COOKIE ||
                packet.header.type == LH_PACKET_CHALLENGE ||
                packet.header.type == LH_PACKET_RESET)
        << int{packet.header.type};
    ++answers;
  }
  EXPECT_GT(answers, 0u);
}

TEST_F(ReplayTest, ByAnotherServerAfterARestartRunsNothing) {
  TestServer restarted(network_, TestAddress(4, 100), 8, TestSecret(3));
  for (const Recorded& packet : record_) {
    network_.Forge(packet.from, restarted.address(), packet.bytes);
    restarted.Poll(now_);
  }
  EXPECT_TRUE(restarted.calls.empty());
  EXPECT_EQ(restarted.counters.sessions_accepted.value(), 0u);
}

}  // namespace
}  // namespace lauberhorn::nic
