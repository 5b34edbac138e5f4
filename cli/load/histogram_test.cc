// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Histograms, and when calls of an open loop are due.

#include "cli/load/histogram.h"

#include <cmath>
#include <vector>

#include "cli/load/schedule.h"
#include "gtest/gtest.h"

namespace lauberhorn::cli {
namespace {

TEST(HistogramTest, NothingIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Percentile(0.5), 0u);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.StandardDeviation(), 0);
  EXPECT_EQ(histogram.CountUpTo(1000), 0u);
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
  EXPECT_NEAR(small.StandardDeviation(), 28.87, 0.01);
  EXPECT_EQ(small.Percentile(0), 1u);
  EXPECT_EQ(small.Percentile(0.5), 50u);
  EXPECT_EQ(small.Percentile(0.99), 99u);
  EXPECT_EQ(small.Percentile(1), 100u);
  EXPECT_EQ(small.CountUpTo(0), 0u);
  EXPECT_EQ(small.CountUpTo(70), 70u);
  EXPECT_EQ(small.CountUpTo(1'000'000), 100u);
}

TEST(ScheduleTest, FixedRateIsEvenHoweverLongItTakes) {
  Schedule schedule(Arrivals::kFixed, 1000, 1);
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) {
    ASSERT_EQ((schedule.Next() + 1) / 1'000'000, i);
  }
}

TEST(ScheduleTest, PoissonHasTheRateAndItsSpread) {
  constexpr int kCount = 100'000;
  Schedule schedule(Arrivals::kPoisson, 1e4, 42);
  // The spread of exponential gaps is their mean, a tenth of a millisecond.
  double last = 0;
  double squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto due = static_cast<double>(schedule.Next());
    ASSERT_GE(due, last);
    squares += (due - last - 1e5) * (due - last - 1e5);
    last = due;
  }
  EXPECT_NEAR(last / kCount, 1e5, 5 * 1e5 / std::sqrt(kCount));
  EXPECT_NEAR(std::sqrt(squares / kCount), 1e5, 3e3);
}

TEST(ScheduleTest, ASeedGivesTheSameTimes) {
  const auto times = [](std::uint64_t seed) {
    Schedule schedule(Arrivals::kPoisson, 1e4, seed);
    std::vector<std::uint64_t> due(100);
    for (std::uint64_t& time : due) time = schedule.Next();
    return due;
  };
  EXPECT_EQ(times(1), times(1));
  EXPECT_NE(times(1), times(2));
}

}  // namespace
}  // namespace lauberhorn::cli
