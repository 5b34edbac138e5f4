// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The library asks on which CPU it is when a thread begins to look at its line,
// and has found nothing there yet: so this program's answer to that is where a
// thread dawdles.
#include "tests/vm/serve/dawdle.h"

#include <sched.h>

#include <atomic>

#include "absl/time/clock.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn::serve {
namespace {

// Some slices of the scheduler.
constexpr absl::Duration kAway = absl::Milliseconds(20);

std::atomic<RuntimeImpl*> dawdling{nullptr};
std::atomic<std::uint64_t> dawdles{0};
std::atomic<std::uint64_t> gone{0};

// The calling thread's, if it is a worker that waits for a call.
Endpoint* WaitingWorker(RuntimeImpl& runtime) {
  Endpoint* const mine = runtime.Current()->endpoints().FindThisThread();
  if (mine == nullptr || !mine->working || mine->serving_call != 0) {
    return nullptr;
  }
  return mine;
}

void DawdleHere(RuntimeImpl& runtime) {
  thread_local bool every_other = false;
  Endpoint* const worker = WaitingWorker(runtime);
  if (worker == nullptr) return;
  every_other = !every_other;
  if (!every_other) return;
  const __u64* const word = &lh_lane_next(&worker->serve().in)->header.word;
  while (lh_state(lh_load_acquire(word)) != LH_FULL) {
    if (!worker->IsServed()) return;
  }
  const __u64 delivered = lh_load_acquire(word);
  absl::SleepFor(kAway);
  ++dawdles;
  if (lh_load_acquire(word) != delivered) ++gone;
}

}  // namespace

void Dawdle(Runtime& runtime) { dawdling = &RuntimeImpl::From(runtime); }

Dawdles CountDawdles() { return {dawdles, gone}; }

}  // namespace lauberhorn::serve

// In the place of the C library's.
extern "C" int sched_getcpu() noexcept {
  lauberhorn::RuntimeImpl* const runtime = lauberhorn::serve::dawdling;
  if (runtime != nullptr) lauberhorn::serve::DawdleHere(*runtime);
  unsigned int cpu = 0;
  return getcpu(&cpu, nullptr) == 0 ? static_cast<int>(cpu) : -1;
}
