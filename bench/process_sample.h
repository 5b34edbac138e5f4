// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/process_sample.h
//
// What a process has used so far, or uses in a while: time of CPUs, switches of
// its threads, and memory that is resident.
//
// Thread-safety: any thread; reads /proc.
#ifndef LAUBERHORN_BENCH_PROCESS_SAMPLE_H_
#define LAUBERHORN_BENCH_PROCESS_SAMPLE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace lauberhorn::bench {

struct ProcessSample {
  double cpu_seconds = 0;      // user and kernel, of all threads
  std::uint64_t switches = 0;  // of the threads that live, of either kind
  int threads = 0;
  double rss_mib = 0;
};

// NOT_FOUND if there is no such process, or what it uses cannot be seen.
absl::StatusOr<ProcessSample> SampleProcess(pid_t pid);

// The same before and after `seconds`, in which the caller sleeps.
struct ProcessWatch {
  ProcessSample before;
  ProcessSample after;
  double seconds = 0;  // that it took
  double cpu_seconds() const { return after.cpu_seconds - before.cpu_seconds; }
  double switches() const {
    return static_cast<double>(after.switches - before.switches);
  }
};
absl::StatusOr<ProcessWatch> WatchProcess(pid_t pid, double seconds);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_PROCESS_SAMPLE_H_
