// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device_time.h"

#include <time.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace lauberhorn {
namespace {

// How far the system's clock is ahead of the device's. A call has no time to
// read both: a thread remembers it for a millisecond, and sees it late by as
// much if the clock is set.
std::int64_t SystemClockAhead() {
  constexpr std::int64_t kRemembered = 1'000'000;
  struct Known {
    std::int64_t ahead;
    std::int64_t until;
  };
  thread_local Known known = {0, 0};
  if (MonotonicNanos() >= known.until) {
    // In this order: a thread that is stopped in between is late, not early.
    const std::int64_t system = absl::GetCurrentTimeNanos();
    const std::int64_t now = MonotonicNanos();
    known = {system - now, now + kRemembered};
  }
  return known.ahead;
}

}  // namespace

std::int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

std::int64_t ToMonotonicNanos(absl::Time when) {
  if (when == absl::InfiniteFuture()) return kForever;
  const std::int64_t nanos = absl::ToUnixNanos(when);  // as near as there are
  std::int64_t result;
  if (__builtin_sub_overflow(nanos, SystemClockAhead(), &result)) return nanos;
  return result;
}

std::uint64_t ToDeviceDeadline(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return 0;
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(ToMonotonicNanos(deadline), 1));
}

absl::Time FromDeviceDeadline(std::uint64_t deadline) {
  if (deadline == 0) return absl::InfiniteFuture();
  return absl::Now() +
         (absl::Nanoseconds(deadline) - absl::Nanoseconds(MonotonicNanos()));
}

}  // namespace lauberhorn
