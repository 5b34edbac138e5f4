// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/dispatcher.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "nic/bytes.h"

namespace lauberhorn::nic {
namespace {

// How soon to look again whether a woken thread has taken its call, while
// others are queued behind it.
constexpr Nanos kWakeLook = 20 * kMicrosecond;

// How soon to look whether a thread that is awake has taken its call: nearly
// always it has, and a look at its line before would only be in its way.
constexpr Nanos kFirstLook = 3 * kMicrosecond;

// Among so many running handlers one is chosen to stage a call behind.
constexpr std::size_t kStageCandidates = 8;

}  // namespace

Dispatcher::Dispatcher(Region& region, ChannelTable& channels,
                       Counters& counters, Handler& handler)
    : region_(region),
      channels_(channels),
      counters_(counters),
      handler_(handler),
      calls_(region.options().arrived_calls),
      bodies_(new KeptBody[region.options().arrived_calls]),
      endpoints_(region.options().endpoints),
      held_(new Counter[region.options().endpoints]),
      deadlines_(region.options().arrived_calls) {
  for (auto* const list : {&waiting_, &busy_, &staged_, &untaken_}) {
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
  if (first_ == kNone && AwakeThreadWaits() &&
      Deliver(waiting_.back(), number)) {
    return number;
  }
  Enqueue(number);
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
          .running = running_,
          .left = left_,
          .serving = serving_,
          .waking = waking_ != kNone};
}

std::uint8_t Dispatcher::Fullness() const {
  if (queued_ == 0) return 0;
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
  ++queued_;
}

void Dispatcher::EnqueueFirst(std::uint32_t call) {
  Call& entry = calls_[call];
  entry.state = kQueued;
  entry.next = first_;
  entry.previous = kNone;
  (first_ == kNone ? last_ : calls_[first_].previous) = call;
  first_ = call;
  ++queued_;
}

void Dispatcher::Unqueue(std::uint32_t call) {
  const Call& entry = calls_[call];
  (entry.previous == kNone ? first_ : calls_[entry.previous].next) = entry.next;
  (entry.next == kNone ? last_ : calls_[entry.next].previous) = entry.previous;
  --queued_;
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
  running_ += running ? 1u : ~0u;
}

void Dispatcher::StartWaiting(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  if (state.waiting || state.left || state.retire) return;
  state.waiting = true;
  state.progress = now_;
  waiting_.push_back(endpoint);
}

// As one that should get something after all others: these are awake.
void Dispatcher::StartWaitingLast(std::uint32_t endpoint) {
  if (endpoints_[endpoint].waiting) return;
  Credit(endpoint, 0);
  if (!endpoints_[endpoint].waiting) return;
  std::rotate(waiting_.begin(), waiting_.end() - 1, waiting_.end());
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

void Dispatcher::Abandon(std::uint32_t endpoint) {
  if (endpoints_[endpoint].held > 0) {
    for (std::uint32_t call = 0; call < calls_.size(); ++call) {
      if (calls_[call].state == kDelivered &&
          calls_[call].endpoint == endpoint) {
        Fail(call, absl::StatusCode::kUnknown,
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
  state = fresh;
  held_[endpoint].Set(0);
}

// What endpoints get.

void Dispatcher::Dispatch() {
  if (waking_ != kNone && !channels_.NewestWaits(Serve(waking_))) {
    waking_ = kNone;
  }
  if (!staged_.empty()) TakeBackStaged();
  if (waking_ != kNone) TakeBackFromWoken();
  while (first_ != kNone && GiveFirst()) {
  }
}

bool Dispatcher::GiveFirst() {
  const bool awake = AwakeThreadWaits();
  if (!awake && Stage()) return true;  // cheaper than a wake
  if (waiting_.empty()) return false;
  const std::uint32_t endpoint = waiting_.back();
  if (!awake) {
    const DispatchLoad load = Load();
    if (policy_.WakeFrom(load) > now_) return false;
    if (policy_.IsBeyondLimit(load)) policy_.WokeBeyondLimit(now_);
  }
  const std::uint32_t call = first_;
  if (Deliver(endpoint, call)) {
    Unqueue(call);
  } else {
    // Closed by its thread, or broken: nobody waits there.
    counters_.deliveries_failed.Add();
    if (endpoints_[endpoint].waiting) StopWaiting(endpoint);
    if (endpoints_[endpoint].held == 0) {
      Forget(endpoint);
    } else {
      endpoints_[endpoint].credit = 0;
    }
  }
  return true;
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

bool Dispatcher::Deliver(std::uint32_t endpoint, std::uint32_t call) {
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

bool Dispatcher::AwakeThreadWaits() const {
  return !waiting_.empty() && !channels_.IsParked(Serve(waiting_.back()));
}

// What is staged behind a handler that takes too long, or while somebody waits
// for work.
void Dispatcher::TakeBackStaged() {
  const bool wanted = first_ == kNone && AwakeThreadWaits();
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
  if (first_ != kNone || !AwakeThreadWaits()) return;
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

// Ends.

void Dispatcher::Drop(std::uint32_t call, std::uint8_t why) {
  Call& entry = calls_[call];
  Note(Station::dropped, call);
  entry.ended = true;
  Flag(call, why);
  Recall(call);
  if (entry.state == kQueued) {
    Unqueue(call);
    End(call, 0, {});
  }
}

void Dispatcher::Cancel(std::uint64_t handle, absl::StatusCode code,
                        absl::string_view text) {
  const std::uint32_t call = lh_handle_index(handle);
  const Call& entry = calls_[call];
  if (entry.state == kFree ||
      entry.generation != lh_handle_generation(handle)) {
    return;
  }
  counters_.calls_cancelled.Add();
  Note(Station::cancelled, call);
  Recall(call);
  EndEarly(call, LH_CALL_CANCELLED, code, text);
}

bool Dispatcher::IsHeld(std::uint64_t handle) const {
  if (lh_handle_index(handle) >= calls_.size()) return false;
  const Call& entry = calls_[lh_handle_index(handle)];
  return entry.state == kDelivered &&
         entry.generation == lh_handle_generation(handle);
}

void Dispatcher::CancelAll(std::uint32_t server, absl::StatusCode code,
                           absl::string_view text) {
  for (std::uint32_t call = 0; call < calls_.size(); ++call) {
    const Call& entry = calls_[call];
    if (entry.state != kFree && entry.target.server == server) {
      Cancel(lh_handle(call, entry.generation), code, text);
    }
  }
}

void Dispatcher::EndEarly(std::uint32_t call, std::uint8_t flag,
                          absl::StatusCode code, absl::string_view text) {
  Call& entry = calls_[call];
  if (entry.state == kFree) return;  // nobody waited for it any more
  if (entry.state == kQueued) {
    Unqueue(call);
    return Fail(call, code, text);
  }
  // What the thread answers is too late.
  Flag(call, flag);
  if (entry.ended) return;
  entry.ended = true;
  Answer(call, static_cast<std::uint8_t>(code), Bytes(text));
}

void Dispatcher::Expire() {
  std::uint32_t call;
  while (deadlines_.PopDue(now_, &call)) {
    counters_.calls_expired.Add();
    Note(Station::expired, call);
    Recall(call);
    EndEarly(call, LH_CALL_EXPIRED, absl::StatusCode::kDeadlineExceeded,
             calls_[call].state == kQueued
                 ? "the deadline passed while the call was queued"
                 : "the deadline passed while the handler had the call");
  }
  if (!untaken_.empty()) TakeBackLate();
  if (first_ != kNone) RefuseStuck();
  while (!waiting_.empty() &&
         policy_.RetireFrom(static_cast<std::uint32_t>(waiting_.size()),
                            endpoints_[waiting_.front()].progress) <= now_) {
    Retire(waiting_.front());
  }
}

// Nobody is left who could take what is queued.
void Dispatcher::RefuseStuck() {
  while (first_ != kNone && policy_.RefuseFrom(Load()) <= now_) {
    const std::uint32_t call = first_;
    Unqueue(call);
    counters_.calls_stuck.Add();
    Fail(call, absl::StatusCode::kResourceExhausted,
         absl::StrCat("all ", serving_,
                      " threads of the server wait for calls of their own; "
                      "raise RuntimeOptions::max_workers there"));
  }
}

Nanos Dispatcher::Next() {
  Nanos next = deadlines_.Next();
  const auto at = [&next](Nanos when) { next = std::min(next, when); };
  if (first_ != kNone) {
    const DispatchLoad load = Load();
    at(policy_.RefuseFrom(load));
    if (waking_ != kNone) at(now_ + kWakeLook);
    if (!waiting_.empty()) at(policy_.WakeFrom(load));
  }
  for (const std::uint32_t endpoint : staged_) {
    if (endpoints_[endpoint].credit < 0) {
      at(endpoints_[endpoint].progress + policy_.stage_limit());
    }
  }
  if (!waiting_.empty()) {
    at(policy_.RetireFrom(static_cast<std::uint32_t>(waiting_.size()),
                          endpoints_[waiting_.front()].progress));
    at(NextTake());
  }
  return next;
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

void Dispatcher::Flag(std::uint32_t call, std::uint8_t flag) {
  Call& entry = calls_[call];
  entry.flags = static_cast<std::uint8_t>(entry.flags | flag);
  lh_store_release(&region_.call_word(call)->word,
                   lh_handle(entry.flags, entry.generation));
  handler_.OnCallFlagged(lh_handle(call, entry.generation));
}

void Dispatcher::Fail(std::uint32_t call, absl::StatusCode code,
                      absl::string_view text) {
  End(call, static_cast<std::uint8_t>(code), Bytes(text));
}

void Dispatcher::End(std::uint32_t call, std::uint8_t status,
                     const Body& body) {
  Call& entry = calls_[call];
  deadlines_.Clear(call);
  entry.state = kFree;
  entry.next = free_;
  free_ = call;
  if (!entry.ended) Answer(call, status, body);
  handler_.OnServerCallEnded(entry.target.server);
}

void Dispatcher::Answer(std::uint32_t call, std::uint8_t status,
                        const Body& body) {
  const Call& entry = calls_[call];
  if (entry.target.counters != nullptr) entry.target.counters->Ended(status);
  Note(Station::replied, call, status);
  handler_.OnCallDone(entry.reply_to, status, body);
}

}  // namespace lauberhorn::nic
