// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/syscall_counter.h
//
// How many system calls a piece of code makes, with all of its threads and the
// processes that it forks. The code runs in a child process that this one
// traces; between its calls of Begin() and End() every system call counts.
//
// Thread-safety: to be called while the process has one thread, as it forks,
// and no other child, as it waits for all.
#ifndef LAUBERHORN_BENCH_SYSCALL_COUNTER_H_
#define LAUBERHORN_BENCH_SYSCALL_COUNTER_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"

namespace lauberhorn::bench {

// Marks, for the code that is counted; from any of its threads. Without a
// tracer they do nothing.
void BeginCounting();
void EndCounting();

// Runs `code` in a child, which ends when it returns; 0 is success. Errors:
// PERMISSION_DENIED if tracing is not allowed here, ABORTED if the code failed
// or made no pair of marks.
absl::StatusOr<std::uint64_t> CountSyscalls(const std::function<int()>& code);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_SYSCALL_COUNTER_H_
