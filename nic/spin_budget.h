// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/spin_budget.h
//
// How long a thread that waits looks before it sleeps: as long as that brings
// what it waits for. It grows by a microsecond with each wait that looking
// ended, and halves with each that it did not. A thread that does not look any
// more tries again after some waits that were short; ever later, if that brings
// nothing: so it is where the other side needs this CPU to go on.
//
// Not thread-safe: each thread that waits has its own.
#ifndef LAUBERHORN_NIC_SPIN_BUDGET_H_
#define LAUBERHORN_NIC_SPIN_BUDGET_H_

#include <algorithm>

#include "nic/time.h"

namespace lauberhorn::nic {

class SpinBudget {
 public:
  static constexpr Nanos kMost = 8 * kMicrosecond;

  // Of the next wait.
  Nanos value() const { return value_; }

  // It was over after so long. `slept`: looking had not ended it.
  void WaitEnded(Nanos after, bool slept) {
    if (!slept) {
      value_ = std::min(value_ + kMicrosecond, kMost);
      trying_ = false;
      until_try_ = pause_ = kFirstPause;
    } else if (trying_) {
      trying_ = false;
      value_ = 0;
      until_try_ = pause_ = std::min(2 * pause_, kLongestPause);
    } else if (value_ > 0) {
      value_ = value_ / 2 / kMicrosecond * kMicrosecond;
    } else if (after <= kShort && --until_try_ == 0) {
      trying_ = true;
      value_ = kMost;
    }
  }

 private:
  // What takes so long may take less if the thread need not be woken.
  static constexpr Nanos kShort = 2 * kMost;
  static constexpr int kFirstPause = 16;  // waits
  static constexpr int kLongestPause = 1024;

  // Two that wait for each other both begin to look, and find out.
  Nanos value_ = kMost;
  bool trying_ = false;
  int pause_ = kFirstPause;
  int until_try_ = kFirstPause;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SPIN_BUDGET_H_
