// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/backoff.h
//
// How long to wait before something is sent again.
#ifndef LAUBERHORN_NIC_BACKOFF_H_
#define LAUBERHORN_NIC_BACKOFF_H_

#include <algorithm>
#include <cstdint>

#include "nic/time.h"

namespace lauberhorn::nic {

inline constexpr Nanos kLongestRetry = kSecond;

// After `tries` tries: `first`, doubled each time, up to the longest.
inline Nanos Backoff(Nanos first, std::uint32_t tries) {
  return std::min(first << std::min(tries, 16u), kLongestRetry);
}

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_BACKOFF_H_
