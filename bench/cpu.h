// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/cpu.h
//
// Where threads run, and whether others ran there too.
//
// Thread-safety: each function is about the calling thread.
#ifndef LAUBERHORN_BENCH_CPU_H_
#define LAUBERHORN_BENCH_CPU_H_

namespace lauberhorn::bench {

// Keeps the calling thread, and those that it starts, on one CPU. False if that
// is refused.
bool Pin(int cpu);

// Whether this process may run on the CPU.
bool MayRunOn(int cpu);

// How often the calling thread was switched out for others.
long Switches();  // NOLINT(runtime/int): the type of rusage

// Keeps CPUs from halting deeply as long as the process lives. False if that is
// refused.
bool KeepCpusAwake();

// Lets the other hyperthread work; for loops that wait.
void Relax();

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_CPU_H_
