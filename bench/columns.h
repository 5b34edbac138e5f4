// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/columns.h
//
// Cores of a virtual machine move: now they are near, now far. A benchmark
// therefore measures in short rounds, bounces a line before and after each, and
// compares values of one column only: the near rounds, or the far ones. A round
// counts only if both bounces agree and no thread was switched out in it.
//
// Thread-safety: values.
#ifndef LAUBERHORN_BENCH_COLUMNS_H_
#define LAUBERHORN_BENCH_COLUMNS_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace lauberhorn::bench {

// How far the two cores were during a round.
struct Distance {
  double before = 0;  // ns of one line there and back
  double after = 0;
  bool switched_out = false;

  static constexpr double kNearNs = 150;  // at most
  static constexpr double kAgree = 1.5;   // before and after differ by less

  bool IsSteady() const {
    return !switched_out && std::max(before, after) < kAgree * Least();
  }
  bool IsNear() const { return std::max(before, after) <= kNearNs; }

 private:
  double Least() const { return std::min(before, after); }
};

// The rounds that count; Round has a Distance `distance`.
template <typename Round>
class Columns {
 public:
  static constexpr std::size_t kEnough = 20;  // for a median worth printing

  void Add(Round round) {
    if (!round.distance.IsSteady()) {
      ++dropped_;
    } else {
      (round.distance.IsNear() ? near_ : far_).push_back(std::move(round));
    }
  }

  const std::vector<Round>& near() const { return near_; }
  const std::vector<Round>& far() const { return far_; }
  std::size_t dropped() const { return dropped_; }
  bool empty() const { return near_.empty() && far_.empty(); }

  // The column that figures are of: near, unless the cores were hardly ever.
  bool UsesNear() const {
    return near_.size() >= kEnough || near_.size() >= far_.size();
  }
  const std::vector<Round>& chosen() const { return UsesNear() ? near_ : far_; }

 private:
  std::vector<Round> near_;
  std::vector<Round> far_;
  std::size_t dropped_ = 0;
};

// One value of each round.
template <typename Round, typename Value>
std::vector<double> Each(const std::vector<Round>& rounds, Value value) {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const Round& round : rounds) values.push_back(value(round));
  return values;
}

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_COLUMNS_H_
