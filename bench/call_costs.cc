// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/call_costs.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <utility>

#include "bench/allocation_counter.h"
#include "bench/syscall_counter.h"

namespace lauberhorn::bench {
namespace {

// A client in this process, and its server in another.
class Pair {
 public:
  Pair(const PeerKind& kind, const Message& message)
      : peer_(kind.make(message)) {}
  ~Pair() {
    client_.reset();
    if (server_ != nullptr) peer_->Pause();
  }

  absl::Status Start() {
    auto server = ForkedServer::Start(
        ForkedServer::kAnyCpu,
        [this](const ForkedServer::UntilStopped& until_stopped) {
          return peer_->Serve(until_stopped);
        });
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    EchoClientOr client = peer_->Connect(server_->port());
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    peer_->Resume();
    return absl::OkStatus();
  }

  absl::Status Calls(int count) {
    absl::Status status;
    while (count-- > 0 && status.ok()) status = client_->Call();
    return status;
  }

 private:
  const std::unique_ptr<Peer> peer_;
  std::unique_ptr<ForkedServer> server_;
  std::unique_ptr<EchoClient> client_;
};

// Of both processes of the counted run.
using Counter = std::atomic<std::uint64_t>;

// In a child.
int CountedCalls(const PeerKind& kind, const Message& message, int calls,
                 Counter* all, Counter* counted) {
  CountAllocationsIn(all);
  Pair pair(kind, message);
  absl::Status status = pair.Start();
  if (status.ok()) status = pair.Calls(calls);
  const std::uint64_t before = all->load();
  BeginCounting();
  if (status.ok()) status = pair.Calls(calls);
  EndCounting();
  counted->store(all->load() - before);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", kind.name, status.ToString().c_str());
  return 1;
}

}  // namespace

absl::Status MakeCalls(const PeerKind& kind, const Message& message,
                       int calls) {
  Pair pair(kind, message);
  const absl::Status status = pair.Start();
  return status.ok() ? pair.Calls(calls) : status;
}

absl::StatusOr<CallCosts> CountCosts(const PeerKind& kind,
                                     const Message& message, int calls) {
  constexpr std::size_t kSize = 2 * sizeof(Counter);
  void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return absl::ResourceExhaustedError("no memory");
  Counter* const counters = new (memory) Counter[2];
  const absl::StatusOr<std::uint64_t> syscalls = CountSyscalls([&] {
    return CountedCalls(kind, message, calls, &counters[0], &counters[1]);
  });
  const auto allocations = static_cast<double>(counters[1].load());
  munmap(memory, kSize);
  if (!syscalls.ok()) return syscalls.status();
  return CallCosts{allocations / calls, static_cast<double>(*syscalls) / calls};
}

}  // namespace lauberhorn::bench
