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
#include "grpcpp/impl/service_type.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
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
  // `*selected_port`, or 0 if it could not be had.
  ServerBuilder& AddListeningPort(const std::string& address,
                                  std::shared_ptr<ServerCredentials> creds,
                                  int* selected_port = nullptr);

  // ServerBuilder::RegisterService()
  //
  // Lets the methods of `service` be called.
  ServerBuilder& RegisterService(Service* service);

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

  absl::StatusOr<std::unique_ptr<lauberhorn::Server>> Build() const;

  std::vector<Port> ports_;
  std::vector<Service*> services_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SERVER_BUILDER_H_
