// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device_time.h"

#include <time.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace lauberhorn {

std::int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

std::int64_t ToMonotonicNanos(absl::Time when) {
  if (when == absl::InfiniteFuture()) return kForever;
  const absl::Duration left = when - absl::Now();
  return absl::ToInt64Nanoseconds(absl::Nanoseconds(MonotonicNanos()) + left);
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
