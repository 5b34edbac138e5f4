// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/floor_partner.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "bench/cpu.h"

namespace lauberhorn::bench {

struct FloorPartner::Shared {
  Floor floor;
  What what = kBounce;
  int count = 0;
  int wake = -1;  // eventfd
  std::atomic<std::uint32_t> asked{0};
  std::atomic<std::uint32_t> begun{0};
  std::atomic<std::uint32_t> done{0};
  std::atomic<std::int64_t> switches{0};
};

absl::StatusOr<std::unique_ptr<FloorPartner>> FloorPartner::Start(int cpu) {
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError("no memory for the floor's lines");
  }
  auto* const shared = new (memory) Shared;
  auto partner = absl::WrapUnique(new FloorPartner(shared));
  shared->wake = eventfd(0, EFD_CLOEXEC);
  if (shared->wake < 0) return absl::ResourceExhaustedError("no eventfd");
  auto process = ForkedServer::Start(
      cpu, [shared](const ForkedServer::UntilStopped& until_stopped) {
        std::thread([shared] { Serve(shared); }).detach();  // until it ends
        until_stopped(0);
        return 0;
      });
  if (!process.ok()) return process.status();
  partner->process_ = *std::move(process);
  return partner;
}

FloorPartner::~FloorPartner() {
  process_.reset();
  if (shared_->wake >= 0) close(shared_->wake);
  munmap(shared_, sizeof(*shared_));
}

void FloorPartner::Serve(Shared* shared) {
  for (std::uint64_t value;
       read(shared->wake, &value, sizeof(value)) == sizeof(value);) {
    const std::int64_t before = Switches();
    const std::uint32_t asked = shared->asked.load(std::memory_order_acquire);
    shared->begun.store(asked, std::memory_order_release);
    if (shared->what == kBounce) {
      shared->floor.BouncePartner(shared->count);
    } else {
      shared->floor.EchoPartner(shared->count);
    }
    shared->switches.fetch_add(Switches() - before, std::memory_order_relaxed);
    shared->done.store(asked, std::memory_order_release);
  }
}

double FloorPartner::Turn(What what, int count) {
  using Clock = std::chrono::steady_clock;
  shared_->what = what;
  shared_->count = count;
  const std::uint32_t asked =
      shared_->asked.fetch_add(1, std::memory_order_release) + 1;
  const std::uint64_t one = 1;
  (void)!write(shared_->wake, &one, sizeof(one));
  while (shared_->begun.load(std::memory_order_acquire) != asked) Relax();
  const Clock::time_point start = Clock::now();
  if (what == kBounce) {
    shared_->floor.BounceHost(count);
  } else {
    shared_->floor.EchoHost(count);
  }
  const std::chrono::duration<double, std::nano> time = Clock::now() - start;
  while (shared_->done.load(std::memory_order_acquire) != asked) Relax();
  return time.count() / count;
}

std::int64_t FloorPartner::switches() const {
  return shared_->switches.load(std::memory_order_relaxed);
}

}  // namespace lauberhorn::bench
