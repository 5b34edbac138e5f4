// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// What Dispatcher puts into the lanes of endpoints, and what it takes back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nic/dispatcher.h"

namespace lauberhorn::nic {
namespace {

// How soon to look whether a thread that is awake has taken its call: nearly
// always it has, and a look at its line before would only be in its way.
constexpr Nanos kFirstLook = 3 * kMicrosecond;

// Among so many running handlers one is chosen to stage a call behind.
constexpr std::size_t kStageCandidates = 8;

}  // namespace

void Dispatcher::DispatchQueued() {
  if (waking_ != kNone && !channels_.NewestWaits(Serve(waking_))) {
    waking_ = kNone;
  }
  if (!staged_.empty()) TakeBackStaged();
  if (cpus_ != nullptr) {
    while (first_ != kNone && GiveFirstByWords()) {
    }
    return TellShares();
  }
  if (waking_ != kNone) TakeBackFromWoken();
  while (first_ != kNone && GiveFirst()) {
  }
}

bool Dispatcher::GiveFirst() {
  const bool awake = AwakeWaiter() != kNone;
  if (!awake && Stage()) return true;  // cheaper than a wake
  if (waiting_.empty()) return false;
  const std::uint32_t endpoint = waiting_.back();
  if (!awake) {
    const DispatchLoad load = Load();
    if (policy_.WakeFrom(load) > now_) return false;
    if (policy_.IsBeyondLimit(load)) policy_.WokeBeyondLimit(now_);
  }
  (void)GiveFirstTo(endpoint);
  return true;
}

// False: nobody waits there, and no more is expected of it.
bool Dispatcher::GiveFirstTo(std::uint32_t endpoint, bool asleep) {
  const std::uint32_t call = first_;
  if (Deliver(endpoint, call, asleep)) {
    Unqueue(call);
    return true;
  }
  // Closed by its thread, or broken.
  counters_.deliveries_failed.Add();
  if (endpoints_[endpoint].waiting) StopWaiting(endpoint);
  if (endpoints_[endpoint].held == 0) {
    Forget(endpoint);
  } else {
    endpoints_[endpoint].credit = 0;
  }
  return false;
}

// Puts the first of the queue behind a running handler, if that is wise.
bool Dispatcher::Stage() {
  std::uint32_t best = kNone;
  std::size_t seen = 0;
  for (std::size_t at = busy_.size(); at > 0 && seen < kStageCandidates; --at) {
    const std::uint32_t endpoint = busy_[at - 1];
    Endpoint& state = endpoints_[endpoint];
    if (state.held == 0) {
      state.busy = false;
      busy_[at - 1] = busy_.back();
      busy_.pop_back();
      continue;
    }
    ++seen;
    if (!state.running || state.retire || state.credit > 0 ||
        (cpus_ != nullptr && !cpus_->IsOnCpu(endpoint)) ||
        state.progress + policy_.stage_limit() <= now_) {
      continue;
    }
    const auto depth = static_cast<std::int32_t>(
        policy_.StageDepth(state.method, Load(), region_.options().slots));
    if (-state.credit < depth &&
        (best == kNone || state.credit > endpoints_[best].credit)) {
      best = endpoint;
    }
  }
  if (best == kNone) return false;
  const std::uint32_t call = first_;
  if (!Deliver(best, call)) return false;
  Unqueue(call);
  counters_.calls_staged.Add();
  return true;
}

bool Dispatcher::Deliver(std::uint32_t endpoint, std::uint32_t call,
                         bool asleep) {
  Call& entry = calls_[call];
  Endpoint& state = endpoints_[endpoint];
  const bool staged = state.credit <= 0;
  const bool last = waiting_.size() == (state.waiting ? 1u : 0u);
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = lh_handle(call, entry.generation);
  header.code = entry.target.code;
  header.data = entry.target.data;
  header.aux = entry.target.index;
  header.deadline = entry.deadline == kNever ? 0 : entry.deadline;
  if (last && serving_ < policy_.limits().threads) {
    header.flags = LH_FLAG_GROW;
  }
  bool woken = false;
  if (!channels_.DeliverBody(Serve(endpoint), header,
                             Kept(bodies_[call], entry.size), &woken)) {
    return false;
  }
  if (cpus_ != nullptr) {
    fell_asleep_ = woken && !asleep;
    woken = asleep;
    cpus_->Given(now_);
  }
  entry.state = kDelivered;
  entry.since = now_;
  entry.endpoint = endpoint;
  entry.woken = woken;
  entry.below = state.newest;
  --state.credit;
  if (state.held++ == 0) state.progress = now_;
  state.newest = call;
  state.method = entry.method;
  Recount(state);
  if (state.waiting && state.credit <= 0) StopWaiting(endpoint);
  const auto add = [endpoint](std::vector<std::uint32_t>& list, bool& in_it) {
    if (!in_it) list.push_back(endpoint);
    in_it = true;
  };
  add(busy_, state.busy);
  Note(woken    ? Station::woken
       : staged ? Station::staged
                : Station::delivered,
       call);
  if (staged) {
    add(staged_, state.staged);
  } else if (woken) {
    counters_.calls_delivered_wake.Add();
    waking_ = endpoint;
  } else {
    counters_.calls_delivered.Add();
    add(untaken_, state.untaken);
  }
  return true;
}

// Taking back.

bool Dispatcher::TakeBack(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  const std::uint32_t call = state.newest;
  // Without `newest` its thread has answered what it had not taken.
  if (call == kNone || !channels_.Revoke(Serve(endpoint))) return false;
  Call& entry = calls_[call];
  counters_.calls_revoked.Add();
  Note(Station::taken_back, call);
  if (entry.revokes < 255) ++entry.revokes;
  ++state.credit;
  --state.held;
  state.newest = kNone;
  // The one before it, if that is not answered.
  if (entry.below != kNone && calls_[entry.below].state == kDelivered &&
      calls_[entry.below].endpoint == endpoint) {
    state.newest = entry.below;
  }
  Recount(state);
  if (entry.ended) {
    End(call, 0, {});  // nobody waits for it
  } else {
    EnqueueFirst(call);
  }
  if (state.retire && state.held == 0) SendRetire(endpoint);
  return true;
}

void Dispatcher::Recall(std::uint32_t call) {
  if (calls_[call].state != kDelivered) return;
  const std::uint32_t endpoint = calls_[call].endpoint;
  if (endpoints_[endpoint].newest == call && TakeBack(endpoint)) {
    Credit(endpoint, 0);
  }
}

void Dispatcher::TakeBackAll(std::uint32_t endpoint) {
  while (TakeBack(endpoint)) {
  }
}

// What is staged behind a handler that takes too long, or while somebody waits
// for work.
void Dispatcher::TakeBackStaged() {
  const bool wanted = first_ == kNone && AwakeWaiter() != kNone;
  std::size_t kept = 0;
  for (const std::uint32_t endpoint : staged_) {
    Endpoint& state = endpoints_[endpoint];
    if (state.credit < 0 &&
        (wanted || state.progress + policy_.stage_limit() <= now_)) {
      while (state.credit < 0 && TakeBack(endpoint)) {
      }
    }
    if (state.credit < 0) {
      staged_[kept++] = endpoint;
    } else {
      state.staged = false;
    }
  }
  staged_.resize(kept);
}

// A wake takes long: whoever waits meanwhile gets the call.
void Dispatcher::TakeBackFromWoken() {
  if (first_ != kNone || AwakeWaiter() == kNone) return;
  const std::uint32_t endpoint = waking_;
  if (!TakeBack(endpoint)) return;
  waking_ = kNone;
  StartWaitingLast(endpoint);
}

// A thread that was awake and did not take its call was preempted.
void Dispatcher::TakeBackLate() {
  std::size_t kept = 0;
  for (const std::uint32_t endpoint : untaken_) {
    Endpoint& state = endpoints_[endpoint];
    bool keep = state.newest != kNone;
    if (keep && !waiting_.empty()) {
      const Call& entry = calls_[state.newest];
      if (entry.since + policy_.TakeLimit(entry.revokes) <= now_) {
        keep = false;
        if (TakeBack(endpoint)) {
          counters_.takes_late.Add();
          StartWaitingLast(endpoint);
        }
      }
    }
    if (keep) {
      untaken_[kept++] = endpoint;
    } else {
      state.untaken = false;
    }
  }
  untaken_.resize(kept);
}

// When a thread that was awake must have taken its call, at the earliest.
Nanos Dispatcher::NextTake() {
  Nanos next = kNever;
  std::size_t kept = 0;
  for (const std::uint32_t endpoint : untaken_) {
    Endpoint& state = endpoints_[endpoint];
    state.untaken = false;
    if (state.newest == kNone) continue;
    const Call& entry = calls_[state.newest];
    if (now_ < entry.since + kFirstLook) {
      next = std::min(next, entry.since + kFirstLook);
    } else if (channels_.NewestWaits(Serve(endpoint))) {
      next = std::min(next, entry.since + policy_.TakeLimit(entry.revokes));
    } else {
      continue;
    }
    state.untaken = true;
    untaken_[kept++] = endpoint;
  }
  untaken_.resize(kept);
  return next;
}

}  // namespace lauberhorn::nic
