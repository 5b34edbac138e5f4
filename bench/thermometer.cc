// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/thermometer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "bench/cpu.h"

namespace lauberhorn::bench {
namespace {

constexpr int kTries = 2;  // the least counts: others may run in between
constexpr int kExchanges = 100;

template <typename Code>
double NanosecondsOfOne(Code code) {
  const auto start = std::chrono::steady_clock::now();
  code();
  const std::chrono::duration<double, std::nano> time =
      std::chrono::steady_clock::now() - start;
  return time.count() / kExchanges;
}

}  // namespace

bool Thermometer::Read() {
  if (!Pin(here_) || !MayRunOn(here_)) return false;
  std::atomic<int> pinned{-1};
  std::thread partner([this, &pinned] {
    const bool there = Pin(there_);
    pinned.store(there ? 1 : 0);
    if (!there) return;
    for (int i = 0; i < kTries; ++i) {
      floor_->BouncePartner(kExchanges);
      floor_->EchoPartner(kExchanges);
    }
  });
  while (pinned.load() < 0) Relax();
  bounce_ns_ = floor_ns_ = 1e9;
  for (int i = 0; i < kTries && pinned.load() == 1; ++i) {
    bounce_ns_ =
        std::min(bounce_ns_,
                 NanosecondsOfOne([this] { floor_->BounceHost(kExchanges); }));
    floor_ns_ = std::min(
        floor_ns_, NanosecondsOfOne([this] { floor_->EchoHost(kExchanges); }));
  }
  partner.join();
  return pinned.load() == 1;
}

}  // namespace lauberhorn::bench
