// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Histograms, schedules, and what latencies of an open loop are counted from.

#include "bench/load.h"

#include <unistd.h>

#include <cmath>
#include <memory>
#include <vector>

#include "bench/histogram.h"
#include "bench/message.h"
#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

TEST(HistogramTest, NothingIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Percentile(0.5), 0u);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(HistogramTest, EveryValueIsKnownToOnePercent) {
  for (double value = 0; value < 6e10; value = value * 1.013 + 1) {
    const auto ns = static_cast<std::uint64_t>(value);
    Histogram histogram;
    histogram.Add(ns);
    histogram.Add(70'000'000'000);
    const std::uint64_t known = histogram.Percentile(0.5);
    EXPECT_GE(known, ns);
    EXPECT_LE(static_cast<double>(known), static_cast<double>(ns) * 1.01);
    EXPECT_EQ(histogram.max(), 70'000'000'000u);
  }
}

TEST(HistogramTest, PercentilesOfManyAndOfTwoTogether) {
  Histogram small;
  Histogram large;
  for (std::uint64_t i = 1; i <= 50; ++i) small.Add(i);
  for (std::uint64_t i = 51; i <= 100; ++i) large.Add(i);
  small.Add(large);
  EXPECT_EQ(small.count(), 100u);
  EXPECT_EQ(small.mean(), 50.5);
  EXPECT_EQ(small.Percentile(0), 1u);
  EXPECT_EQ(small.Percentile(0.5), 50u);
  EXPECT_EQ(small.Percentile(0.99), 99u);
  EXPECT_EQ(small.Percentile(1), 100u);
}

TEST(ScheduleTest, FixedRateIsEven) {
  const std::vector<std::uint64_t> due =
      Schedule({Arrivals::kFixed, 0, 1000, 0.0105, 1});
  ASSERT_EQ(due.size(), 10u);
  for (std::size_t i = 0; i < due.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(due[i]), 1e6 * static_cast<double>(i + 1),
                2);
  }
}

TEST(ScheduleTest, PoissonHasTheRateAndItsSpread) {
  const std::vector<std::uint64_t> due =
      Schedule({Arrivals::kPoisson, 0, 1e4, 10, 42});
  const auto count = static_cast<double>(due.size());
  EXPECT_NEAR(count, 1e5, 5 * std::sqrt(1e5));
  // The spread of exponential gaps is their mean.
  double squares = 0;
  for (std::size_t i = 1; i < due.size(); ++i) {
    ASSERT_GE(due[i], due[i - 1]);
    const double gap = static_cast<double>(due[i] - due[i - 1]) - 1e5;
    squares += gap * gap;
  }
  EXPECT_NEAR(std::sqrt(squares / count), 1e5, 3e3);
  EXPECT_NE(due, Schedule({Arrivals::kPoisson, 0, 1e4, 10, 43}));
}

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
  ASSERT_EQ(calls + result.unsent, Schedule(load).size());
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
