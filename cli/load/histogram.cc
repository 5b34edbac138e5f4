// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace lauberhorn::cli {

// Values below kPerPower have a bucket each. Above, `shift` low bits are cut
// off, and what is left begins with a one.
std::size_t Histogram::BucketOf(std::uint64_t ns) {
  if (ns < kPerPower) return ns;
  const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kBits;
  return (shift + 1) * kPerPower + ((ns >> shift) - kPerPower);
}

std::uint64_t Histogram::MostIn(std::size_t bucket) {
  if (bucket < kPerPower) return bucket;
  const std::size_t shift = bucket / kPerPower - 1;
  return ((bucket % kPerPower + kPerPower + 1) << shift) - 1;
}

void Histogram::Add(std::uint64_t ns) {
  ++count_;
  sum_ += ns;
  max_ = std::max(max_, ns);
  ++counts_[BucketOf(std::min(ns, kMost - 1))];
}

void Histogram::Add(const Histogram& other) {
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
}

double Histogram::mean() const {
  return count_ == 0 ? 0
                     : static_cast<double>(sum_) / static_cast<double>(count_);
}

double Histogram::StandardDeviation() const {
  if (count_ == 0) return 0;
  const double middle = mean();
  double squares = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    const double away = static_cast<double>(std::min(MostIn(i), max_)) - middle;
    squares += away * away * static_cast<double>(counts_[i]);
  }
  return std::sqrt(squares / static_cast<double>(count_));
}

std::uint64_t Histogram::Percentile(double share) const {
  const double rank = std::ceil(share * static_cast<double>(count_));
  const auto wanted = static_cast<std::uint64_t>(std::max(rank, 1.0));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(MostIn(i), max_);
  }
  return max_;
}

std::uint64_t Histogram::CountUpTo(std::uint64_t ns) const {
  const std::size_t last = BucketOf(std::min(ns, kMost - 1));
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= last; ++i) count += counts_[i];
  return count;
}

}  // namespace lauberhorn::cli
