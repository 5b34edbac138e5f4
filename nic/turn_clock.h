// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/turn_clock.h
//
// What time it is, for an engine that is polled again and again. To read the
// system's clock costs as much as a turn in which nothing happens, so it is
// read once in a few turns; in between no time passes. A few turns take less
// than the shortest time that the engine knows (some microseconds).
//
// Not thread-safe.
#ifndef LAUBERHORN_NIC_TURN_CLOCK_H_
#define LAUBERHORN_NIC_TURN_CLOCK_H_

#include "nic/clock.h"
#include "nic/time.h"

namespace lauberhorn::nic {

class TurnClock {
 public:
  // The time of the next turn.
  Nanos NextTurn() {
    if (++turns_ >= kTurns) Read();
    return now_;
  }

  // The time now, read from the system's clock.
  Nanos Read() {
    turns_ = 0;
    return now_ = Now();
  }

 private:
  static constexpr int kTurns = 8;

  Nanos now_ = 0;
  int turns_ = kTurns;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_TURN_CLOCK_H_
