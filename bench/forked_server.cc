// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/forked_server.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "bench/cpu.h"

namespace lauberhorn::bench {
namespace {

// In the child: `report` gets the port, `stop` ends when the owner goes.
int RunChild(int cpu, int report, int stop, const ForkedServer::Serve& serve) {
  if (cpu != ForkedServer::kAnyCpu && !Pin(cpu)) return 1;
  return serve([report, stop](int port) {
    if (write(report, &port, sizeof(port)) != sizeof(port)) return;
    char byte;
    while (read(stop, &byte, 1) < 0 && errno == EINTR) {
    }
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<ForkedServer>> ForkedServer::Start(
    int cpu, const Serve& serve) {
  int report[2];
  if (pipe(report) != 0) return absl::ResourceExhaustedError("no pipe");
  int stop[2];
  if (pipe(stop) != 0) {
    close(report[0]);
    close(report[1]);
    return absl::ResourceExhaustedError("no pipe");
  }
  const pid_t child = fork();
  if (child == 0) {
    close(report[0]);
    close(stop[1]);
    _exit(RunChild(cpu, report[1], stop[0], serve));
  }
  close(report[1]);
  close(stop[0]);
  if (child < 0) {
    close(report[0]);
    close(stop[1]);
    return absl::ResourceExhaustedError("no process");
  }
  auto server = absl::WrapUnique(new ForkedServer(child, stop[1]));
  ssize_t size;
  do {
    size = read(report[0], &server->port_, sizeof(server->port_));
  } while (size < 0 && errno == EINTR);
  close(report[0]);
  if (size != sizeof(server->port_)) {
    return absl::UnavailableError("the server did not start");
  }
  return server;
}

ForkedServer::~ForkedServer() {
  close(stop_);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace lauberhorn::bench
