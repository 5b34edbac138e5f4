// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/channel_settings.h
//
// What every call of a channel has in common.
//
// Thread-safety: values. Blocking: never. Ownership: its own texts.
#ifndef GRPCPP_IMPL_CHANNEL_SETTINGS_H_
#define GRPCPP_IMPL_CHANNEL_SETTINGS_H_

#include <string>

#include "grpcpp/impl/message_limits.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

struct ChannelSettings {
  std::string target;
  MessageLimits limits;

  // What servers see of the calls; not sent if empty.
  std::string authority;
  std::string user_agent;
};

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_CHANNEL_SETTINGS_H_
