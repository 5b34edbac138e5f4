// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/dispatch_policy.h"

#include <algorithm>

namespace lauberhorn::nic {
namespace {

// How long a call may be queued before something must change.
constexpr Nanos kTargetDelay = kMillisecond;

// A method below this is short: waiting for it costs less than a wake.
constexpr Nanos kShortMethod = 10 * kMicrosecond;

constexpr Nanos kStageLimit = 50 * kMicrosecond;

// What a wake costs all in all, until the woken thread runs.
constexpr Nanos kWakeWorth = 50 * kMicrosecond;

constexpr Nanos kTakeLimit = 30 * kMicrosecond;
constexpr std::uint32_t kMostDoublings = 10;

constexpr Nanos kRunLimit = kMillisecond;

// One thread that works and one that is there when it blocks stay for ever;
// others go home when they had nothing to do for so long.
constexpr std::uint32_t kKeptWaiting = 2;
constexpr Nanos kIdleThread = 10 * kSecond;

// Of a mean: how much of it a new value is.
constexpr Nanos kMeanWeight = 8;

}  // namespace

DispatchPolicy::DispatchPolicy() { means_.fill(kNever); }

Nanos DispatchPolicy::WakeFrom(const DispatchLoad& load) const {
  if (load.queued == 0 || load.waking) return kNever;
  if (!IsBeyondLimit(load)) {
    const bool soon = load.running > 0 && load.work < kWakeWorth * load.running;
    return soon ? load.head_since + kStageLimit : 0;
  }
  return std::max(load.head_since, beyond_limit_) + kTargetDelay;
}

Nanos DispatchPolicy::RefuseFrom(const DispatchLoad& load) const {
  if (load.queued == 0 || load.serving < limits_.threads ||
      load.left < load.serving) {
    return kNever;
  }
  return load.head_since + kTargetDelay;
}

std::uint32_t DispatchPolicy::StageDepth(std::uint64_t method,
                                         const DispatchLoad& load,
                                         std::uint32_t slots) const {
  // The slots of the call that runs, and of the one that is to be taken next
  // by the NIC, are never staged into.
  if (load.waking || slots <= 2 || Mean(method) >= kShortMethod) return 0;
  return load.queued > load.running ? slots - 2 : 1;
}

Nanos DispatchPolicy::stage_limit() const { return kStageLimit; }

Nanos DispatchPolicy::TakeLimit(std::uint32_t revokes) const {
  return kTakeLimit << std::min(revokes, kMostDoublings);
}

Nanos DispatchPolicy::RunLimit() const { return kRunLimit; }

void DispatchPolicy::Ran(std::uint64_t method, Nanos time) {
  Nanos& mean = means_[Bucket(method)];
  mean = mean == kNever ? time : mean - mean / kMeanWeight + time / kMeanWeight;
}

Nanos DispatchPolicy::RetireFrom(std::uint32_t waiting, Nanos since) const {
  return waiting > kKeptWaiting ? since + kIdleThread : kNever;
}

}  // namespace lauberhorn::nic
