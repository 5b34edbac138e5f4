// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/create_channel.h
//
// How a client names its server.
//
//   auto channel = grpc::CreateChannel("localhost:50051",
//                                      grpc::InsecureChannelCredentials());
//
// Thread-safety: safe from any thread. Blocking: never. Ownership: the channel
// belongs to the caller and to the stubs that are made of it.
#ifndef GRPCPP_CREATE_CHANNEL_H_
#define GRPCPP_CREATE_CHANNEL_H_

#include <memory>

#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/config.h"

namespace grpc {
inline namespace lh_v1 {

// CreateChannel()
//
// A channel to `target`: "host:port", "dns:///host:port", "ipv4:a.b.c.d:port",
// "ipv6:[a::b]:port", "unix:path" or "unix-abstract:name". Never null, and
// never an error: the calls fail instead, with INVALID_ARGUMENT for a target
// that cannot be parsed or null `creds`.
std::shared_ptr<Channel> CreateChannel(
    const grpc::string& target,
    const std::shared_ptr<ChannelCredentials>& creds);

// CreateCustomChannel()
//
// The same with arguments; an authority or user agent that cannot be sent fails
// the calls with INVALID_ARGUMENT.
std::shared_ptr<Channel> CreateCustomChannel(
    const grpc::string& target,
    const std::shared_ptr<ChannelCredentials>& creds,
    const ChannelArguments& args);

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_CREATE_CHANNEL_H_
