// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// How long calls took: the figures and a picture of their distribution.
//
// Thread-safety: belongs to one thread.
#ifndef EXAMPLES_GREETER_LATENCY_H_
#define EXAMPLES_GREETER_LATENCY_H_

#include <cstdint>
#include <string>
#include <vector>

class Latencies {
 public:
  // In any order; must not be empty.
  explicit Latencies(std::vector<std::int64_t> nanoseconds);

  // The value that this share of the calls did not exceed, 0 to 1.
  std::int64_t Quantile(double share) const;

  // "p50  12.3 us" and so on, one a line.
  std::string Figures() const;

  // One bar for each range of values; each range begins at 1.19 times (a
  // quarter of a doubling) the beginning of the one before.
  std::string Histogram() const;

 private:
  std::vector<std::int64_t> sorted_;
};

// "840 ns", "12.3 us", "4.56 ms", "1.20 s".
std::string ReadableTime(std::int64_t nanoseconds);

#endif  // EXAMPLES_GREETER_LATENCY_H_
