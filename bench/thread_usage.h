// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/thread_usage.h
//
// What each thread of a process has used so far, by its name.
//
// Thread-safety: any thread; reads /proc.
#ifndef LAUBERHORN_BENCH_THREAD_USAGE_H_
#define LAUBERHORN_BENCH_THREAD_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace lauberhorn::bench {

struct Usage {
  std::uint64_t cpu_ns = 0;   // user and kernel
  std::uint64_t wakeups = 0;  // voluntary switches: each ends with one

  Usage& operator+=(const Usage& other) {
    cpu_ns += other.cpu_ns;
    wakeups += other.wakeups;
    return *this;
  }
};

struct ThreadUsage {
  std::string name;
  Usage usage;
};

// The threads that live, by their numbers.
using ThreadUsages = std::map<pid_t, ThreadUsage>;

// Empty if there is no such process. A thread that runs may have used up to a
// tick of the scheduler more.
ThreadUsages SampleThreads(pid_t process);

// What was used between two samples, by the names of threads; numbers at their
// ends are cut off, so that those of a pool are one.
std::map<std::string, Usage> UsageBetween(const ThreadUsages& before,
                                          const ThreadUsages& after);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_THREAD_USAGE_H_
