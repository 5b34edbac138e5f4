// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/histogram.h
//
// Counts of latencies, in buckets as HdrHistogram has them: each power of two
// is cut into 128, so that a value is known to less than one percent, from one
// nanosecond to a minute. Of a fixed size, without pointers: it may lie in
// memory that processes share.
//
// Thread-safety: none; a thread counts in its own.
#ifndef LAUBERHORN_CLI_LOAD_HISTOGRAM_H_
#define LAUBERHORN_CLI_LOAD_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace lauberhorn::cli {

class Histogram {
 public:
  static constexpr unsigned kBits = 7;
  static constexpr unsigned kPowers = 36;  // of two, in nanoseconds
  static constexpr std::uint64_t kPerPower = 1u << kBits;

  void Add(std::uint64_t ns);
  void Add(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }  // exact
  double mean() const;

  // Of the buckets' upper ends.
  double StandardDeviation() const;

  // The least value that `share` (0 to 1) of the values do not exceed, as the
  // upper end of its bucket; 0 for none.
  std::uint64_t Percentile(double share) const;

  // How many values are in the buckets up to that of `ns`.
  std::uint64_t CountUpTo(std::uint64_t ns) const;

 private:
  static constexpr std::uint64_t kMost = 1ull << kPowers;
  static constexpr std::size_t kBuckets = (kPowers - kBits + 1) * kPerPower;

  static std::size_t BucketOf(std::uint64_t ns);
  static std::uint64_t MostIn(std::size_t bucket);

  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
  std::array<std::uint64_t, kBuckets> counts_ = {};
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_HISTOGRAM_H_
