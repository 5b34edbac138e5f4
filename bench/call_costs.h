// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/call_costs.h
//
// What can be counted of a call, one at a time, in a run of its own: counting
// takes time. Of both processes together, with all of their threads.
//
// Thread-safety: to be called while the process has one thread and no child.
#ifndef LAUBERHORN_BENCH_CALL_COSTS_H_
#define LAUBERHORN_BENCH_CALL_COSTS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/echo_peers.h"

namespace lauberhorn::bench {

// Makes `calls` calls from this process to a server in another: what a tool
// like callgrind looks at, once with few and once with more of them.
absl::Status MakeCalls(const PeerKind& kind, const Message& message, int calls);

struct CallCosts {
  double allocations = 0;  // for each call
  double syscalls = 0;
};

// Of `calls` calls, after as many that do not count. Errors: those of
// CountSyscalls().
absl::StatusOr<CallCosts> CountCosts(const PeerKind& kind,
                                     const Message& message, int calls);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_CALL_COSTS_H_
