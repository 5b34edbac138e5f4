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
// Wait() until Shutdown(); Shutdown() and the destructor until the calls that
// run have ended. Ownership: the caller's. The services must outlive it.
#ifndef GRPCPP_SERVER_H_
#define GRPCPP_SERVER_H_

#include <condition_variable>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "grpcpp/support/config.h"
#include "lauberhorn/server.h"

namespace grpc {
inline namespace lh_v1 {

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
  // Accepts no more calls and returns when those that were accepted have ended.
  // Safe to call again. Not from a handler, which it would wait for.
  void Shutdown();

 private:
  friend class ServerBuilder;

  explicit Server(std::unique_ptr<lauberhorn::Server> server);

  const std::unique_ptr<lauberhorn::Server> server_;
  std::mutex mutex_;
  std::condition_variable shut_down_;
  bool is_shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SERVER_H_
