// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Dispatcher on a machine whose kernel says which thread is on which CPU.
//
// A wake is under way from the fill until the message is taken, the thread is
// seen on a CPU, its RUN is refused, it is too late, or it ends: `waking_`, one
// of a process at a time.

#include <algorithm>
#include <cstdint>

#include "abi/host/message.h"
#include "nic/dispatcher.h"

namespace lauberhorn::nic {
namespace {

// How soon to look again whether a thread has taken its call, or a CPU is free:
// nobody says so to a NIC that sleeps.
constexpr Nanos kWordsLook = 20 * kMicrosecond;

}  // namespace

void Dispatcher::OnCame(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  if (waking_ == endpoint) waking_ = kNone;
  if (!state.here) here_.push_back(endpoint);
  state.here = true;
}

void Dispatcher::OnLeft(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  if (cpus_->IsDead(endpoint)) {
    state.slow = false;
    // Mostly its process ends with it: callers get what they would get then.
    return Abandon(endpoint, absl::StatusCode::kUnavailable);
  }
  // Rule 7: what it left for came before it went to sleep.
  if (waking_ == endpoint && channels_.NewestWaits(Serve(endpoint))) return;
  // Rule 8: its other CPU will tell.
  if (cpus_->IsOnCpu(endpoint)) return;
  state.slow = false;  // rule 10; while it was on the CPU nobody asked
  if (waking_ == endpoint) waking_ = kNone;
  // Rule 6: also what is staged behind a handler that was preempted.
  bool any = false;
  while (TakeBack(endpoint)) {
    counters_.takes_left.Add();
    any = true;
  }
  if (any) Credit(endpoint, 0);
}

void Dispatcher::OnRefused(std::uint32_t endpoint) {
  endpoints_[endpoint].slow = false;  // nobody was woken who could be late
  if (waking_ != endpoint) return;
  waking_ = kNone;
  if (TakeBack(endpoint)) StartWaitingLast(endpoint);
}

// Rules 9 and 10: the thread is slow, not its process.
void Dispatcher::TakeBackFromLateWake() {
  if (waking_ == kNone) return;
  const std::uint32_t endpoint = waking_;
  Endpoint& state = endpoints_[endpoint];
  if (state.newest == kNone) return;
  if (now_ < calls_[state.newest].since + policy_.RunLimit()) return;
  waking_ = kNone;
  if (!TakeBack(endpoint)) return;
  counters_.wakes_late.Add();
  state.slow = true;
  StartWaitingLast(endpoint);
}

std::uint32_t Dispatcher::WaiterOnCpu() {
  std::uint32_t waiter = kNone;
  for (std::size_t at = here_.size(); at > 0; --at) {
    const std::uint32_t endpoint = here_[at - 1];
    Endpoint& state = endpoints_[endpoint];
    if (!cpus_->IsOnCpu(endpoint)) {
      state.here = false;
      here_[at - 1] = here_.back();
      here_.pop_back();
    } else if (state.waiting && !channels_.IsParked(Serve(endpoint)) &&
               (waiter == kNone ||
                state.progress > endpoints_[waiter].progress)) {
      waiter = endpoint;
    }
  }
  return waiter != kNone && cpus_->MayKeep(now_) ? waiter : kNone;
}

std::uint32_t Dispatcher::Sleeper() {
  for (std::size_t at = waiting_.size(); at > 0; --at) {
    const std::uint32_t endpoint = waiting_[at - 1];
    const bool parked = channels_.IsParked(Serve(endpoint));
    // What was taken back from it left its slot FREE: it has come since, though
    // it was on no CPU that anybody tells of.
    if (parked) endpoints_[endpoint].slow = false;
    if (!endpoints_[endpoint].slow && cpus_->MayRun(endpoint, parked)) {
      return endpoint;
    }
  }
  return kNone;
}

bool Dispatcher::FellAsleep(std::uint32_t endpoint) {
  if (!fell_asleep_) return false;
  fell_asleep_ = false;
  if (!TakeBack(endpoint)) return false;
  Credit(endpoint, 0);
  return true;
}

bool Dispatcher::GiveFirstByWords() {
  const std::uint32_t awake = WaiterOnCpu();
  if (awake != kNone) {
    if (GiveFirstTo(awake)) (void)FellAsleep(awake);
    return true;
  }
  return GiveToSleeper() || (cpus_->MayKeep(now_) && Stage());
}

bool Dispatcher::GiveToSleeper() {
  const DispatchLoad load = Load();
  if (policy_.WakeFrom(load) > now_) return false;
  const std::uint32_t endpoint = Sleeper();
  if (endpoint == kNone) return false;
  cpus_->SetBusy(true);
  cpus_->Claim(calls_[first_].since);
  std::uint8_t kind = LH_KIND_RUN;
  std::uint32_t cpu = cpus_->FreeCpu(endpoint, now_);
  if (cpu == ProcessCpus::kNone) {
    kind = LH_KIND_PREEMPT;
    cpu = cpus_->CpuToTake(endpoint, now_);
  }
  if (cpu == ProcessCpus::kNone) return false;
  if (policy_.IsBeyondLimit(load)) policy_.WokeBeyondLimit(now_);
  if (GiveFirstTo(endpoint, true)) {
    counters_.calls_run.Add();
    cpus_->Ask(kind, endpoint, cpu, now_);
  }
  return true;
}

// What there is to do, and whether another CPU would be of use.
void Dispatcher::TellShares() {
  const bool busy = first_ != kNone || running_ > 0;
  cpus_->SetBusy(busy);
  if (!busy) return;
  if (first_ != kNone && waking_ == kNone && Sleeper() != kNone) {
    cpus_->Claim(calls_[first_].since);
  } else {
    cpus_->Withdraw();
  }
}

Nanos Dispatcher::NextByWords() {
  // It is to see it if one of them leaves its CPU before it takes.
  std::size_t kept = 0;
  for (const std::uint32_t endpoint : untaken_) {
    Endpoint& state = endpoints_[endpoint];
    state.untaken =
        state.newest != kNone && channels_.NewestWaits(Serve(endpoint));
    if (state.untaken) untaken_[kept++] = endpoint;
  }
  untaken_.resize(kept);
  Nanos next = kept > 0 ? now_ + kWordsLook : kNever;
  if (waking_ != kNone) {
    next = now_ + kWordsLook;
    const std::uint32_t call = endpoints_[waking_].newest;
    if (call != kNone) {
      next = std::min(next, calls_[call].since + policy_.RunLimit());
    }
  }
  return next;
}

}  // namespace lauberhorn::nic
