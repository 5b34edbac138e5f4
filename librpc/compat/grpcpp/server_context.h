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
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "grpcpp/support/config.h"
#include "grpcpp/support/metadata.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/string_ref.h"
#include "grpcpp/support/time.h"
#include "lauberhorn/server_call.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
class UnaryHandler;
}  // namespace internal

// What the contexts of all kinds of handlers have.
class ServerContextBase {
 public:
  virtual ~ServerContextBase() = default;

  ServerContextBase(const ServerContextBase&) = delete;
  ServerContextBase& operator=(const ServerContextBase&) = delete;

  // ServerContext::client_metadata()
  //
  // What the client sent with the call, "user-agent" at least; good until the
  // handler returns.
  const std::multimap<string_ref, string_ref>& client_metadata() const {
    return client_metadata_ == nullptr ? NoClientMetadata() : *client_metadata_;
  }

  // ServerContext::peer()
  //
  // Where the caller is: "ipv4:10.0.0.1:4711" or "ipv6:%5B::1%5D:4711". Empty
  // if it is gone. Asks the NIC each time, which takes microseconds.
  std::string peer() const;

  // ServerContext::ExperimentalGetAuthority()
  //
  // Which host the client means by ClientContext::set_authority(), or by
  // GRPC_ARG_DEFAULT_AUTHORITY of its channel; empty if it says nothing.
  grpc::string_ref ExperimentalGetAuthority() const {
    return metadata_ == nullptr ? grpc::string_ref() : metadata_->authority();
  }

  // ServerContext::AddInitialMetadata(), AddTrailingMetadata()
  //
  // Sends a value under a key with the reply or error: before it, or after it,
  // as the client sees it. From the handler's thread.
  // grpcpp/support/metadata.h says what they may be: with others the call ends
  // with INTERNAL, whatever the handler returns.
  void AddInitialMetadata(const std::string& key, const std::string& value);
  void AddTrailingMetadata(const std::string& key, const std::string& value);

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

 protected:
  ServerContextBase() = default;
  explicit ServerContextBase(lauberhorn::ServerCall& call) : call_(&call) {}

 private:
  friend class ClientContext;
  friend class internal::UnaryHandler;

  // For calls that are made for this one; none if it is of no call.
  lauberhorn::ParentCall AsParent() const {
    return call_ == nullptr ? lauberhorn::ParentCall() : call_->AsParent();
  }

  static const std::multimap<string_ref, string_ref>& NoClientMetadata();

  // Reads what came with the call. False if that is malformed.
  bool Receive() {
    return call_->metadata().empty() || Receive(call_->metadata());
  }
  bool Receive(absl::Span<const std::uint8_t> metadata);
  void Add(const std::string& key, const std::string& value, bool trailing);
  bool has_metadata() const { return metadata_ != nullptr; }

  // For who answers: adds the status's details, and says what to send.
  // INTERNAL if the handler added what may not be sent.
  absl::Status FinishMetadata(const std::string& error_details,
                              absl::Span<const std::uint8_t>* metadata);

  lauberhorn::ServerCall* const call_ = nullptr;
  std::unique_ptr<internal::Metadata> metadata_;  // if there is any
  const std::multimap<string_ref, string_ref>* client_metadata_ = nullptr;
};

class ServerContext : public ServerContextBase {
 public:
  // ServerContext::ServerContext()
  //
  // Of no call: never cancelled and without a deadline. For tests that call a
  // handler as a function.
  ServerContext() = default;
  ~ServerContext() override = default;

 private:
  friend class internal::UnaryHandler;

  using ServerContextBase::ServerContextBase;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SERVER_CONTEXT_H_
