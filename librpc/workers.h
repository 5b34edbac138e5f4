// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/workers.h
//
// A worker: a thread that takes calls from its endpoint and runs their
// handlers, until the NIC tells it to retire. Its loop is put, get, put, get:
// the reply of one call asks for the next.
//
// There are as many as are needed. The NIC says so with a call for which it
// finds no second thread waiting (LH_FLAG_GROW), and whoever takes that call
// starts one more before it runs the handler: so there is always one to spare
// while there may be more, and none is started on the path of a call that finds
// one. The NIC retires those that have been idle for long.
#ifndef LAUBERHORN_LIBRPC_WORKERS_H_
#define LAUBERHORN_LIBRPC_WORKERS_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "abi/host/control.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "librpc/endpoint_pool.h"
#include "librpc/method_rows.h"

namespace lauberhorn {

// Endpoints that workers must leave to others: one for the main thread, and the
// one that is kept for control commands.
inline constexpr std::uint32_t kReservedEndpoints = 2;

// The workers of a process. They run while somebody needs them.
class Workers {
 public:
  // The references outlive the workers.
  Workers(EndpointPool& endpoints, const MethodRows& methods,
          const Attachment& attachment, const lh_command_limits& limits);

  // Nobody needs them any more, or the NIC is lost; waits for their end.
  ~Workers();

  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Starts the first if none runs. RESOURCE_EXHAUSTED if threads or endpoints
  // are refused. Each success is to be followed by one Release(), which stops
  // them and waits for them if nobody else needs them; not if the NIC is lost,
  // when they end by themselves. Not for handlers.
  absl::Status Acquire();
  void Release();

  // Waits until all have ended, as they do if the NIC is lost: not before the
  // handlers that run. Not for handlers.
  void WaitForEnd();

  // Whether they have, now.
  bool HaveEnded();

  // Starts one if all have ended though somebody needs them, and returns
  // whether that is so: then none finds out if the NIC is lost. A NIC that
  // sends its last worker home does that, or one that serves none of the
  // endpoints any more; or no thread or endpoint was left for the one that was
  // to take the last one's place. Whoever ends last asks the connection for
  // renewal.
  bool ReplaceMissing();

  // How many threads serve, now.
  std::uint32_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  struct Worker {
    std::thread thread;
    std::uint64_t endpoint = 0;  // handle; 0 until it has one
    bool gone = false;           // the endpoint may be another thread's
  };
  using Iterator = std::list<Worker>::iterator;

  // Starts one more.
  absl::Status Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Grow();
  void NoMore();
  void StopAll();

  // The thread's.
  void Main(Iterator self);
  bool Begin(Iterator self, const absl::StatusOr<Endpoint*>& endpoint);
  void End(Iterator self, bool sent_home);
  bool AreMissing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return needed_ && workers_.empty();
  }
  // Whether the NIC sent it home.
  bool Run(Endpoint& endpoint);

  EndpointPool& endpoints_;
  const MethodRows& methods_;
  const Attachment& attachment_;
  const lh_command_limits limits_;
  std::atomic<std::uint32_t> count_{0};
  std::atomic<bool> growing_{false};  // one has been started and is not there
  std::mutex users_mutex_;            // is held while they start and stop
  std::uint32_t users_ ABSL_GUARDED_BY(users_mutex_) = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool needed_ ABSL_GUARDED_BY(mutex_) = false;
  // What became of the first; empty until it has begun.
  std::optional<absl::Status> begun_ ABSL_GUARDED_BY(mutex_);
  std::list<Worker> workers_ ABSL_GUARDED_BY(mutex_);
  std::list<Worker> ended_ ABSL_GUARDED_BY(mutex_);  // to be joined
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_WORKERS_H_
