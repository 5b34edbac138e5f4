// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/cpu_shares.h"

#include <array>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

constexpr std::uint32_t kNone = CpuShares::kNone;

class CpuSharesTest : public ::testing::Test {
 protected:
  CpuSharesTest() {
    for (std::uint32_t process = 0; process < 4; ++process) {
      shares_.Begin(process, 1);
    }
  }

  void Claim(std::uint32_t process) {
    shares_.Busy(process);
    shares_.Claim(process, now_);
  }

  CpuShares shares_{4};
  Nanos now_ = kSecond;
};

TEST_F(CpuSharesTest, NobodyGetsACpuWhoDoesNotClaimOne) {
  EXPECT_EQ(shares_.Next(now_), kNone);
  shares_.Busy(1);
  EXPECT_EQ(shares_.Next(now_), kNone);
  Claim(1);
  EXPECT_EQ(shares_.Next(now_), 1u);
  shares_.Withdraw(1);
  EXPECT_EQ(shares_.Next(now_), kNone);
  Claim(1);
  shares_.End(1);
  EXPECT_EQ(shares_.Next(now_), kNone);
}

TEST_F(CpuSharesTest, WhoHadLeastIsNext) {
  for (std::uint32_t process = 0; process < 3; ++process) Claim(process);
  shares_.Charge(0, 30);
  shares_.Charge(1, 10);
  shares_.Charge(2, 20);
  EXPECT_EQ(shares_.Next(now_), 1u);
  shares_.Charge(1, 15);
  EXPECT_EQ(shares_.Next(now_), 2u);
}

TEST_F(CpuSharesTest, AWeightMakesTimeCountLess) {
  shares_.set_weight(0, 4);
  Claim(0);
  Claim(1);
  shares_.Charge(0, 39);
  shares_.Charge(1, 10);
  EXPECT_EQ(shares_.Next(now_), 0u);
  shares_.Charge(0, 2);
  EXPECT_EQ(shares_.Next(now_), 1u);
}

TEST_F(CpuSharesTest, WhoHadNothingToDoIsNotOwedThatTime) {
  Claim(0);
  shares_.Charge(0, kSecond);
  Claim(1);  // only now
  shares_.Charge(0, 1);
  EXPECT_EQ(shares_.Next(now_), 1u);
  shares_.Charge(1, 2);
  EXPECT_EQ(shares_.Next(now_), 0u)
      << "level after one nanosecond, not a second";
  // Nor is a process that begins.
  shares_.Begin(2, 1);
  Claim(2);
  shares_.Charge(2, kMicrosecond);
  EXPECT_NE(shares_.Next(now_), 2u);
}

TEST_F(CpuSharesTest, WhoIsBusyKeepsItsPlaceWithoutAClaim) {
  Claim(0);
  Claim(1);
  shares_.Withdraw(1);  // it has a CPU, and no other thread
  shares_.Charge(0, kMillisecond);
  Claim(1);
  EXPECT_EQ(shares_.Next(now_), 1u);
  shares_.Charge(1, kMillisecond - 1);
  EXPECT_EQ(shares_.Next(now_), 1u);
}

TEST_F(CpuSharesTest, OneThatStarvesComesFirst) {
  Claim(0);
  shares_.Busy(1);
  shares_.Charge(0, kSecond);
  now_ += 50 * kMillisecond;
  Claim(1);
  EXPECT_EQ(shares_.Next(now_), 1u);
  now_ += 50 * kMillisecond;
  EXPECT_EQ(shares_.Next(now_ - 1), 1u);
  EXPECT_EQ(shares_.Next(now_), 0u) << "a hundred times its target delay";
  // It was given one: that its other calls are as old is no reason.
  shares_.Given(0, now_);
  EXPECT_EQ(shares_.Next(now_), 1u);
}

TEST_F(CpuSharesTest, AThreadOnItsCpuGoesOnForAQuantum) {
  Claim(0);
  Claim(1);
  EXPECT_TRUE(shares_.MayKeep(0, now_));
  shares_.Charge(0, 200 * kMicrosecond);
  EXPECT_TRUE(shares_.MayKeep(0, now_));
  shares_.Charge(0, 1);
  EXPECT_FALSE(shares_.MayKeep(0, now_));
  EXPECT_TRUE(shares_.MayKeep(1, now_));
  shares_.Withdraw(1);
  EXPECT_TRUE(shares_.MayKeep(0, now_)) << "nobody else wants it";
  // A heavier one has a quantum of as much time.
  shares_.set_weight(2, 2);
  Claim(1);
  shares_.Busy(2);
  shares_.Charge(2, 200 * kMicrosecond);
  EXPECT_TRUE(shares_.MayKeep(2, now_));
  shares_.Charge(2, 2);
  EXPECT_FALSE(shares_.MayKeep(2, now_));
}

TEST_F(CpuSharesTest, AThreadGivesItsCpuToOneThatStarves) {
  shares_.Busy(0);
  Claim(1);
  shares_.Charge(1, kSecond);
  EXPECT_TRUE(shares_.MayKeep(0, now_));
  EXPECT_FALSE(shares_.MayKeep(0, now_ + 100 * kMillisecond));
}

TEST_F(CpuSharesTest, WhoIsAheadOfAPreemptedHandlerGivesWay) {
  shares_.Busy(0);
  shares_.Busy(1);
  shares_.SetPreempted(1);
  EXPECT_TRUE(shares_.MayTake(0)) << "they are level";
  shares_.Charge(0, 200 * kMicrosecond);
  EXPECT_FALSE(shares_.MayTake(0));
  EXPECT_TRUE(shares_.MayKeep(0, now_)) << "for a quantum";
  shares_.Charge(0, 1);
  EXPECT_FALSE(shares_.MayKeep(0, now_));
  EXPECT_TRUE(shares_.MayKeep(1, now_));
  EXPECT_TRUE(shares_.MayTake(1));
  Claim(0);
  EXPECT_EQ(shares_.Next(now_), 0u) << "an idle CPU it may have";
  shares_.ForgetPreempted();
  EXPECT_TRUE(shares_.MayTake(0));
  EXPECT_TRUE(shares_.MayKeep(0, now_));
}

TEST_F(CpuSharesTest, ACpuIsTakenFromWhoIsFurthestAhead) {
  Claim(0);
  EXPECT_EQ(shares_.TakeFrom(0), now_ + kMillisecond);
  shares_.Given(0, now_ + 5);
  EXPECT_EQ(shares_.TakeFrom(0), now_ + kMillisecond + 5);
  shares_.Busy(1);
  shares_.Busy(2);
  const std::array<std::uint32_t, 4> holders = {1, kNone, 2, 0};
  EXPECT_EQ(shares_.FurthestAhead(holders, 0), kNone) << "all are level";
  shares_.Charge(1, 10);
  shares_.Charge(2, 20);
  EXPECT_EQ(shares_.FurthestAhead(holders, 0), 2u);
  shares_.Charge(1, 20);
  EXPECT_EQ(shares_.FurthestAhead(holders, 0), 0u);
  shares_.Charge(0, 40);
  EXPECT_EQ(shares_.FurthestAhead(holders, 0), kNone);
  shares_.Withdraw(0);
  EXPECT_EQ(shares_.TakeFrom(0), kNever);
}

// CPUs that always have more to do than they can, in simulated time: the time
// of each process, in the end.
std::vector<Nanos> Overload(std::vector<std::uint32_t> weights,
                            std::vector<Nanos> handlers, std::size_t cpus,
                            Nanos until) {
  const auto count = static_cast<std::uint32_t>(weights.size());
  CpuShares shares(count);
  std::vector<Nanos> times(count, 0);
  for (std::uint32_t process = 0; process < count; ++process) {
    shares.Begin(process, weights[process]);
    shares.Busy(process);
  }
  struct Cpu {
    std::uint32_t process = kNone;
    Nanos ends = 0;
  };
  std::vector<Cpu> all(cpus);
  Nanos now = kSecond;
  for (Nanos end = now + until; now < end;) {
    Cpu* next = &all[0];
    for (Cpu& cpu : all) {
      if (cpu.ends < next->ends) next = &cpu;
    }
    now = std::max(now, next->ends);
    const std::uint32_t had = next->process;
    if (had != kNone) {
      shares.Charge(had, handlers[had]);
      times[had] += handlers[had];
    }
    // All calls are as old as can be. One thread per process.
    for (std::uint32_t process = 0; process < count; ++process) {
      shares.Claim(process, 0);
    }
    for (const Cpu& cpu : all) {
      if (cpu.process != kNone) shares.Withdraw(cpu.process);
    }
    if (had == kNone || !shares.MayKeep(had, now)) {
      next->process = shares.Next(now);
    }
    shares.Given(next->process, now);
    next->ends = now + handlers[next->process];
  }
  return times;
}

TEST(CpuSharesOverloadTest, SixtyFourProcessesOnTwoCpusKeepTheirWeights) {
  std::vector<std::uint32_t> weights;
  std::vector<Nanos> handlers;
  for (std::uint32_t process = 0; process < 64; ++process) {
    weights.push_back(1u << process % 3);
    handlers.push_back((5 + process % 7) * kMicrosecond);
  }
  const std::vector<Nanos> times = Overload(weights, handlers, 2, 4 * kSecond);
  std::array<Nanos, 3> sums = {};
  std::array<Nanos, 3> counts = {};
  for (std::uint32_t process = 0; process < 64; ++process) {
    sums[process % 3] += times[process];
    ++counts[process % 3];
    EXPECT_GT(times[process], 0u);
  }
  for (const std::size_t weight : {1u, 2u}) {
    const double ratio = static_cast<double>(sums[weight] * counts[0]) /
                         static_cast<double>(sums[0] * counts[weight]);
    EXPECT_NEAR(ratio, 1 << weight, 0.2 * (1 << weight));
  }
}

TEST(CpuSharesOverloadTest, LongHandlersTakeNoMoreThanTheirShare) {
  const std::vector<Nanos> times =
      Overload({1, 1, 1}, {10 * kMicrosecond, kMillisecond, 10 * kMicrosecond},
               1, 20 * kSecond);
  for (const Nanos time : times) {
    EXPECT_NEAR(static_cast<double>(time), 20e9 / 3, 20e9 / 30);
  }
}

}  // namespace
}  // namespace lauberhorn::nic
