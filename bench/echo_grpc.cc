// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
// gRPC's library, synchronous, over TCP.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/echo_peers.h"
#include "echo.grpc.pb.h"

namespace lauberhorn::bench {
namespace {

class EchoService final : public ::bench::Echo::Service {
  grpc::Status Echo(grpc::ServerContext*, const ::bench::EchoMessage* request,
                    ::bench::EchoMessage* reply) override {
    reply->set_payload(request->payload());
    return grpc::Status::OK;
  }
};

class GrpcClient final : public EchoClient {
 public:
  explicit GrpcClient(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(::bench::Echo::NewStub(channel)) {}

  absl::Status Echo(const std::string& payload) override {
    ::bench::EchoMessage request;
    request.set_payload(payload);
    ::bench::EchoMessage reply;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(10));
    const grpc::Status status = stub_->Echo(&context, request, &reply);
    if (!status.ok()) {
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message());
    }
    if (reply.payload() != payload) {
      return absl::InternalError("the reply is not the request");
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<::bench::Echo::Stub> stub_;
};

}  // namespace

int ServeGrpc(const ForkedServer::UntilStopped& until_stopped) {
  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  until_stopped(port);
  server->Shutdown();
  return 0;
}

EchoClientOr ConnectGrpc(int port) {
  return std::make_unique<GrpcClient>(grpc::CreateChannel(
      absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
}

}  // namespace lauberhorn::bench
