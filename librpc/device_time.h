// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/device_time.h
//
// Deadlines, between the system's clock, which programs use, and the device's
// (CLOCK_MONOTONIC, in nanoseconds), which messages and waits use. In a message
// 0 is never.
#ifndef LAUBERHORN_LIBRPC_DEVICE_TIME_H_
#define LAUBERHORN_LIBRPC_DEVICE_TIME_H_

#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace lauberhorn {

// The end of a wait that has none.
inline constexpr std::int64_t kForever =
    std::numeric_limits<std::int64_t>::max();

std::int64_t MonotonicNanos();

// The end of a wait; kForever for the infinite future.
std::int64_t ToMonotonicNanos(absl::Time when);

// At least 1, however long ago, unless it is the infinite future.
std::uint64_t ToDeviceDeadline(absl::Time deadline);

absl::Time FromDeviceDeadline(std::uint64_t deadline);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_DEVICE_TIME_H_
