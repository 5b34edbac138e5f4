// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/load_run.h
//
// One load, and how long each of its calls took.
//
// Closed loop: `outstanding` calls are under way at all times; each is timed
// from its start. Open loop: calls are due as a Schedule says, and each is
// timed from when it was due, however late it was started. At most
// `outstanding` are under way; those that are due then wait.
//
// What was due in the warm-up is not measured. When the time is over, what was
// due by then is still started for a second, and what is under way is waited
// for.
//
// Thread-safety: RunLoad() has one thread, the caller's; its Progress may be
// read by others meanwhile. Allocation: none for each call that ends with OK.
#ifndef LAUBERHORN_CLI_LOAD_LOAD_RUN_H_
#define LAUBERHORN_CLI_LOAD_LOAD_RUN_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/load/caller.h"
#include "cli/load/histogram.h"
#include "cli/load/schedule.h"

namespace lauberhorn::cli {

struct LoadOptions {
  Arrivals arrivals = Arrivals::kClosed;
  double rate = 0;                // open loop: calls per second
  std::uint32_t outstanding = 1;  // at most, from 1
  double warmup = 0;              // seconds before what is measured
  double seconds = 1;
  std::uint64_t seed = 1;  // of Poisson arrivals
};

// What others may see of a load that runs: relaxed counters with one writer.
struct Progress {
  std::atomic<std::uint64_t> started{0};
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::uint64_t> failed{0};  // of `ended`

  // Set by others to end the load early: what is under way is waited for.
  std::atomic<bool> stop{false};
};

struct LoadResult {
  static constexpr std::size_t kStatuses = 17;

  // Of the calls that were measured, by how they ended.
  Histogram ok;
  Histogram failed;
  std::array<std::uint64_t, kStatuses> statuses = {};
  std::string first_error;  // the message of the first that failed

  Histogram late;            // open loop: from when a call was due to its start
  std::uint64_t unsent = 0;  // open loop: due, and never started

  double seconds = 0;            // that were measured
  std::uint64_t ok_then = 0;     // calls that ended with OK in them
  std::uint64_t unmeasured = 0;  // calls of the warm-up

  double RatePerSecond() const {
    return seconds > 0 ? static_cast<double>(ok_then) / seconds : 0;
  }
};

// Makes the load. The error is that of a call that could not be made at all.
absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options, Caller& caller,
                                   Progress& progress);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_LOAD_RUN_H_
