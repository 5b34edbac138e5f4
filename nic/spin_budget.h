// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/spin_budget.h
//
// How long a thread that waits looks before it sleeps: as long as that brings
// what it waits for, at most 8 us. It grows by a microsecond with each wait
// that looking ended, and halves with each that it did not.
//
// Trials. Two threads that wait for each other find each other awake, or find
// each other asleep: then each wait takes two wakes, which may be more than any
// budget, and no look ever pays. So a thread that does not look any more,
// though its waits are not long, looks for longer in a few waits in a row: as
// long as a wake takes where CPUs are slow to wake. If the other side does the
// same, both are awake from then on; if not, the next trial is made ever later.
// So it is where the other side needs this CPU to go on.
//
// One long wait among short ones, as the other side lost its CPU for a moment,
// would put both to sleep, and they would find each other asleep for dozens of
// calls. So a trial follows it, if looking had ended enough waits in a row:
// what trials cost in vain is bounded by what looking has saved.
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
  static constexpr Nanos kTrial = 32 * kMicrosecond;
  static constexpr int kTrialWaits = 8;

  // Of the next wait.
  Nanos value() const { return trial_ > 0 ? kTrial : value_; }

  // It was over after so long. `slept`: looking had not ended it.
  void WaitEnded(Nanos after, bool slept) {
    const bool earned = in_a_row_ == kEarnsTrial;
    in_a_row_ = slept ? 0 : std::min(in_a_row_ + 1, kEarnsTrial);
    if (trial_ > 0) {
      TrialEnded(after, slept);
    } else if (!slept) {
      value_ = std::min(value_ + kMicrosecond, kMost);
      until_trial_ = pause_ = kFirstPause;
    } else if (after >= kPause || earned) {
      trial_ = kTrialWaits;
      pause_ = kFirstPause / 2;
    } else if (value_ > 0) {
      value_ = value_ / 2 / kMicrosecond * kMicrosecond;
    } else if (after <= kShort && --until_trial_ == 0) {
      trial_ = kTrialWaits;
    }
  }

 private:
  // What takes so long may take less if neither thread need be woken.
  static constexpr Nanos kShort = 4 * kTrial;
  // Who waited so long may begin with something else now; and to look in vain
  // then costs little.
  static constexpr Nanos kPause = 10 * kMillisecond;
  static constexpr int kEarnsTrial = 16;  // waits
  static constexpr int kFirstPause = 16;
  static constexpr int kLongestPause = 1024;

  void TrialEnded(Nanos after, bool slept) {
    if (!slept && after <= kMost) {
      trial_ = 0;
      value_ = kMost;
      until_trial_ = pause_ = kFirstPause;
    } else if (--trial_ == 0) {
      value_ = 0;
      pause_ = std::min(2 * pause_, kLongestPause);
      until_trial_ = pause_;
    }
  }

  Nanos value_ = 0;
  int in_a_row_ = 0;         // waits that looking ended, up to kEarnsTrial
  int trial_ = kTrialWaits;  // waits that are left of it
  int pause_ = kFirstPause / 2;
  int until_trial_ = 0;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SPIN_BUDGET_H_
