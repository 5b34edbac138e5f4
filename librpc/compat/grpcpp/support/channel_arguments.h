// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/channel_arguments.h
//
// What can be set of a channel, for CreateCustomChannel().
//
//   grpc::ChannelArguments args;
//   args.SetMaxReceiveMessageSize(1000);
//   args.SetUserAgentPrefix("shop/7");
//   auto channel = grpc::CreateCustomChannel(
//       "localhost:50051", grpc::InsecureChannelCredentials(), args);
//
// Keys of <grpc/grpc.h> that have an effect: GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
// GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, GRPC_ARG_PRIMARY_USER_AGENT_STRING,
// GRPC_ARG_SECONDARY_USER_AGENT_STRING, GRPC_ARG_DEFAULT_AUTHORITY. All others
// are accepted and ignored (docs/grpc-api.md).
//
// Thread-safety: a value. Blocking: never. Ownership: it owns its texts;
// pointers remain the caller's.
#ifndef GRPCPP_SUPPORT_CHANNEL_ARGUMENTS_H_
#define GRPCPP_SUPPORT_CHANNEL_ARGUMENTS_H_

#include <memory>
#include <string>
#include <utility>

#include "grpc/compression.h"
#include "grpcpp/impl/message_limits.h"
#include "grpcpp/support/config.h"

namespace grpc {
inline namespace lh_v1 {
class Channel;
class ChannelCredentials;
namespace internal {
struct ChannelSettings;
}

class ChannelArguments {
 public:
  ChannelArguments() = default;

  void Swap(ChannelArguments& other) { std::swap(*this, other); }

  // ChannelArguments::SetMaxSendMessageSize(), SetMaxReceiveMessageSize()
  //
  // Calls whose request or reply is larger, in bytes, end with
  // RESOURCE_EXHAUSTED and both sizes. -1 is no limit but that of a packet.
  void SetMaxSendMessageSize(int size) { limits_.send.set(size); }
  void SetMaxReceiveMessageSize(int size) { limits_.receive.set(size); }

  // ChannelArguments::SetUserAgentPrefix()
  //
  // Comes before the name of this library in the "user-agent" that servers see;
  // what is set later comes first. Every call of the channel carries it.
  void SetUserAgentPrefix(const std::string& user_agent_prefix);

  // ChannelArguments::SetInt(), SetString(), SetPointer()
  //
  // Any argument by its key.
  void SetInt(const std::string& key, int value);
  void SetString(const std::string& key, const std::string& value);
  void SetPointer(const std::string& /*key*/, void* /*value*/) {}

  // ChannelArguments::SetCompressionAlgorithm()
  //
  // Without effect: see grpc/compression.h.
  void SetCompressionAlgorithm(grpc_compression_algorithm /*algorithm*/) {}

 private:
  friend std::shared_ptr<Channel> CreateCustomChannel(
      const grpc::string& target,
      const std::shared_ptr<ChannelCredentials>& creds,
      const ChannelArguments& args);
  friend class ServerBuilder;

  internal::ChannelSettings SettingsFor(const std::string& target) const;

  internal::MessageLimits limits_;
  std::string authority_;
  // Of the user agent, around the name of this library.
  std::string user_agent_before_;
  std::string user_agent_after_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_CHANNEL_ARGUMENTS_H_
