// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/load_process.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "bench/cpu.h"

namespace lauberhorn::bench {
namespace {

constexpr useconds_t kSettle =
    1000;  // microseconds, for threads to go to sleep

// Orders and answers are a byte each way; what they are about is shared.
bool Tell(int socket) {
  const char byte = 0;
  return send(socket, &byte, 1, MSG_NOSIGNAL) == 1;
}

bool WaitToBeTold(int socket) {
  char byte;
  ssize_t size;
  do {
    size = recv(socket, &byte, 1, 0);
  } while (size < 0 && errno == EINTR);
  return size == 1;
}

// This process's threads but for the one that samples.
ThreadUsages SampleOthers() {
  ThreadUsages threads = SampleThreads(getpid());
  threads.erase(gettid());
  return threads;
}

template <std::size_t kSize>
void CopyText(absl::string_view from, char (&to)[kSize]) {
  const std::size_t size = std::min(from.size(), kSize - 1);
  std::memcpy(to, from.data(), size);
  to[size] = 0;
}

}  // namespace

struct LoadProcess::Shared {
  static constexpr std::size_t kMostThreads = 64;  // names of both processes
  struct Used {
    bool by_server;
    char name[32];
    Usage usage;
  };

  Load load;

  absl::StatusCode code;
  char text[256];
  LoadResult result;
  std::size_t used_count;
  Used used[kMostThreads];

  void Fill(bool by_server, const ThreadUsages& before,
            const ThreadUsages& after) {
    for (const auto& [name, usage] : UsageBetween(before, after)) {
      if (used_count == kMostThreads) return;
      Used& one = used[used_count++];
      one.by_server = by_server;
      CopyText(name, one.name);
      one.usage = usage;
    }
  }

  // In the client's process, for one order.
  void Answer(LoadGenerator& generator, Peer& peer, pid_t server) {
    peer.Resume();
    absl::Status status = generator.Prepare(load);
    result = LoadResult();
    used_count = 0;
    if (status.ok()) {
      const ThreadUsages client_before = SampleOthers();
      const ThreadUsages server_before = SampleThreads(server);
      status = generator.Run(load, &result);
      peer.Pause();
      usleep(kSettle);
      Fill(true, server_before, SampleThreads(server));
      Fill(false, client_before, SampleOthers());
    }
    peer.Pause();
    code = status.code();
    CopyText(status.message(), text);
  }
};

LoadProcess::LoadProcess(std::unique_ptr<Peer> peer, Shared* shared)
    : peer_(std::move(peer)), shared_(shared) {}

absl::StatusOr<std::unique_ptr<LoadProcess>> LoadProcess::Start(
    const PeerKind& kind, const Message& message, int client_cpu,
    int server_cpu) {
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return absl::ResourceExhaustedError("no memory");
  auto process = absl::WrapUnique(
      new LoadProcess(kind.make(message), new (memory) Shared));
  Peer& peer = *process->peer_;
  auto server = ForkedServer::Start(
      server_cpu, [&peer](const ForkedServer::UntilStopped& until_stopped) {
        return peer.Serve(until_stopped);
      });
  if (!server.ok()) return server.status();
  process->server_ = *std::move(server);
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) {
    return absl::ResourceExhaustedError("no socket");
  }
  std::fflush(nullptr);  // what is buffered is not to be written twice
  const pid_t client = fork();
  if (client == 0) {
    close(sockets[0]);
    if (client_cpu != ForkedServer::kAnyCpu && !Pin(client_cpu)) _exit(1);
    {
      LoadGenerator generator(kind, peer, process->server_->port());
      while (WaitToBeTold(sockets[1])) {
        process->shared_->Answer(generator, peer, process->server_->pid());
        if (!Tell(sockets[1])) break;
      }
    }
    _exit(0);
  }
  close(sockets[1]);
  process->socket_ = sockets[0];
  process->client_ = client;
  if (client < 0) return absl::ResourceExhaustedError("no process");
  return process;
}

LoadProcess::~LoadProcess() {
  if (socket_ >= 0) close(socket_);
  if (client_ > 0) {
    while (waitpid(client_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  server_.reset();
  munmap(shared_, sizeof(*shared_));
}

absl::Status LoadProcess::Run(const Load& load, LoadOutcome* outcome) {
  shared_->load = load;
  if (!Tell(socket_) || !WaitToBeTold(socket_)) {
    return absl::AbortedError("the client's process has ended");
  }
  outcome->result.latencies.Add(shared_->result.latencies);
  outcome->result.seconds += shared_->result.seconds;
  outcome->result.unsent += shared_->result.unsent;
  for (std::size_t i = 0; i < shared_->used_count; ++i) {
    const Shared::Used& used = shared_->used[i];
    outcome->usage[{used.by_server ? "server" : "client", used.name}] +=
        used.usage;
  }
  return absl::Status(shared_->code, shared_->text);
}

}  // namespace lauberhorn::bench
