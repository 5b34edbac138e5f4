// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/server_context.h
//
// What a handler can know about the call that it runs, besides the request.
//
//   grpc::Status Search(grpc::ServerContext* context, const Query* query,
//                       Result* result) override {
//     while (!context->IsCancelled() && Improve(result)) {
//     }
//     return grpc::Status::OK;
//   }
//
// Thread-safety: reading and TryCancel() are safe from any thread, until the
// handler returns. Blocking: never. Allocation: none. Ownership: the library's.
#ifndef GRPCPP_SERVER_CONTEXT_H_
#define GRPCPP_SERVER_CONTEXT_H_

#include <chrono>

#include "absl/time/time.h"
#include "grpcpp/support/config.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/time.h"
#include "lauberhorn/server_call.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
class UnaryHandler;
}

class ServerContext {
 public:
  // ServerContext::ServerContext()
  //
  // Of no call: never cancelled and without a deadline. For tests that call a
  // handler as a function.
  ServerContext() = default;
  ~ServerContext() = default;

  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  // ServerContext::deadline()
  //
  // When the caller gives up, on this machine's clock; time_point::max() if
  // never.
  std::chrono::system_clock::time_point deadline() const {
    return Timespec2Timepoint(raw_deadline());
  }
  gpr_timespec raw_deadline() const {
    return internal::ToTimespec(call_ == nullptr ? absl::InfiniteFuture()
                                                 : call_->deadline());
  }

  // ServerContext::IsCancelled()
  //
  // Whether nobody waits for the reply any more: the deadline passed, the
  // caller cancelled or died, or TryCancel(). One load.
  bool IsCancelled() const { return call_ != nullptr && call_->IsCancelled(); }

  // ServerContext::TryCancel()
  //
  // Ends the call for its caller, with CANCELLED, whatever the handler returns
  // later.
  void TryCancel() const {
    if (call_ != nullptr) call_->Cancel();
  }

 private:
  friend class internal::UnaryHandler;

  explicit ServerContext(lauberhorn::ServerCall& call) : call_(&call) {}

  lauberhorn::ServerCall* const call_ = nullptr;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SERVER_CONTEXT_H_
