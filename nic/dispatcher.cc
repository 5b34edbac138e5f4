// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/dispatcher.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::nic {
namespace {

// How soon to look again whether a woken thread has taken its call, while
// others are queued behind it.
constexpr Nanos kWakeLook = 20 * kMicrosecond;

absl::Span<const std::uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Dispatcher::Dispatcher(Region& region, ChannelTable& channels,
                       Counters& counters, Handler& handler)
    : region_(region),
      channels_(channels),
      counters_(counters),
      handler_(handler),
      calls_(region.options().arrived_calls),
      payloads_(new Payload[region.options().arrived_calls]),
      endpoints_(region.options().endpoints),
      deadlines_(region.options().arrived_calls) {
  waiting_.reserve(endpoints_.size());
  for (std::uint32_t call = region.options().arrived_calls; call > 0; --call) {
    calls_[call - 1].state = kFree;
    calls_[call - 1].generation = 0;
    calls_[call - 1].next = free_;
    free_ = call - 1;
  }
}

std::uint32_t Dispatcher::Accept(const IncomingCall& call,
                                 const MethodTarget& target) {
  if (free_ == kNone) return kNone;
  const std::uint32_t number = free_;
  Call& entry = calls_[number];
  free_ = entry.next;
  entry.reply_to = call.reply_to;
  entry.target = target;
  entry.deadline = call.deadline;
  ++entry.generation;
  entry.endpoint = kNone;
  entry.length = static_cast<std::uint16_t>(call.payload.size());
  entry.flags = 0;
  entry.ended = false;
  if (!call.payload.empty()) {
    std::memcpy(payloads_[number].bytes, call.payload.data(),
                call.payload.size());
  }
  lh_store_release(&region_.call_word(number)->word,
                   lh_handle(0, entry.generation));
  if (entry.deadline != kNever) deadlines_.Set(number, entry.deadline);
  Enqueue(number);
  Dispatch();
  if (entry.state == kQueued) counters_.calls_queued.Add();
  return number;
}

void Dispatcher::Enqueue(std::uint32_t call) {
  Call& entry = calls_[call];
  entry.state = kQueued;
  entry.next = kNone;
  entry.previous = last_;
  (last_ == kNone ? first_ : calls_[last_].next) = call;
  last_ = call;
}

void Dispatcher::Unqueue(std::uint32_t call) {
  const Call& entry = calls_[call];
  (entry.previous == kNone ? first_ : calls_[entry.previous].next) = entry.next;
  (entry.next == kNone ? last_ : calls_[entry.next].previous) = entry.previous;
}

void Dispatcher::Drop(std::uint32_t call) {
  Call& entry = calls_[call];
  entry.ended = true;
  Flag(call, LH_CALL_CANCELLED);
  if (entry.state == kQueued) {
    Unqueue(call);
    End(call, 0, {});
  }
}

bool Dispatcher::OnReply(std::uint32_t endpoint, const HostMessage& message) {
  const lh_message& header = message.header;
  const std::uint32_t call = lh_handle_index(header.call);
  if (call >= calls_.size()) return false;
  const Call& entry = calls_[call];
  if (entry.state != kDelivered || entry.endpoint != endpoint ||
      entry.generation != lh_handle_generation(header.call)) {
    counters_.replies_late.Add();
    return false;
  }
  counters_.replies_collected.Add();
  constexpr std::uint64_t kMaxStatus = 16;
  const bool good = header.code <= kMaxStatus;
  if (good) {
    End(call, static_cast<std::uint8_t>(header.code), message.bytes());
  } else {
    // The caller gets an end all the same.
    End(call, static_cast<std::uint8_t>(absl::StatusCode::kInternal),
        Bytes("the server answered with a status that does not exist"));
  }
  Credit(endpoint, 1);
  return good;
}

bool Dispatcher::OnEmpty(std::uint32_t endpoint, const HostMessage& message) {
  const std::uint32_t count = message.header.aux;
  const Endpoint& state = endpoints_[endpoint];
  // One slot always stays free, so that the thread can be told to retire.
  if (count == 0 || state.credit + count >= region_.options().slots) {
    return false;
  }
  Credit(endpoint, count);
  return true;
}

void Dispatcher::Credit(std::uint32_t endpoint, std::uint32_t count) {
  Endpoint& state = endpoints_[endpoint];
  state.credit += count;
  if (waking_ == endpoint) waking_ = kNone;
  if (state.retire) {
    // If a call is still in its lane, the reply to that comes here, too.
    SendRetire(endpoint);
    return;
  }
  if (!state.waiting) {
    state.waiting = true;
    waiting_.push_back(endpoint);
  }
}

void Dispatcher::Retire(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  state.retire = true;
  if (!state.waiting) return;
  StopWaiting(endpoint);
  SendRetire(endpoint);
}

void Dispatcher::Reopen(std::uint32_t endpoint) {
  Endpoint& state = endpoints_[endpoint];
  if (state.waiting) StopWaiting(endpoint);
  if (waking_ == endpoint) waking_ = kNone;
  state = {};
}

// Only into an empty lane, and nothing after it: its thread waits no more.
void Dispatcher::SendRetire(std::uint32_t endpoint) {
  const std::uint32_t channel = Serve(endpoint);
  lh_message header = {};
  header.kind = LH_KIND_RETIRE;
  if (channels_.NewestWaits(channel) ||
      !channels_.Deliver(channel, header, {})) {
    return;
  }
  endpoints_[endpoint] = {};
}

void Dispatcher::StopWaiting(std::uint32_t endpoint) {
  endpoints_[endpoint].waiting = false;
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), endpoint));
}

void Dispatcher::Dispatch() {
  if (waking_ != kNone && !channels_.NewestWaits(Serve(waking_))) {
    waking_ = kNone;
  }
  while (first_ != kNone && !waiting_.empty()) {
    const std::uint32_t endpoint = waiting_.back();
    if (waking_ != kNone && channels_.IsParked(Serve(endpoint))) return;
    const std::uint32_t call = first_;
    if (DeliverTo(endpoint, call)) {
      Unqueue(call);
    } else {
      // Closed by its thread, or broken: nobody waits there.
      counters_.deliveries_failed.Add();
      StopWaiting(endpoint);
      endpoints_[endpoint].credit = 0;
    }
  }
}

bool Dispatcher::DeliverTo(std::uint32_t endpoint, std::uint32_t call) {
  Call& entry = calls_[call];
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = lh_handle(call, entry.generation);
  header.code = entry.target.code;
  header.data = entry.target.data;
  header.aux = entry.target.index;
  header.deadline = entry.deadline == kNever ? 0 : entry.deadline;
  bool woken = false;
  if (!channels_.Deliver(Serve(endpoint), header,
                         {payloads_[call].bytes, entry.length}, &woken)) {
    return false;
  }
  (woken ? counters_.calls_delivered_wake : counters_.calls_delivered).Add();
  entry.state = kDelivered;
  entry.endpoint = endpoint;
  if (woken) waking_ = endpoint;
  if (--endpoints_[endpoint].credit == 0) StopWaiting(endpoint);
  return true;
}

void Dispatcher::Expire(Nanos now) {
  constexpr auto kStatus =
      static_cast<std::uint8_t>(absl::StatusCode::kDeadlineExceeded);
  std::uint32_t call;
  while (deadlines_.PopDue(now, &call)) {
    Call& entry = calls_[call];
    counters_.calls_expired.Add();
    if (entry.state == kQueued) {
      Unqueue(call);
      End(call, kStatus,
          Bytes("the deadline passed while the call was queued"));
      continue;
    }
    // The thread learns of it from the call word; what it answers is too late.
    Flag(call, LH_CALL_EXPIRED);
    if (!entry.ended) {
      entry.ended = true;
      handler_.OnCallDone(
          entry.reply_to, kStatus,
          Bytes("the deadline passed while the handler had the call"));
    }
  }
}

void Dispatcher::Flag(std::uint32_t call, std::uint8_t flag) {
  Call& entry = calls_[call];
  entry.flags = static_cast<std::uint8_t>(entry.flags | flag);
  lh_store_release(&region_.call_word(call)->word,
                   lh_handle(entry.flags, entry.generation));
}

Nanos Dispatcher::Next(Nanos now) const {
  const bool look = waking_ != kNone && first_ != kNone;
  return std::min(look ? now + kWakeLook : kNever, deadlines_.Next());
}

void Dispatcher::End(std::uint32_t call, std::uint8_t status,
                     absl::Span<const std::uint8_t> payload) {
  Call& entry = calls_[call];
  deadlines_.Clear(call);
  entry.state = kFree;
  entry.next = free_;
  free_ = call;
  if (!entry.ended) handler_.OnCallDone(entry.reply_to, status, payload);
  handler_.OnServerCallEnded(entry.target.server);
}

}  // namespace lauberhorn::nic
