// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/forked_server.h
//
// A server in a process of its own: forked, told of its port, stopped when its
// owner goes, in whatever way that happens.
//
// Thread-safety: for one thread; Start() while the process has no other, as it
// forks. A later server inherits what stops an earlier one: destroy them in
// reverse order.
#ifndef LAUBERHORN_BENCH_FORKED_SERVER_H_
#define LAUBERHORN_BENCH_FORKED_SERVER_H_

#include <sys/types.h>

#include <functional>
#include <memory>

#include "absl/status/statusor.h"

namespace lauberhorn::bench {

class ForkedServer {
 public:
  // Says that the server can be reached at `port`, and returns when it is to
  // stop.
  using UntilStopped = std::function<void(int port)>;

  // What runs in the process; returns its exit code.
  using Serve = std::function<int(const UntilStopped& until_stopped)>;

  static constexpr int kAnyCpu = -1;

  // Starts it, on that CPU only, and waits for its port. UNAVAILABLE if it
  // ends instead; RESOURCE_EXHAUSTED if a process is refused.
  static absl::StatusOr<std::unique_ptr<ForkedServer>> Start(
      int cpu, const Serve& serve);

  // Stops it and waits for its end.
  ~ForkedServer();

  ForkedServer(const ForkedServer&) = delete;
  ForkedServer& operator=(const ForkedServer&) = delete;

  pid_t pid() const { return pid_; }
  int port() const { return port_; }

 private:
  ForkedServer(pid_t pid, int stop) : pid_(pid), stop_(stop) {}

  const pid_t pid_;
  const int stop_;  // closed to stop it
  int port_ = 0;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_FORKED_SERVER_H_
