// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/load.h
//
// Calls to a peer's server, and how long each took.
//
// Closed loop: a number of calls is under way at all times; each is timed from
// its start. A client that can have several under way is one thread; others are
// as many threads as calls.
//
// Open loop: calls are due at times that are settled before, at a fixed rate or
// as a Poisson process, and each is timed from when it was due, however late it
// was sent: a server that stalls is charged with all calls that it delays. The
// calls are made by a pool of threads, one each; if all wait, those that are
// due wait, too. If the server cannot keep up, the rest is not sent after twice
// the time.
//
// Thread-safety: for one thread. It has threads of its own, which live as long
// as it: what they used can be sampled after Run().
#ifndef LAUBERHORN_BENCH_LOAD_H_
#define LAUBERHORN_BENCH_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "bench/echo_peers.h"
#include "cli/load/histogram.h"
#include "cli/load/schedule.h"

namespace lauberhorn::bench {

using cli::Arrivals;
using cli::Histogram;

struct Load {
  Arrivals arrivals = Arrivals::kClosed;
  std::uint32_t outstanding = 1;  // closed loop
  double rate = 0;                // open loop: calls per second
  double seconds = 0;
  std::uint64_t seed = 1;  // of a Poisson process

  static constexpr std::size_t kOpenThreads = 16;
};

struct LoadResult {
  Histogram latencies;       // one for each call that was made
  double seconds = 0;        // until the last reply
  std::uint64_t unsent = 0;  // open loop: calls for which there was no time
};

// How many threads make this load, with a client each; 0 if the peer cannot.
std::size_t ThreadsFor(const PeerKind& kind, const Load& load);

// When the calls of an open loop are due, in nanoseconds from its start.
std::vector<std::uint64_t> DueTimes(const Load& load);

class LoadGenerator {
 public:
  // Calls the server of `peer` at `port`.
  LoadGenerator(const PeerKind& kind, Peer& peer, int port);
  ~LoadGenerator();

  LoadGenerator(const LoadGenerator&) = delete;
  LoadGenerator& operator=(const LoadGenerator&) = delete;

  // Connects the clients that the load needs and makes some calls with them;
  // what they cost is not part of a Run(). UNIMPLEMENTED if the peer cannot
  // make this load, else the first error of a client.
  absl::Status Prepare(const Load& load);

  // Adds to `result`. After Prepare() with the same load.
  absl::Status Run(const Load& load, LoadResult* result);

 private:
  class Lane;
  struct Turn;

  const PeerKind& kind_;
  Peer& peer_;
  const int port_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_LOAD_H_
