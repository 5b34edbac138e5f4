// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/dispatcher.h"

#include <algorithm>

namespace lauberhorn::nic {

Dispatcher::Dispatcher(Region& region, ChannelTable& channels,
                       Counters& counters, Handler& handler, ProcessCpus* cpus)
    : region_(region),
      channels_(channels),
      counters_(counters),
      handler_(handler),
      calls_(region.options().arrived_calls),
      bodies_(new KeptBody[region.options().arrived_calls]),
      endpoints_(region.options().endpoints),
      held_(new Counter[region.options().endpoints]),
      cpus_(cpus),
      deadlines_(region.options().arrived_calls) {
  for (auto* const list : {&waiting_, &busy_, &staged_, &untaken_, &here_}) {
    list->reserve(endpoints_.size());
  }
  for (std::uint32_t call = region.options().arrived_calls; call > 0; --call) {
    calls_[call - 1].state = kFree;
    calls_[call - 1].generation = 0;
    calls_[call - 1].next = free_;
    free_ = call - 1;
  }
}

std::uint32_t Dispatcher::Accept(const IncomingCall& call,
                                 const MethodTarget& target) {
  if (queued_ >= policy_.limits().queued) return kNone;
  const std::uint32_t number = free_;
  Call& entry = calls_[number];
  free_ = entry.next;
  entry.reply_to = call.reply_to;
  entry.target = target;
  entry.method = call.method;
  entry.deadline = call.deadline;
  ++entry.generation;
  entry.endpoint = kNone;
  entry.flags = 0;
  entry.revokes = 0;
  entry.ended = false;
  entry.size = Keep(call.body, &bodies_[number]);
  lh_store_release(&region_.call_word(number)->word,
                   lh_handle(0, entry.generation));
  if (entry.deadline != kNever) deadlines_.Set(number, entry.deadline);
  Note(Station::accepted, number);
  // Nearly always, and without the queue.
  const std::uint32_t awake = first_ == kNone ? AwakeWaiter() : kNone;
  if (awake == kNone || !Deliver(awake, number)) {
    Enqueue(number);
  } else if (!FellAsleep(awake)) {
    return number;
  }
  Dispatch();
  if (entry.state == kQueued) {
    counters_.calls_queued.Add();
    Note(Station::queued, number);
  }
  return number;
}

DispatchLoad Dispatcher::Load() const {
  return {.queued = queued_,
          .head_since = first_ == kNone ? now_ : calls_[first_].since,
          // With RUN a wake costs little.
          .work = cpus_ == nullptr ? UsualTimeOfQueue() : kNever,
          .running = running_,
          .left = left_,
          .serving = serving_,
          .waking = waking_ != kNone};
}

std::uint8_t Dispatcher::Fullness() const {
  if (free_ == kNone) return 255;
  if (queued_ == 0) return 0;
  const std::uint64_t limit =
      std::min<std::uint64_t>(policy_.limits().queued, calls_.size());
  return static_cast<std::uint8_t>(std::min<std::uint64_t>(
      queued_ * 255u / std::max<std::uint64_t>(limit, 1), 255));
}

// The queue.

void Dispatcher::Enqueue(std::uint32_t call) {
  Call& entry = calls_[call];
  entry.state = kQueued;
  entry.since = now_;
  entry.next = kNone;
  entry.previous = last_;
  (last_ == kNone ? first_ : calls_[last_].next) = call;
  last_ = call;
  SetQueued(queued_ + 1);
}

void Dispatcher::EnqueueFirst(std::uint32_t call) {
  Call& entry = calls_[call];
  entry.state = kQueued;
  entry.next = first_;
  entry.previous = kNone;
  (first_ == kNone ? last_ : calls_[first_].previous) = call;
  first_ = call;
  SetQueued(queued_ + 1);
}

void Dispatcher::Unqueue(std::uint32_t call) {
  const Call& entry = calls_[call];
  (entry.previous == kNone ? first_ : calls_[entry.previous].next) = entry.next;
  (entry.next == kNone ? last_ : calls_[entry.next].previous) = entry.previous;
  SetQueued(queued_ - 1);
}

// What endpoints say.

std::uint32_t Dispatcher::HeldCall(std::uint32_t endpoint,
                                   const HostMessage& message) const {
  const std::uint32_t call = lh_handle_index(message.header.call);
  if (call >= calls_.size()) return kNone;
  const Call& entry = calls_[call];
  const bool held =
      entry.state == kDelivered && entry.endpoint == endpoint &&
      entry.generation == lh_handle_generation(message.header.call);
  return held ? call : kNone;
}

bool Dispatcher::OnReply(std::uint32_t endpoint, const HostMessage& message) {
  const std::uint32_t call = HeldCall(endpoint, message);
  if (call == kNone) {
    counters_.replies_late.Add();
    return false;
  }
  counters_.replies_collected.Add();
  Endpoint& state = endpoints_[endpoint];
  const Call& entry = calls_[call];
  Note(Station::reply_collected, call,
       static_cast<std::uint8_t>(message.header.code));
  const Nanos took = now_ - std::max(entry.since, state.progress);
  // A wake takes long; it is not the method's fault.
  if (!entry.woken) policy_.Ran(entry.method, took);
  if (entry.target.counters != nullptr) entry.target.counters->Took(took);
  --state.held;
  state.progress = now_;
  if (state.newest == call) state.newest = kNone;
  if (state.left) {
    // It forgot to say that it is back.
    state.left = false;
    --left_;
  }
  Recount(state);
  constexpr std::uint64_t kMaxStatus = 16;
  Body body;
  const bool good = message.header.code <= kMaxStatus && message.Split(&body);
  if (good) {
    End(call, static_cast<std::uint8_t>(message.header.code), body);
  } else {
    // The caller gets an end all the same.
    Fail(call, absl::StatusCode::kInternal,
         "the server's answer breaks the contract between host and NIC");
  }
  Credit(endpoint, 1);
  return good;
}

bool Dispatcher::OnEmpty(std::uint32_t endpoint, const HostMessage& message) {
  const std::int32_t count = message.header.aux;
  Endpoint& state = endpoints_[endpoint];
  // One slot always stays free, so that the thread can be told to retire.
  if (count == 0 || state.credit + count >=
                        static_cast<std::int32_t>(region_.options().slots)) {
    return false;
  }
  if (!state.serving) {
    state.serving = true;
    ++serving_;
  }
  Credit(endpoint, static_cast<std::uint32_t>(count));
  return true;
}

bool Dispatcher::OnLeave(std::uint32_t endpoint, const HostMessage& message) {
  Endpoint& state = endpoints_[endpoint];
  if (HeldCall(endpoint, message) == kNone || state.left) return false;
  state.left = true;
  ++left_;
  // What stands behind this handler would wait for others'.
  if (state.waiting) StopWaiting(endpoint);
  TakeBackAll(endpoint);
  Recount(state);
  return true;
}

bool Dispatcher::OnEnter(std::uint32_t endpoint, const HostMessage& message) {
  Endpoint& state = endpoints_[endpoint];
  if (HeldCall(endpoint, message) == kNone || !state.left) return false;
  state.left = false;
  --left_;
  Recount(state);
  if (state.credit > 0) StartWaiting(endpoint);
  return true;
}

void Dispatcher::Credit(std::uint32_t endpoint, std::uint32_t count) {
  Endpoint& state = endpoints_[endpoint];
  state.credit += static_cast<std::int32_t>(count);
  if (waking_ == endpoint) waking_ = kNone;
  if (state.retire) {
    // If a call is still in its lane, the reply to that comes here, too.
    SendRetire(endpoint);
  } else if (state.credit > 0) {
    StartWaiting(endpoint);
  }
}

void Dispatcher::Recount(Endpoint& state) {
  held_[static_cast<std::size_t>(&state - endpoints_.data())].Set(state.held);
  const bool running = state.held > 0 && !state.left;
  if (running == state.running) return;
  state.running = running;
  if (cpus_ != nullptr) {
    cpus_->SetWaiting(static_cast<std::uint32_t>(&state - endpoints_.data()),
                      running ? kNever : now_);
  }
  running_ += running ? 1u : ~0u;
}

void Dispatcher::StartWaiting(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  if (state.waiting || state.left || state.retire) return;
  state.waiting = true;
  state.progress = now_;
  waiting_.push_back(endpoint);
  if (cpus_ != nullptr && !state.running) cpus_->SetWaiting(endpoint, now_);
}

// As one that should get something after all others: these are awake.
void Dispatcher::StartWaitingLast(std::uint32_t endpoint) {
  if (endpoints_[endpoint].waiting) return;
  Credit(endpoint, 0);
  if (!endpoints_[endpoint].waiting) return;
  std::rotate(waiting_.begin(), waiting_.end() - 1, waiting_.end());
}

void Dispatcher::Prefer(std::uint32_t endpoint) {
  if (!endpoints_[endpoint].waiting || waiting_.back() == endpoint) return;
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), endpoint));
  waiting_.push_back(endpoint);
}

// If all that is queued is as its first.
Nanos Dispatcher::UsualTimeOfQueue() const {
  if (first_ == kNone) return 0;
  const Nanos mean = policy_.Mean(calls_[first_].method);
  return mean == kNever ? kNever : mean * queued_;
}

Nanos Dispatcher::UsualTime(std::uint32_t endpoint) const {
  const Endpoint& state = endpoints_[endpoint];
  if (state.held == 0) return kNever;
  const Nanos mean = policy_.Mean(state.method);
  const Nanos queue = UsualTimeOfQueue();
  if (queue == kNever) return kNever;
  return (mean == kNever ? 0 : mean * state.held) + queue;
}

void Dispatcher::StopWaiting(std::uint32_t endpoint) {
  endpoints_[endpoint].waiting = false;
  if (waiting_.back() == endpoint) return waiting_.pop_back();
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), endpoint));
}

void Dispatcher::Retire(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  state.retire = true;
  if (state.waiting) {
    StopWaiting(endpoint);
    SendRetire(endpoint);
  } else if (state.credit < 0) {
    TakeBackAll(endpoint);
  }
}

// Only into an empty lane, and nothing after it: its thread waits no more.
void Dispatcher::SendRetire(std::uint32_t endpoint) {
  const std::uint32_t channel = Serve(endpoint);
  lh_message header = {};
  header.kind = LH_KIND_RETIRE;
  if (endpoints_[endpoint].held > 0 || channels_.NewestWaits(channel) ||
      !channels_.Deliver(channel, header, {})) {
    return;
  }
  counters_.threads_retired.Add();
  Forget(endpoint);
}

void Dispatcher::Abandon(std::uint32_t endpoint, absl::StatusCode code) {
  TakeBackAll(endpoint);
  if (endpoints_[endpoint].held > 0) {
    for (std::uint32_t call = 0; call < calls_.size(); ++call) {
      if (calls_[call].state == kDelivered &&
          calls_[call].endpoint == endpoint) {
        Fail(call, code,
             "the thread that had the call has ended; the call may have run");
      }
    }
  }
  if (endpoints_[endpoint].waiting) StopWaiting(endpoint);
  if (waking_ == endpoint) waking_ = kNone;
  Forget(endpoint);
}

void Dispatcher::Forget(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  if (state.serving) --serving_;
  if (state.left) --left_;
  if (state.running) --running_;
  // It may still be in the lists, which drop it at their next look.
  Endpoint fresh;
  fresh.busy = state.busy;
  fresh.staged = state.staged;
  fresh.untaken = state.untaken;
  fresh.here = state.here;
  state = fresh;
  held_[endpoint].Set(0);
}

}  // namespace lauberhorn::nic
