// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// The floor by itself: a line that is bounced, and a 64-byte echo, between CPU
// 0 and CPU 1. channel_floor and dispatch_floor measure it in each of their
// rounds; this is for a look at the machine.

#include "bench/floor.h"

#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>

#include "bench/cpu.h"

namespace lauberhorn::bench {
namespace {

constexpr int kBatch = 1000;

// `host` and `partner` make kBatch exchanges each time.
void Between(benchmark::State& state, void (Floor::*host)(int),
             void (Floor::*partner)(int)) {
  // Before this thread is pinned, for all runs.
  static const bool kBoth = MayRunOn(0) && MayRunOn(1);
  if (!kBoth || !Pin(0)) {
    state.SkipWithError("needs CPU 0 and CPU 1, and may not run on both");
    return;
  }
  Floor floor;
  // Batches that were begun; -1 ends the partner.
  std::atomic<int> begun{0};
  std::thread thread([&] {
    Pin(1);
    for (int batch = 1;; ++batch) {
      int seen;
      do {
        seen = begun.load(std::memory_order_acquire);
      } while (seen != -1 && seen < batch);
      if (seen == -1) return;
      (floor.*partner)(kBatch);
    }
  });
  int batches = 0;
  while (state.KeepRunningBatch(kBatch)) {
    begun.store(++batches, std::memory_order_release);
    (floor.*host)(kBatch);
  }
  begun.store(-1, std::memory_order_release);
  thread.join();
}

BENCHMARK_CAPTURE(Between, Bounce, &Floor::BounceHost, &Floor::BouncePartner)
    ->UseRealTime();
BENCHMARK_CAPTURE(Between, Echo, &Floor::EchoHost, &Floor::EchoPartner)
    ->UseRealTime();

}  // namespace
}  // namespace lauberhorn::bench
