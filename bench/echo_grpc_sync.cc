// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors

#include <grpcpp/grpcpp.h>

#include "bench/echo_peers.h"
#include "bench/grpc_server.h"
#include "echo.grpc.pb.h"

namespace lauberhorn::bench {
namespace {

class EchoService final : public ::bench::Echo::Service {
  grpc::Status Echo(grpc::ServerContext*, const ::bench::EchoMessage* request,
                    ::bench::EchoMessage* reply) override {
    *reply = *request;
    return grpc::Status::OK;
  }
};

class GrpcSyncClient final : public BlockingEchoClient {
 public:
  GrpcSyncClient(const std::shared_ptr<grpc::Channel>& channel,
                 const Message& message)
      : stub_(::bench::Echo::NewStub(channel)), message_(message) {}

  absl::Status Echo() override {
    ::bench::EchoMessage request;
    message_.Fill(&request);
    ::bench::EchoMessage reply;
    grpc::ClientContext context;
    SetDeadline(context);
    const grpc::Status status = stub_->Echo(&context, request, &reply);
    if (!status.ok()) return FromGrpc(status);
    return message_.Is(reply) ? absl::OkStatus() : WrongReply();
  }

 private:
  const std::unique_ptr<::bench::Echo::Stub> stub_;
  const Message& message_;
};

class GrpcSyncPeer final : public Peer {
 public:
  GrpcSyncPeer(Transport transport, const Message& message)
      : transport_(transport), message_(message) {}

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    EchoService service;
    return ServeGrpc(transport_, service, until_stopped);
  }

  EchoClientOr Connect(int port) override {
    return std::make_unique<GrpcSyncClient>(GrpcChannel(transport_, port),
                                            message_);
  }

 private:
  const Transport transport_;
  const Message message_;
};

}  // namespace

std::unique_ptr<Peer> MakeGrpcSyncTcp(const Message& message) {
  return std::make_unique<GrpcSyncPeer>(Transport::kTcp, message);
}

std::unique_ptr<Peer> MakeGrpcSyncUnix(const Message& message) {
  return std::make_unique<GrpcSyncPeer>(Transport::kUnix, message);
}

}  // namespace lauberhorn::bench
