// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/storm/shared.h
//
// What the processes of a storm have in common: memory that they inherit.
#ifndef LAUBERHORN_TESTS_VM_STORM_SHARED_H_
#define LAUBERHORN_TESTS_VM_STORM_SHARED_H_

#include <sys/types.h>
#include <time.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <random>

namespace lauberhorn::storm {

inline constexpr unsigned kProcesses = 3;
// Of these processes, which others may move about.
inline constexpr unsigned kThreads = 18;

struct Shared {
  std::atomic<bool> over = false;
  std::atomic<std::uint32_t> generation = 0;
  // The first so many threads are lively; the others sleep most of the time.
  std::atomic<unsigned> lively = 4;
  // None is; who wakes with a delayed dequeue has the CPU.
  std::atomic<bool> calm = false;
  // Bound threads that became another program.
  std::atomic<unsigned> bound_execs = 0;
  std::array<std::atomic<pid_t>, kThreads> threads = {};  // 0: none
};

// Each part of a storm has its own numbers.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t part)
      : engine_(seed * 1000003 + part) {}
  // In [0, limit).
  std::uint64_t Below(std::uint64_t limit) { return engine_() % limit; }

 private:
  std::mt19937_64 engine_;
};

inline void Pause(std::uint64_t microseconds) {
  const timespec time = {static_cast<time_t>(microseconds / 1000000),
                         static_cast<long>(microseconds % 1000000 * 1000)};
  nanosleep(&time, nullptr);
}

// Runs for that long.
inline void Spin(std::uint64_t microseconds) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000 +
           static_cast<std::uint64_t>(time.tv_nsec) / 1000;
  };
  const std::uint64_t end = now() + microseconds;
  while (now() < end) {
  }
}

}  // namespace lauberhorn::storm

#endif  // LAUBERHORN_TESTS_VM_STORM_SHARED_H_
