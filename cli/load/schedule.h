// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/schedule.h
//
// When the calls of an open loop are due. It is settled before: a latency that
// counts from there charges a server that stalls with all calls that it delays,
// also those that could not be sent meanwhile (no "coordinated omission").
//
// Thread-safety: a value; a thread has its own.
#ifndef LAUBERHORN_CLI_LOAD_SCHEDULE_H_
#define LAUBERHORN_CLI_LOAD_SCHEDULE_H_

#include <cstdint>
#include <random>

namespace lauberhorn::cli {

// Closed loop: when another call ends. Open loop: at even distances, or at
// random ones that know nothing of each other.
enum class Arrivals : std::uint8_t { kClosed, kFixed, kPoisson };

inline const char* NameOf(Arrivals arrivals) {
  switch (arrivals) {
    case Arrivals::kClosed:
      return "closed";
    case Arrivals::kFixed:
      return "fixed";
    case Arrivals::kPoisson:
      return "poisson";
  }
  return "";
}

class Schedule {
 public:
  // `arrivals` is not kClosed; `rate` is in calls per second and above 0. The
  // same seed gives the same times.
  Schedule(Arrivals arrivals, double rate, std::uint64_t seed)
      : arrivals_(arrivals), rate_(rate), random_(seed), gap_(rate) {}

  // When the next call is due, in nanoseconds from the start.
  std::uint64_t Next() {
    ++count_;
    seconds_ = arrivals_ == Arrivals::kPoisson
                   ? seconds_ + gap_(random_)
                   : static_cast<double>(count_) / rate_;
    return static_cast<std::uint64_t>(seconds_ * 1e9);
  }

 private:
  const Arrivals arrivals_;
  const double rate_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_;
  std::uint64_t count_ = 0;
  double seconds_ = 0;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_SCHEDULE_H_
