// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// How the calls of Dispatcher end: answered, dropped, cancelled, too late or
// with nobody to run them; and when to look.

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "nic/bytes.h"
#include "nic/dispatcher.h"

namespace lauberhorn::nic {
namespace {

// How soon to look again whether a woken thread has taken its call, while
// others are queued behind it.
constexpr Nanos kWakeLook = 20 * kMicrosecond;

}  // namespace

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
    if (entry.state != kFree &&
        (server == kNone || entry.target.server == server)) {
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
  if (cpus_ != nullptr) {
    TakeBackFromLateWake();
  } else if (!untaken_.empty()) {
    TakeBackLate();
  }
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
    if (waking_ != kNone || cpus_ != nullptr) at(now_ + kWakeLook);
    if (!waiting_.empty() && cpus_ == nullptr) at(policy_.WakeFrom(load));
  }
  for (const std::uint32_t endpoint : staged_) {
    if (endpoints_[endpoint].credit < 0) {
      at(endpoints_[endpoint].progress + policy_.stage_limit());
    }
  }
  if (!waiting_.empty()) {
    at(policy_.RetireFrom(static_cast<std::uint32_t>(waiting_.size()),
                          endpoints_[waiting_.front()].progress));
    if (cpus_ == nullptr) at(NextTake());
  }
  if (cpus_ != nullptr) at(NextByWords());
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
