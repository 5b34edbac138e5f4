// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/time.h
//
// Device time. The engine has no clock of its own: whoever drives it says what
// time it is. Here the device's clock is CLOCK_MONOTONIC, in nanoseconds.
#ifndef LAUBERHORN_NIC_TIME_H_
#define LAUBERHORN_NIC_TIME_H_

#include <cstdint>

namespace lauberhorn::nic {

using Nanos = std::uint64_t;

inline constexpr Nanos kMicrosecond = 1'000;
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;
inline constexpr Nanos kNever = ~Nanos{0};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_TIME_H_
