// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/grpc_server.h
//
// What the peers that use gRPC share: over which transport, and what is called.
//
// Thread-safety: a value, and functions of their arguments.
#ifndef LAUBERHORN_BENCH_GRPC_SERVER_H_
#define LAUBERHORN_BENCH_GRPC_SERVER_H_

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/forked_server.h"

namespace lauberhorn::bench {

enum class Transport { kTcp, kUnix };

// Where the server of process `port` is reached, by its Unix socket.
inline std::string UnixSocket(int port) {
  return absl::StrCat("unix-abstract:lauberhorn-bench-", port);
}

inline std::shared_ptr<grpc::Channel> GrpcChannel(Transport transport,
                                                  int port) {
  return grpc::CreateChannel(transport == Transport::kTcp
                                 ? absl::StrCat("127.0.0.1:", port)
                                 : UnixSocket(port),
                             grpc::InsecureChannelCredentials());
}

// Adds a port to the builder, and starts. What UntilStopped is to be told is in
// *port; null if it does not start.
inline std::unique_ptr<grpc::Server> StartGrpc(Transport transport,
                                               grpc::ServerBuilder& builder,
                                               int* port) {
  if (transport == Transport::kTcp) {
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             port);
    return builder.BuildAndStart();
  }
  *port = getpid();
  builder.AddListeningPort(UnixSocket(*port),
                           grpc::InsecureServerCredentials());
  return builder.BuildAndStart();
}

inline int ServeGrpc(Transport transport, grpc::Service& service,
                     const ForkedServer::UntilStopped& until_stopped) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server =
      StartGrpc(transport, builder, &port);
  if (server == nullptr) return 1;
  until_stopped(port);
  server->Shutdown();
  return 0;
}

inline void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(10));
}

inline absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_GRPC_SERVER_H_
