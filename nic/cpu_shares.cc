// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/cpu_shares.h"

#include <algorithm>

namespace lauberhorn::nic {
namespace {

// How long a call may be queued before something must change.
constexpr Nanos kTargetDelay = kMillisecond;
constexpr std::uint64_t kTooLate = 100;  // times that

// To change hands costs a CPU some microseconds.
constexpr Nanos kQuantum = 200 * kMicrosecond;

}  // namespace

CpuShares::CpuShares(std::uint32_t processes) : processes_(processes) {
  busy_.reserve(processes);
  preempted_.reserve(processes);
}

void CpuShares::Begin(std::uint32_t process, std::uint32_t weight) {
  Idle(process);
  processes_[process] = {.time = floor_, .weight = weight};
}

void CpuShares::Busy(std::uint32_t process) {
  Process& entry = processes_[process];
  if (entry.busy) return;
  entry.busy = true;
  entry.time = std::max(entry.time, floor_);
  busy_.push_back(process);
}

void CpuShares::Idle(std::uint32_t process) {
  Withdraw(process);
  if (!processes_[process].busy) return;
  processes_[process].busy = false;
  busy_.erase(std::find(busy_.begin(), busy_.end(), process));
}

void CpuShares::Charge(std::uint32_t process, Nanos time) {
  Process& entry = processes_[process];
  entry.time += time * kUnit / entry.weight;
  // The floor follows whoever is furthest behind.
  std::uint64_t least = entry.time;
  for (const std::uint32_t other : busy_) {
    least = std::min(least, processes_[other].time);
  }
  floor_ = std::max(floor_, least);
}

std::uint64_t CpuShares::Lateness(const Process& process, Nanos now) {
  const Nanos since = std::max(process.since, process.given);
  const std::uint64_t targets = now < since ? 0 : (now - since) / kTargetDelay;
  return targets < kTooLate ? 0 : targets;
}

std::uint32_t CpuShares::BestBut(std::uint32_t process, Nanos now) const {
  std::uint32_t best = kNone;
  std::uint64_t lateness = 0;
  if (claims_ == 0) return best;
  for (const std::uint32_t number : busy_) {
    const Process& entry = processes_[number];
    if (number == process || entry.since == kNever) continue;
    const std::uint64_t late = Lateness(entry, now);
    if (best == kNone || late > lateness ||
        (late == lateness && entry.time < processes_[best].time)) {
      best = number;
      lateness = late;
    }
  }
  return best;
}

void CpuShares::SetPreempted(std::uint32_t process) {
  if (processes_[process].preempted) return;
  processes_[process].preempted = true;
  preempted_.push_back(process);
}

void CpuShares::ForgetPreempted() {
  for (const std::uint32_t process : preempted_) {
    processes_[process].preempted = false;
  }
  preempted_.clear();
}

bool CpuShares::IsAheadOfPreempted(std::uint32_t process, Nanos time) const {
  const Process& own = processes_[process];
  return std::any_of(
      preempted_.begin(), preempted_.end(), [&](std::uint32_t other) {
        return own.time > processes_[other].time + time * kUnit / own.weight;
      });
}

bool CpuShares::MayKeep(std::uint32_t process, Nanos now) const {
  if (IsAheadOfPreempted(process, kQuantum)) return false;
  const std::uint32_t best = BestBut(process, now);
  if (best == kNone) return true;
  if (Lateness(processes_[best], now) > 0) return false;
  const Process& own = processes_[process];
  return own.time <= processes_[best].time + kQuantum * kUnit / own.weight;
}

Nanos CpuShares::TakeFrom(std::uint32_t process) const {
  const Process& entry = processes_[process];
  if (entry.since == kNever) return kNever;
  return std::max(entry.since, entry.given) + kTargetDelay;
}

std::uint32_t CpuShares::FurthestAhead(absl::Span<const std::uint32_t> holders,
                                       std::uint32_t claimant) const {
  std::uint32_t place = kNone;
  std::uint64_t furthest = processes_[claimant].time;
  for (std::uint32_t at = 0; at < holders.size(); ++at) {
    if (holders[at] == kNone || holders[at] == claimant) continue;
    const std::uint64_t time = processes_[holders[at]].time;
    if (time > furthest) {
      place = at;
      furthest = time;
    }
  }
  return place;
}

}  // namespace lauberhorn::nic
