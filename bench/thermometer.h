// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/thermometer.h
//
// How far two CPUs are now, and what the floor is: bench/floor.h, between
// threads of this process that live no longer than that.
//
// Thread-safety: for one thread, which it moves to the first CPU.
#ifndef LAUBERHORN_BENCH_THERMOMETER_H_
#define LAUBERHORN_BENCH_THERMOMETER_H_

#include <memory>

#include "bench/floor.h"

namespace lauberhorn::bench {

class Thermometer {
 public:
  Thermometer(int here, int there) : here_(here), there_(there) {}

  // False if the CPUs are not both to be had.
  bool Read();

  double bounce_ns() const { return bounce_ns_; }
  double floor_ns() const { return floor_ns_; }

 private:
  const int here_;
  const int there_;
  const std::unique_ptr<Floor> floor_ = std::make_unique<Floor>();
  double bounce_ns_ = 0;
  double floor_ns_ = 0;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_THERMOMETER_H_
