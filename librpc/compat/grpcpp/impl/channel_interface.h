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
#include "grpcpp/impl/channel_settings.h"
#include "lauberhorn/client.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
class UnaryCaller;
}

class ChannelInterface {
 public:
  virtual ~ChannelInterface() = default;

 protected:
  explicit ChannelInterface(internal::ChannelSettings settings)
      : settings_(std::move(settings)) {}

  const internal::ChannelSettings& settings() const { return settings_; }

 private:
  friend class internal::UnaryCaller;

  // The native client, which the first call makes. It lives as long as the
  // channel. An error is the call's status.
  virtual absl::StatusOr<lauberhorn::Client*> Connect(
      const lauberhorn::CallOptions& options) = 0;

  const internal::ChannelSettings settings_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_CHANNEL_INTERFACE_H_
