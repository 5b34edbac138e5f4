// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/clock.h
//
// The device's time (nic/time.h), for who drives an engine. Thread-safe.
#ifndef LAUBERHORN_NIC_CLOCK_H_
#define LAUBERHORN_NIC_CLOCK_H_

#include <time.h>

#include "nic/time.h"

namespace lauberhorn::nic {

inline Nanos Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<Nanos>(now.tv_sec) * kSecond +
         static_cast<Nanos>(now.tv_nsec);
}

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_CLOCK_H_
