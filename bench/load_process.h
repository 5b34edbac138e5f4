// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/load_process.h
//
// A server and the process that calls it, each on one CPU with all of its
// threads; and what both used for a load. They sleep in between, so others can
// be measured in turns.
//
// Thread-safety: for one thread; Start() while the process has no other, as it
// forks. Destroy them in reverse order.
#ifndef LAUBERHORN_BENCH_LOAD_PROCESS_H_
#define LAUBERHORN_BENCH_LOAD_PROCESS_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/echo_peers.h"
#include "bench/forked_server.h"
#include "bench/load.h"
#include "bench/thread_usage.h"

namespace lauberhorn::bench {

// What was used by threads, by process ("client", "server") and their names.
using UsageByThread = std::map<std::pair<std::string, std::string>, Usage>;

struct LoadOutcome {
  LoadResult result;
  UsageByThread usage;
};

class LoadProcess {
 public:
  static absl::StatusOr<std::unique_ptr<LoadProcess>> Start(
      const PeerKind& kind, const Message& message, int client_cpu,
      int server_cpu);
  ~LoadProcess();

  LoadProcess(const LoadProcess&) = delete;
  LoadProcess& operator=(const LoadProcess&) = delete;

  // Makes the load and adds to `outcome`. UNIMPLEMENTED if the peer cannot make
  // it; other errors are those of calls, after which only what was made counts.
  absl::Status Run(const Load& load, LoadOutcome* outcome);

 private:
  struct Shared;

  LoadProcess(std::unique_ptr<Peer> peer, Shared* shared);

  const std::unique_ptr<Peer> peer_;
  Shared* const shared_;
  std::unique_ptr<ForkedServer> server_;
  pid_t client_ = -1;
  int socket_ = -1;  // to the client; closed to stop it
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_LOAD_PROCESS_H_
