// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Loads in simulated time, against a server that takes what it is told to.

#include "cli/load/load_run.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>

#include "gtest/gtest.h"

namespace lauberhorn::cli {
namespace {

constexpr std::uint64_t kMicrosecond = 1000;
constexpr std::uint64_t kMillisecond = 1000 * kMicrosecond;

// One thread that runs a call after the other. Time passes in waits only.
class SimulatedServer final : public Caller {
 public:
  // How long call `which` (from 0) takes, and how it ends.
  std::function<std::uint64_t(std::uint64_t which)> time = [](std::uint64_t) {
    return 10 * kMicrosecond;
  };
  std::function<absl::Status(std::uint64_t which)> ending = [](std::uint64_t) {
    return absl::OkStatus();
  };
  std::function<void()> after_wait = [] {};

  std::uint64_t calls() const { return calls_; }
  std::size_t most_under_way() const { return most_; }

  std::uint64_t Now() override { return now_; }

  absl::Status Start(std::uint32_t number) override {
    EXPECT_TRUE(numbers_.insert(number).second) << number << " is under way";
    free_at_ = std::max(free_at_, now_) + time(calls_);
    running_.push_back({free_at_, {number, ending(calls_)}});
    ++calls_;
    most_ = std::max(most_, running_.size());
    return absl::OkStatus();
  }

  std::optional<Ended> Next(std::uint64_t until) override {
    std::optional<Ended> ended;
    if (!running_.empty() && running_.front().first <= std::max(until, now_)) {
      now_ = std::max(now_, running_.front().first);
      ended = running_.front().second;
      numbers_.erase(ended->number);
      running_.pop_front();
    } else {
      now_ = std::max(now_, until);
    }
    after_wait();
    return ended;
  }

 private:
  std::uint64_t now_ = 77 * kMillisecond;
  std::uint64_t free_at_ = 0;
  std::uint64_t calls_ = 0;
  std::size_t most_ = 0;
  std::set<std::uint32_t> numbers_;
  std::deque<std::pair<std::uint64_t, Ended>> running_;
};

class LoadRunTest : public ::testing::Test {
 protected:
  LoadResult Run(const LoadOptions& options) {
    auto result = RunLoad(options, server_, progress_);
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(server_.calls(),
              result->ok.count() + result->failed.count() + result->unmeasured);
    EXPECT_EQ(progress_.started.load(), server_.calls());
    EXPECT_EQ(progress_.ended.load(), server_.calls());
    return *std::move(result);
  }

  SimulatedServer server_;
  Progress progress_;
};

TEST_F(LoadRunTest, ClosedLoopKeepsSoManyUnderWay) {
  const LoadResult result = Run({Arrivals::kClosed, 0, 4, 0.25, 1, 1});
  EXPECT_EQ(server_.most_under_way(), 4u);
  EXPECT_NEAR(static_cast<double>(result.unmeasured), 25'000, 4);
  EXPECT_NEAR(static_cast<double>(result.ok.count()), 100'000, 4);
  EXPECT_NEAR(result.RatePerSecond(), 100'000, 4);
  EXPECT_EQ(result.seconds, 1);
  // Each waits for the three before it.
  EXPECT_NEAR(static_cast<double>(result.ok.Percentile(0.5)), 40 * kMicrosecond,
              0.01 * 40 * kMicrosecond);
  EXPECT_EQ(result.late.count(), 0u);
}

TEST_F(LoadRunTest, OpenLoopMakesTheCallsThatAreDue) {
  const LoadResult result = Run({Arrivals::kFixed, 1000, 16, 0.5, 2, 1});
  EXPECT_NEAR(static_cast<double>(result.unmeasured), 500, 1);
  EXPECT_NEAR(static_cast<double>(result.ok.count()), 2000, 1);
  EXPECT_EQ(result.ok.max(), 10 * kMicrosecond);
  EXPECT_EQ(result.late.max(), 0u);
  EXPECT_EQ(result.unsent, 0u);
}

// A stall of a tenth of a second: a hundred calls were due meanwhile, and have
// waited from then, although only one was under way.
TEST_F(LoadRunTest, OpenLoopChargesAStallToAllCallsThatWereDue) {
  server_.time = [](std::uint64_t which) {
    return which == 500 ? 100 * kMillisecond : kMicrosecond;
  };
  const LoadResult result = Run({Arrivals::kFixed, 1000, 1, 0, 1, 1});
  EXPECT_EQ(server_.most_under_way(), 1u);
  EXPECT_EQ(result.ok.max(), 100 * kMillisecond);
  const std::uint64_t slow =
      result.ok.count() - result.ok.CountUpTo(2 * kMicrosecond);
  EXPECT_NEAR(static_cast<double>(slow), 100, 1);
  const std::uint64_t half =
      result.ok.count() - result.ok.CountUpTo(50 * kMillisecond);
  EXPECT_NEAR(static_cast<double>(half), 50, 2);
  // They were late to be started, too, but for the one that stalled.
  EXPECT_NEAR(static_cast<double>(result.late.max()), 99 * kMillisecond,
              kMillisecond);
  EXPECT_EQ(result.unsent, 0u);
}

TEST_F(LoadRunTest, WhatCannotBeSentIsCounted) {
  server_.time = [](std::uint64_t) { return 10 * kMillisecond; };
  const LoadResult result = Run({Arrivals::kFixed, 1000, 8, 0, 2, 1});
  // A hundred in a second, and one second more.
  EXPECT_NEAR(static_cast<double>(result.ok.count()), 300, 10);
  EXPECT_NEAR(static_cast<double>(result.unsent), 1700, 10);
  EXPECT_EQ(server_.most_under_way(), 8u);
  EXPECT_NEAR(result.RatePerSecond(), 100, 1);
}

TEST_F(LoadRunTest, ErrorsAreCountedByStatusAndTimedApart) {
  server_.ending = [](std::uint64_t which) {
    return which % 4 == 1   ? absl::UnavailableError("gone")
           : which % 4 == 3 ? absl::AbortedError("later")
                            : absl::OkStatus();
  };
  const LoadResult result = Run({Arrivals::kPoisson, 1000, 64, 0, 1, 7});
  const double calls = static_cast<double>(server_.calls());
  const auto count = [&result](absl::StatusCode code) {
    return static_cast<double>(result.statuses[static_cast<std::size_t>(code)]);
  };
  EXPECT_NEAR(count(absl::StatusCode::kOk), calls / 2, 1);
  EXPECT_NEAR(count(absl::StatusCode::kUnavailable), calls / 4, 1);
  EXPECT_NEAR(count(absl::StatusCode::kAborted), calls / 4, 1);
  EXPECT_EQ(result.failed.count() + result.ok.count(), server_.calls());
  EXPECT_EQ(progress_.failed.load(), result.failed.count());
  EXPECT_EQ(result.first_error, "UNAVAILABLE: gone");
}

TEST_F(LoadRunTest, EndsWhenItIsTold) {
  server_.after_wait = [this] {
    if (server_.calls() == 100) progress_.stop = true;
  };
  const LoadResult result = Run({Arrivals::kFixed, 1000, 8, 0, 3600, 1});
  EXPECT_EQ(result.ok.count(), 100u);
  EXPECT_NEAR(result.seconds, 0.1, 0.002);
  EXPECT_EQ(result.unsent, 0u);
}

TEST(LoadRunErrorTest, ACallThatCannotBeMadeEndsTheLoad) {
  class Refusing final : public Caller {
   public:
    std::uint64_t Now() override { return 0; }
    absl::Status Start(std::uint32_t) override {
      return absl::FailedPreconditionError("no");
    }
    std::optional<Ended> Next(std::uint64_t) override { return std::nullopt; }
  };
  Refusing caller;
  Progress progress;
  EXPECT_EQ(RunLoad({}, caller, progress).status().message(), "no");
}

}  // namespace
}  // namespace lauberhorn::cli
