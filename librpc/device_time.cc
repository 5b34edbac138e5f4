// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device_time.h"

#include <time.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace lauberhorn {
namespace {

absl::Duration DeviceNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

std::uint64_t ToDeviceDeadline(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return 0;
  const absl::Duration left = deadline - absl::Now();
  const std::int64_t when = absl::ToInt64Nanoseconds(DeviceNow() + left);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(when, 1));
}

absl::Time FromDeviceDeadline(std::uint64_t deadline) {
  if (deadline == 0) return absl::InfiniteFuture();
  return absl::Now() + (absl::Nanoseconds(deadline) - DeviceNow());
}

}  // namespace lauberhorn
