// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Servers of the gRPC-compatible API: a native server, and who waits for its
// end.
//
// Locking: mutex_ guards only is_shut_down_; it is not held while the server
// waits for its calls.
#include <grpcpp/server.h>

#include <memory>
#include <utility>

#include "librpc/compat/method_gates.h"

namespace grpc {
inline namespace lh_v1 {

Server::Server(std::unique_ptr<lauberhorn::Server> server)
    : server_(std::move(server)) {}

Server::~Server() { Shutdown(); }

void Server::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  shut_down_.wait(lock, [this] { return is_shut_down_; });
}

void Server::ShutdownBy(absl::Time deadline) {
  server_->Shutdown(deadline);
  const std::lock_guard<std::mutex> lock(mutex_);
  is_shut_down_ = true;
  shut_down_.notify_all();
}

}  // namespace lh_v1
}  // namespace grpc
