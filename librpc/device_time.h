// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/device_time.h
//
// Deadlines, between the system's clock, which programs use, and the device's
// (CLOCK_MONOTONIC, in nanoseconds), which messages use. 0 is never.
#ifndef LAUBERHORN_LIBRPC_DEVICE_TIME_H_
#define LAUBERHORN_LIBRPC_DEVICE_TIME_H_

#include <cstdint>

#include "absl/time/time.h"

namespace lauberhorn {

// At least 1, however long ago, unless it is the infinite future.
std::uint64_t ToDeviceDeadline(absl::Time deadline);

absl::Time FromDeviceDeadline(std::uint64_t deadline);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_DEVICE_TIME_H_
