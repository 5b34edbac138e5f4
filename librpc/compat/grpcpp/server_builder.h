// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/server_builder.h
//
// Puts a server together and starts it.
//
//   GreeterImpl service;
//   int port = 0;
//   grpc::ServerBuilder builder;
//   builder.AddListeningPort("0.0.0.0:0", grpc::InsecureServerCredentials(),
//                            &port);
//   builder.RegisterService(&service);
//   std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
//   if (server == nullptr) return 1;  // why is on stderr
//
// Thread-safety: belongs to one thread. Blocking: BuildAndStart() waits for the
// NIC. Ownership: the services remain the caller's and must outlive the server.
#ifndef GRPCPP_SERVER_BUILDER_H_
#define GRPCPP_SERVER_BUILDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpc/compression.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/config.h"

namespace grpc {
inline namespace lh_v1 {

class ServerBuilder {
 public:
  ServerBuilder() = default;
  virtual ~ServerBuilder() = default;

  ServerBuilder(const ServerBuilder&) = delete;
  ServerBuilder& operator=(const ServerBuilder&) = delete;

  // ServerBuilder::AddListeningPort()
  //
  // Serves at `address`, "host:port" or one of the forms that CreateChannel()
  // takes; port 0 is any free one. BuildAndStart() writes the port to
  // `*selected_port`, or 1 for a Unix socket, or 0 if it could not be had.
  ServerBuilder& AddListeningPort(const std::string& address,
                                  std::shared_ptr<ServerCredentials> creds,
                                  int* selected_port = nullptr);

  // ServerBuilder::RegisterService()
  //
  // Lets the methods of `service` be called: for any host, or only by clients
  // that mean `host` (ClientContext::set_authority(), or
  // GRPC_ARG_DEFAULT_AUTHORITY), which then get no other.
  ServerBuilder& RegisterService(Service* service);
  ServerBuilder& RegisterService(const std::string& host, Service* service);

  // ServerBuilder::SetMaxReceiveMessageSize(), SetMaxSendMessageSize()
  //
  // Calls whose request or reply is larger, in bytes, end with
  // RESOURCE_EXHAUSTED and both sizes. -1 is no limit but that of a packet.
  ServerBuilder& SetMaxReceiveMessageSize(int max_receive_message_size) {
    arguments_.SetMaxReceiveMessageSize(max_receive_message_size);
    return *this;
  }
  ServerBuilder& SetMaxSendMessageSize(int max_send_message_size) {
    arguments_.SetMaxSendMessageSize(max_send_message_size);
    return *this;
  }

  // ServerBuilder::SetMaxMessageSize()
  //
  // The old name of SetMaxReceiveMessageSize().
  ServerBuilder& SetMaxMessageSize(int max_message_size) {
    return SetMaxReceiveMessageSize(max_message_size);
  }

  // ServerBuilder::AddChannelArgument()
  //
  // Any argument by its key: GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH and
  // GRPC_ARG_MAX_SEND_MESSAGE_LENGTH have an effect.
  ServerBuilder& AddChannelArgument(const std::string& arg, int value) {
    arguments_.SetInt(arg, value);
    return *this;
  }
  ServerBuilder& AddChannelArgument(const std::string& arg,
                                    const std::string& value) {
    arguments_.SetString(arg, value);
    return *this;
  }

  // ServerBuilder::SetSyncServerOption()
  //
  // Without effect: threads start when all others have work, and one that waits
  // costs nothing. lauberhorn::RuntimeOptions has the limits of this library.
  enum SyncServerOption { NUM_CQS, MIN_POLLERS, MAX_POLLERS, CQ_TIMEOUT_MSEC };
  ServerBuilder& SetSyncServerOption(SyncServerOption /*option*/,
                                     int /*value*/) {
    return *this;
  }

  // ServerBuilder::SetDefaultCompressionAlgorithm() and its kin
  //
  // Without effect: see grpc/compression.h.
  ServerBuilder& SetDefaultCompressionAlgorithm(
      grpc_compression_algorithm /*algorithm*/) {
    return *this;
  }
  ServerBuilder& SetDefaultCompressionLevel(grpc_compression_level /*level*/) {
    return *this;
  }
  ServerBuilder& SetCompressionAlgorithmSupportStatus(
      grpc_compression_algorithm /*algorithm*/, bool /*enabled*/) {
    return *this;
  }

  // ServerBuilder::BuildAndStart()
  //
  // The server, which already answers; null if a port or a service could not be
  // added: then one line on stderr says why. The first server of a process that
  // listens says on stderr which clients it answers, unless the environment has
  // LAUBERHORN_LOG=off.
  virtual std::unique_ptr<grpc::Server> BuildAndStart();

 private:
  struct Port {
    std::string address;
    std::shared_ptr<ServerCredentials> creds;
    int* selected;
  };

  struct Registration {
    std::string host;  // empty for any
    Service* service;
  };

  absl::StatusOr<std::unique_ptr<grpc::Server>> Build() const;
  absl::Status AddServices(grpc::Server& server) const;
  absl::Status Listen(grpc::Server& server) const;

  std::vector<Port> ports_;
  std::vector<Registration> services_;
  ChannelArguments arguments_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SERVER_BUILDER_H_
