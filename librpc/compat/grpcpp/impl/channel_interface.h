// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/channel_interface.h
//
// What a stub needs of a channel. Programs hold a std::shared_ptr to it and
// hand it to NewStub(); see grpcpp/create_channel.h.
//
// Thread-safety: safe from any thread. Blocking: a call that uses it may.
// Ownership: shared by stubs and program.
#ifndef GRPCPP_IMPL_CHANNEL_INTERFACE_H_
#define GRPCPP_IMPL_CHANNEL_INTERFACE_H_

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpc/grpc.h"
#include "grpcpp/impl/channel_settings.h"
#include "grpcpp/support/time.h"
#include "lauberhorn/client.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
class UnaryCaller;
}

class ChannelInterface {
 public:
  virtual ~ChannelInterface() = default;

  // ChannelInterface::GetState()
  //
  // How the session with the server is. With `try_to_connect` it is opened
  // without a call: then this resolves the target, if that has not been done.
  virtual grpc_connectivity_state GetState(bool try_to_connect) = 0;

  // ChannelInterface::WaitForStateChange()
  //
  // Waits until the state is another than `last_observed`; false if that has
  // not happened at `deadline`, a point in time of any type that TimePoint
  // takes. It asks for no session; one that was asked for is tried on.
  template <typename T>
  bool WaitForStateChange(grpc_connectivity_state last_observed, T deadline) {
    TimePoint<T> point(deadline);
    return WaitForStateChangeBy(last_observed,
                                internal::ToTime(point.raw_time()));
  }

  // ChannelInterface::WaitForConnected()
  //
  // Opens the session and waits for it; false if it is not open at `deadline`.
  template <typename T>
  bool WaitForConnected(T deadline) {
    grpc_connectivity_state state;
    while ((state = GetState(/*try_to_connect=*/true)) != GRPC_CHANNEL_READY) {
      if (!WaitForStateChange(state, deadline)) return false;
    }
    return true;
  }

 protected:
  explicit ChannelInterface(internal::ChannelSettings settings)
      : settings_(std::move(settings)) {}

  const internal::ChannelSettings& settings() const { return settings_; }

 private:
  friend class internal::UnaryCaller;

  virtual bool WaitForStateChangeBy(grpc_connectivity_state last_observed,
                                    absl::Time deadline) = 0;

  // The native client, which the first call makes. It lives as long as the
  // channel. An error is the call's status.
  virtual absl::StatusOr<lauberhorn::Client*> Connect(
      const lauberhorn::CallOptions& options) = 0;

  const internal::ChannelSettings settings_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_CHANNEL_INTERFACE_H_
