// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/allocation_counter.h
//
// How often a program takes memory: malloc and its kin, which operator new uses
// too, are replaced in programs that link this library.
//
// Thread-safety: any thread; the count is of all threads.
#ifndef LAUBERHORN_BENCH_ALLOCATION_COUNTER_H_
#define LAUBERHORN_BENCH_ALLOCATION_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace lauberhorn::bench {

// Since the program began.
std::uint64_t Allocations();

// From now on counts there instead, which may be memory that several processes
// share; nowhere if it is null.
void CountAllocationsIn(std::atomic<std::uint64_t>* to);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_ALLOCATION_COUNTER_H_
