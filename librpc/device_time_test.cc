// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device_time.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace lauberhorn {
namespace {

constexpr std::int64_t kHour = 3'600'000'000'000;

// The system's clock is slewed, at most by one part in two thousand, and not
// set while this runs.
constexpr std::int64_t kSlack = 1'000'000;

TEST(DeviceTimeTest, AnHourFromNowIsAnHourFromNow) {
  const std::int64_t before = MonotonicNanos();
  const std::int64_t then = ToMonotonicNanos(absl::Now() + absl::Hours(1));
  const std::int64_t after = MonotonicNanos();
  EXPECT_GE(then, before + kHour - kSlack);
  EXPECT_LE(then, after + kHour + kSlack);
}

TEST(DeviceTimeTest, NoDeadlineIsEarlierThanItWasSaid) {
  // Mostly from what is remembered.
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t before = MonotonicNanos();
    EXPECT_GE(ToMonotonicNanos(absl::Now() + absl::Hours(1)),
              before + kHour - kSlack);
  }
}

TEST(DeviceTimeTest, WhatIsOverIsOver) {
  EXPECT_LE(ToMonotonicNanos(absl::Now() - absl::Hours(1)), MonotonicNanos());
  EXPECT_EQ(ToDeviceDeadline(absl::InfinitePast()), 1u);
  EXPECT_EQ(ToDeviceDeadline(absl::UnixEpoch()), 1u);
}

TEST(DeviceTimeTest, TheInfiniteFutureIsNever) {
  EXPECT_EQ(ToMonotonicNanos(absl::InfiniteFuture()), kForever);
  EXPECT_EQ(ToDeviceDeadline(absl::InfiniteFuture()), 0u);
  EXPECT_EQ(FromDeviceDeadline(0), absl::InfiniteFuture());
}

TEST(DeviceTimeTest, WhatIsFurtherThanNanosecondsCountIsFarAway) {
  const absl::Time far = absl::Now() + absl::Hours(24 * 365 * 500);
  EXPECT_GT(ToMonotonicNanos(far),
            std::numeric_limits<std::int64_t>::max() / 4);
  EXPECT_EQ(ToMonotonicNanos(absl::FromUnixSeconds(-20'000'000'000)),
            std::numeric_limits<std::int64_t>::min());
}

}  // namespace
}  // namespace lauberhorn
