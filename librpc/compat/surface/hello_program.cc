// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A first program, as introductions to gRPC have it: a service, a server that
// waits, and a client class around a stub, with the old name of the header.
// Compiled and run with this library and with gRPC's own; 0 if all went well.
#include <grpc++/grpc++.h>
#include <grpc/support/log.h>

#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "echo.grpc.pb.h"

using echo::Echo;
using echo::Reply;
using echo::Request;
using grpc::Channel;
using grpc::ClientContext;
using grpc::Server;
using grpc::ServerBuilder;
using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

class EchoServiceImpl final : public Echo::Service {
  Status Say(ServerContext* context, const Request* request,
             Reply* reply) override {
    if (request->text().empty()) {
      return Status(StatusCode::INVALID_ARGUMENT, "say something");
    }
    std::cout << context->peer() << " says " << request->text() << std::endl;
    reply->set_text("Hello " + request->text());
    return Status::OK;
  }
};

class EchoClient {
 public:
  explicit EchoClient(const std::shared_ptr<Channel>& channel)
      : stub_(Echo::NewStub(channel)) {}

  std::string Say(const std::string& text) {
    Request request;
    request.set_text(text);
    Reply reply;
    ClientContext context;
    Status status = stub_->Say(&context, request, &reply);
    if (status.ok()) return reply.text();
    std::cout << status.error_code() << ": " << status.error_message()
              << std::endl;
    return "RPC failed";
  }

 private:
  std::unique_ptr<Echo::Stub> stub_;
};

int main() {
  EchoServiceImpl service;
  int port = 0;
  ServerBuilder builder;
  builder.AddListeningPort("localhost:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  std::unique_ptr<Server> server(builder.BuildAndStart());
  GPR_ASSERT(server != nullptr);
  std::thread waiter([&server] { server->Wait(); });

  EchoClient client(grpc::CreateChannel("localhost:" + std::to_string(port),
                                        grpc::InsecureChannelCredentials()));
  const std::string reply = client.Say("world");
  std::cout << "Received: " << reply << std::endl;
  GPR_ASSERT(reply == "Hello world");
  GPR_ASSERT(client.Say("") == "RPC failed");

  server->Shutdown();
  waiter.join();
}
