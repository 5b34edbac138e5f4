// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/server.h
//
// A server that runs, made by a ServerBuilder (grpcpp/server_builder.h).
//
//   std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
//   server->Wait();
//
// Thread-safety: safe from any thread; not from a signal handler. Blocking:
// Wait() until Shutdown(); Shutdown() and the destructor until the handlers
// that run have returned. Ownership: the caller's. The services must outlive
// it.
#ifndef GRPCPP_SERVER_H_
#define GRPCPP_SERVER_H_

#include <condition_variable>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "grpcpp/support/config.h"
#include "grpcpp/support/time.h"
#include "lauberhorn/server.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
class MethodGates;
}

class Server final {
 public:
  // Shuts down.
  ~Server();

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Server::Wait()
  //
  // Returns when the server has been shut down, by another thread.
  void Wait();

  // Server::Shutdown()
  //
  // Accepts no more calls (they end with UNAVAILABLE) and returns when the
  // handlers of those that were accepted have returned. Calls that have not
  // ended at `deadline`, a point in time of any type that TimePoint takes, then
  // end with UNAVAILABLE, and their handlers learn of it from
  // ServerContext::IsCancelled(). Safe to call again, from any thread but a
  // handler's, which it would wait for; of several deadlines the earliest
  // counts.
  template <typename T>
  void Shutdown(const T& deadline) {
    TimePoint<T> point(deadline);
    ShutdownBy(internal::ToTime(point.raw_time()));
  }
  void Shutdown() { ShutdownBy(absl::InfiniteFuture()); }

 private:
  friend class ServerBuilder;

  explicit Server(std::unique_ptr<lauberhorn::Server> server);

  void ShutdownBy(absl::Time deadline);

  // Before the handlers, if the builder has said anything that takes gates.
  std::unique_ptr<internal::MethodGates> gates_;
  const std::unique_ptr<lauberhorn::Server> server_;
  std::mutex mutex_;
  std::condition_variable shut_down_;
  bool is_shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SERVER_H_
