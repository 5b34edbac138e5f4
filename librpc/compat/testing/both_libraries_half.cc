// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// One half of both_libraries_test, compiled twice: ECHO_THROUGH is the function
// to define, ECHO_SERVICE the service of the library whose headers are found.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "echo.grpc.pb.h"
#include "librpc/compat/testing/both_libraries.h"

namespace {

class EchoService final : public ECHO_SERVICE::Service {
 public:
  grpc::Status Say(grpc::ServerContext*, const echo::Request* request,
                   echo::Reply* reply) override {
    reply->set_text(request->text());
    return grpc::Status::OK;
  }
};

}  // namespace

std::string ECHO_THROUGH(const std::string& text) {
  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return "no server";
  const std::unique_ptr<ECHO_SERVICE::Stub> stub = ECHO_SERVICE::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                          grpc::InsecureChannelCredentials()));
  echo::Request request;
  request.set_text(text);
  echo::Reply reply;
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  const grpc::Status status = stub->Say(&context, request, &reply);
  return status.ok() ? reply.text() : status.error_message();
}
