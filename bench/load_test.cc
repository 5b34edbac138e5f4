// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What latencies of an open loop are counted from, and what comes back.

#include "bench/load.h"

#include <unistd.h>

#include <memory>

#include "bench/message.h"
#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

// A server that stalls once, for all of its calls.
constexpr useconds_t kStall = 20'000;

class StallingClient final : public BlockingEchoClient {
 public:
  explicit StallingClient(int* calls) : calls_(*calls) {}
  absl::Status Echo() override {
    constexpr int kStalls = 30;  // later than the first calls of a client
    if (++calls_ == kStalls) usleep(kStall);
    return absl::OkStatus();
  }

 private:
  int& calls_;
};

class StallingPeer final : public Peer {
 public:
  int Serve(const ForkedServer::UntilStopped&) override { return 1; }
  EchoClientOr Connect(int) override {
    return std::make_unique<StallingClient>(&calls_);
  }

 private:
  int calls_ = 0;
};

// Those that were due meanwhile, one a millisecond, have waited, too.
TEST(LoadTest, OpenLoopChargesAStallToAllCallsThatWereDue) {
  const PeerKind kind = {"stalling", 1, 1, false, nullptr};
  StallingPeer peer;
  LoadGenerator generator(kind, peer, 0);
  const Load load = {Arrivals::kFixed, 0, 1000, 0.1, 1};
  ASSERT_TRUE(generator.Prepare(load).ok());
  LoadResult result;
  ASSERT_TRUE(generator.Run(load, &result).ok());
  const std::uint64_t calls = result.latencies.count();
  ASSERT_EQ(calls + result.unsent, DueTimes(load).size());
  EXPECT_GE(result.latencies.max(), kStall * 1000u);
  // Ten of them at least waited for half of the stall.
  EXPECT_GE(result.latencies.Percentile(1 - 9.5 / static_cast<double>(calls)),
            kStall * 1000u / 2);
}

TEST(LoadTest, SaysWhatAPeerCannotDo) {
  const PeerKind kind = {"one", 1, 1, false, nullptr};
  StallingPeer peer;
  LoadGenerator generator(kind, peer, 0);
  EXPECT_EQ(generator.Prepare({Arrivals::kClosed, 2, 0, 0.01, 1}).code(),
            absl::StatusCode::kUnimplemented);
}

TEST(MessageTest, IsRecognizedWhenItComesBack) {
  for (const Message& message : {Message::Bytes(8), Message::Record()}) {
    std::uint8_t request[Message::kMostBytes];
    std::uint8_t reply[Message::kMostBytes];
    const std::size_t size = message.Write(request);
    const std::size_t echoed = message.Echo({request, size}, reply);
    EXPECT_TRUE(message.IsIn({reply, echoed}));
    reply[echoed - 1] ^= 1;
    EXPECT_FALSE(message.IsIn({reply, echoed}));
    EXPECT_FALSE(message.IsIn({reply, echoed - 1}));
    ::bench::EchoMessage filled;
    message.Fill(&filled);
    EXPECT_TRUE(message.Is(filled));
    EXPECT_FALSE(message.Is(::bench::EchoMessage()));
  }
}

}  // namespace
}  // namespace lauberhorn::bench
