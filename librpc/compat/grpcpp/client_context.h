// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/client_context.h
//
// What a client says about one call besides its request. Each call needs a
// context of its own: a second use ends the program.
//
//   grpc::ClientContext context;
//   context.set_deadline(std::chrono::system_clock::now() +
//                        std::chrono::milliseconds(50));
//   grpc::Status status = stub->SayHello(&context, request, &reply);
//
// Thread-safety: belongs to one thread, but for TryCancel(). Blocking: never.
// Allocation: only for metadata. Ownership: the caller's, and must outlive the
// call.
#ifndef GRPCPP_CLIENT_CONTEXT_H_
#define GRPCPP_CLIENT_CONTEXT_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "grpcpp/impl/channel_settings.h"
#include "grpcpp/support/config.h"
#include "grpcpp/support/metadata.h"
#include "grpcpp/support/propagation_options.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/string_ref.h"
#include "grpcpp/support/time.h"
#include "lauberhorn/cancellation.h"
#include "lauberhorn/client.h"

namespace grpc {
inline namespace lh_v1 {
class ServerContextBase;
namespace internal {
class UnaryCaller;
}

class ClientContext {
 public:
  ClientContext() { options_.cancellation = &cancellation_; }
  ~ClientContext() = default;

  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // ClientContext::FromServerContext()
  //
  // A context for a call that a handler makes for the one that it runs: the
  // earlier of both deadlines counts, and if that call is cancelled, so is this
  // one. `server_context` need not outlive it.
  static std::unique_ptr<ClientContext> FromServerContext(
      const ServerContextBase& server_context,
      PropagationOptions options = PropagationOptions());

  // ClientContext::AddMetadata()
  //
  // Sends `meta_value` under `meta_key` with the call; a key may be added more
  // than once. grpcpp/support/metadata.h says what they may be: a call with
  // others ends with INVALID_ARGUMENT and is not made. "user-agent" is the
  // channel's, and dropped here.
  void AddMetadata(const std::string& meta_key, const std::string& meta_value);

  // ClientContext::GetServerInitialMetadata(), GetServerTrailingMetadata()
  //
  // What the server sent with its reply or error, after the call; good as long
  // as the context.
  const std::multimap<string_ref, string_ref>& GetServerInitialMetadata() const;
  const std::multimap<string_ref, string_ref>& GetServerTrailingMetadata()
      const;

  // ClientContext::set_deadline()
  //
  // When to give up: a point in time of any type that TimePoint takes
  // (grpcpp/support/time.h). Without it the call waits as long as it takes.
  template <typename T>
  void set_deadline(const T& deadline) {
    TimePoint<T> point(deadline);
    options_.deadline = internal::ToTime(point.raw_time());
  }
  std::chrono::system_clock::time_point deadline() const {
    return Timespec2Timepoint(raw_deadline());
  }
  gpr_timespec raw_deadline() const {
    return internal::ToTimespec(options_.deadline);
  }

  // ClientContext::set_wait_for_ready()
  //
  // Whether to wait for a server that cannot be reached instead of failing with
  // UNAVAILABLE.
  void set_wait_for_ready(bool wait_for_ready) {
    options_.wait_for_ready = wait_for_ready;
  }

  // ClientContext::set_authority()
  //
  // The name of the server that the call is for, where that has services for
  // different hosts: see ServerBuilder::RegisterService(). Before the call.
  void set_authority(const std::string& authority) { authority_ = authority; }

  // ClientContext::set_fail_fast()
  //
  // The old name of the opposite.
  void set_fail_fast(bool fail_fast) { set_wait_for_ready(!fail_fast); }

  // ClientContext::peer()
  //
  // After the call: the server that it was made to, as "ipv4:10.0.0.1:50051",
  // "ipv6:%5B::1%5D:50051", "unix:/run/greeter" or "unix-abstract:greeter", or
  // the channel's target if that could not be resolved. Empty before.
  std::string peer() const;

  // ClientContext::debug_error_string()
  //
  // After a call that failed, one line for a log: code, text, method and
  // server. Empty if it did not fail.
  std::string debug_error_string() const { return debug_error_string_; }

  // ClientContext::TryCancel()
  //
  // Ends the call early, with CANCELLED; its handler learns of it from
  // ServerContext::IsCancelled(). From any thread: before the call, which then
  // is not made, during it, or after it, when nothing happens.
  void TryCancel() { cancellation_.Cancel(); }

 private:
  friend class internal::UnaryCaller;

  // Ends the program with a clear message if there was a call before. Adds what
  // the channel sends with every call. An error is the call's status.
  absl::Status BeginCall(const internal::ChannelSettings& settings);
  absl::Span<const std::uint8_t> MetadataToSend() const;
  // The call is made to this server; or there is none.
  void SetPeer(const lauberhorn::PeerAddress& peer) { peer_ = peer; }
  void SetNoPeer(const std::string& target) { no_peer_ = target; }
  // The call has ended with this error.
  void SetError(const char* method, const Status& status);
  // The call has ended like this, and brought metadata with it.
  Status Receive(absl::Span<const std::uint8_t> metadata, Status status);

  lauberhorn::Cancellation cancellation_;
  lauberhorn::CallOptions options_;
  std::unique_ptr<internal::Metadata> metadata_;  // if there is any
  std::string authority_;
  absl::optional<lauberhorn::PeerAddress> peer_;
  std::string no_peer_;
  std::string debug_error_string_;
  bool used_ = false;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_CLIENT_CONTEXT_H_
