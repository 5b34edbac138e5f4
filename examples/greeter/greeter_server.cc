// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A server that greets, until SIGINT or SIGTERM. The same source builds against
// this library and against gRPC's.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <iostream>
#include <memory>
#include <string>

#include "greeter.grpc.pb.h"
#include "options.h"

namespace {

class GreeterService final : public hello::Greeter::Service {
  grpc::Status SayHello(grpc::ServerContext* /*context*/,
                        const hello::HelloRequest* request,
                        hello::HelloReply* reply) override {
    reply->set_greeting("Hello, " + request->name() + "!");
    return grpc::Status::OK;
  }
};

// The address with the port that was selected in place of the one asked for.
std::string WithPort(const std::string& address, int port) {
  if (address.compare(0, 4, "unix") == 0) return address;  // it has none
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string address = ParseServerOptions(argc, argv).address;

  // Blocked before any thread starts, so that only sigwait() below gets them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  GreeterService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "greeter_server: cannot serve at " << address
              << "; is another server there? Try --listen with another port.\n";
    return 1;
  }
  std::cout << "listening on " << WithPort(address, port) << std::endl;

  int signal = 0;
  sigwait(&stop_signals, &signal);
  std::cout << "stopping" << std::endl;
  server->Shutdown();
  return 0;
}
