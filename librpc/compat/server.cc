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

namespace grpc {
inline namespace lh_v1 {

Server::Server(std::unique_ptr<lauberhorn::Server> server)
    : server_(std::move(server)) {}

Server::~Server() { Shutdown(); }

void Server::Wait() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&is_shut_down_));
}

void Server::Shutdown() {
  server_->Shutdown();
  absl::MutexLock lock(&mutex_);
  is_shut_down_ = true;
}

}  // namespace lh_v1
}  // namespace grpc
