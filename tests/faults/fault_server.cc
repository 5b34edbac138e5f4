// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A server that writes down what it runs, one line for each call, so that a
// test can count over crashes and restarts: "run ID" when a handler begins,
// "ok ID" before it answers, "cancelled ID" when it learns that nobody waits.
// Each line is one write to a file that is only appended to: what was written
// stays when the process is killed.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn {
namespace {

int journal = -1;

void Write(absl::string_view what, absl::string_view id) {
  const std::string line = absl::StrCat(what, " ", id, "\n");
  if (write(journal, line.data(), line.size()) !=
      static_cast<ssize_t>(line.size())) {
    std::perror("fault_server: cannot write the journal");
    std::abort();
  }
}

std::string IdOf(const ServerCall& call) {
  return {call.request().begin(), call.request().end()};
}

// Answers with the id.
void Count(void*, ServerCall& call) {
  const std::string id = IdOf(call);
  Write("run", id);
  Write("ok", id);
  std::uint8_t* const reply = call.ReserveReply(id.size());
  if (reply == nullptr) return;
  id.copy(reinterpret_cast<char*>(reply), id.size());
  call.Reply();
}

// Never answers as long as anybody waits.
void Hang(void*, ServerCall& call) {
  const std::string id = IdOf(call);
  Write("run", id);
  while (!call.IsCancelled()) absl::SleepFor(absl::Milliseconds(5));
  Write("cancelled", id);
  call.Fail(absl::StatusCode::kCancelled, "nobody waited");
}

int Main(const char* address, const char* path) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // inherited by all threads

  journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (journal < 0) {
    std::perror("fault_server: cannot open the journal");
    return 1;
  }
  auto runtime = Runtime::Open({});
  if (!runtime.ok()) {
    std::fprintf(stderr, "%s\n", runtime.status().ToString().c_str());
    return 1;
  }
  auto server = Server::Create(*runtime);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return 1;
  }
  const Method methods[] = {{"/faults.Faults/Count", &Count},
                            {"/faults.Faults/Hang", &Hang}};
  const absl::Status added = (*server)->AddService(methods, nullptr);
  const absl::StatusOr<int> port =
      added.ok() ? (*server)->Listen(address) : absl::StatusOr<int>(added);
  if (!port.ok()) {
    std::fprintf(stderr, "%s\n", port.status().ToString().c_str());
    return 1;
  }
  std::printf("listening on %d\n", *port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  (*server)->Shutdown();
  return 0;
}

}  // namespace
}  // namespace lauberhorn

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: fault_server ADDRESS JOURNAL\n", stderr);
    return 2;
  }
  return lauberhorn::Main(argv[1], argv[2]);
}
