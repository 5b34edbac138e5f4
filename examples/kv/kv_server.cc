// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A key-value server in memory, until SIGINT or SIGTERM. The same source builds
// against this library and against gRPC's.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>

#include "kv_service.h"
#include "options.h"
#include "store.h"

namespace {

// The address with the port that was selected in place of the one asked for.
std::string WithPort(const std::string& address, int port) {
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

// Versions begin with the time in microseconds, so that a version of the server
// that ran before, whose data are gone, is none of this one's.
std::uint64_t FirstVersion() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::system_clock::now().time_since_epoch())
          .count());
}

}  // namespace

int main(int argc, char** argv) {
  const ServerOptions options = ParseServerOptions(argc, argv);

  // Blocked before any thread starts, so that only sigwait() below gets them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  kv::Store store(FirstVersion());
  kv::KeyValueService service(&store,
                              std::chrono::milliseconds(options.slow_scan_ms));
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "kv_server: cannot serve at " << options.address
              << "; is another server there? Try --listen with another port.\n";
    return 1;
  }
  std::cout << "listening on " << WithPort(options.address, port) << std::endl;

  int signal = 0;
  sigwait(&stop_signals, &signal);
  std::cout << "stopping" << std::endl;
  server->Shutdown();
  return 0;
}
