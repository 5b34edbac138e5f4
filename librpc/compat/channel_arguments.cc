// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be set of channels and servers; see
// grpcpp/support/channel_arguments.h.
#include <grpc/grpc.h>
#include <grpcpp/impl/channel_settings.h>
#include <grpcpp/impl/message_limits.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/metadata.h"

namespace grpc {
inline namespace lh_v1 {

absl::Status internal::MessageLimit::Error(absl::string_view what,
                                           std::size_t size) const {
  return absl::ResourceExhaustedError(absl::StrCat(
      what, " message larger than max (", size, " vs. ", most_, ")"));
}

void ChannelArguments::SetUserAgentPrefix(
    const std::string& user_agent_prefix) {
  if (user_agent_prefix.empty()) return;
  user_agent_before_ = absl::StrCat(user_agent_prefix, " ", user_agent_before_);
}

void ChannelArguments::SetInt(const std::string& key, int value) {
  if (key == GRPC_ARG_MAX_SEND_MESSAGE_LENGTH) SetMaxSendMessageSize(value);
  if (key == GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH) {
    SetMaxReceiveMessageSize(value);
  }
}

void ChannelArguments::SetString(const std::string& key,
                                 const std::string& value) {
  if (key == GRPC_ARG_DEFAULT_AUTHORITY) authority_ = value;
  if (key == GRPC_ARG_PRIMARY_USER_AGENT_STRING ||
      key == GRPC_ARG_SECONDARY_USER_AGENT_STRING) {
    absl::StrAppend(&user_agent_after_, " ", value);
  }
}

internal::ChannelSettings ChannelArguments::SettingsFor(
    const std::string& target) const {
  internal::ChannelSettings settings;
  settings.target = target;
  settings.limits = limits_;
  settings.authority = authority_;
  if (!user_agent_before_.empty() || !user_agent_after_.empty()) {
    settings.user_agent = absl::StrCat(user_agent_before_, internal::kUserAgent,
                                       user_agent_after_);
  }
  return settings;
}

}  // namespace lh_v1
}  // namespace grpc
