// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/random.h
//
// All chance of a test, from one seed: the same seed gives the same run.
#ifndef LAUBERHORN_NIC_TESTING_RANDOM_H_
#define LAUBERHORN_NIC_TESTING_RANDOM_H_

#include <cstdint>

#include "nic/time.h"

namespace lauberhorn::nic::testing {

// xorshift64*: costs nothing to seed.
class Random {
 public:
  explicit Random(std::uint64_t seed)
      : state_((seed + 1) * 0x9e3779b97f4a7c15u) {
    if (state_ == 0) state_ = 1;
    for (int skip = 0; skip < 4; ++skip) Next();
  }

  // 0 to bound - 1.
  template <typename Integer>
  Integer Below(Integer bound) {
    return static_cast<Integer>(Next() % static_cast<std::uint64_t>(bound));
  }

  // From `least` to `most`.
  template <typename Integer>
  Integer Between(Integer least, Integer most) {
    return static_cast<Integer>(least +
                                Below(static_cast<Integer>(most - least + 1)));
  }

  bool OneIn(unsigned count) { return Below(count) == 0; }

  // A time of 0 to `most`, short ones as often as long ones.
  Nanos Time(Nanos most) { return Below((most >> Below(16u)) + 1); }

 private:
  std::uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du >> 1;
  }

  std::uint64_t state_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_RANDOM_H_
