// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nic/bytes.h"

namespace lauberhorn::nic {
namespace {

// How much one turn does for one channel before it looks at the next; for a
// wire it is one batch.
constexpr int kMessagesPerTurn = 16;

}  // namespace

Engine::Engine(const EngineOptions& options, Region& region, WireFactory& wires,
               Waker& waker)
    : region_(region),
      waker_(waker),
      processors_(options.processors),
      attachment_(options.attachment),
      cpus_(processors_ == nullptr
                ? std::optional<ProcessCpus>()
                : ProcessCpus(*processors_, attachment_.process,
                              attachment_.first)),
      channels_(region, counters_, cpus_ ? &*cpus_ : nullptr),
      answers_(region.options(), options.calls, channels_, counters_),
      links_(region.options().arrived_calls, region.options().own_calls),
      servers_(wires),
      dispatcher_(region, channels_, counters_, *this,
                  cpus_ ? &*cpus_ : nullptr),
      server_transport_(options.sessions, options.secret, counters_, *this),
      client_transport_(region.options().own_calls, options.peers,
                        options.secret, wires, counters_, *this) {
  if (processors_ != nullptr) {
    processors_->Attach(attachment_, *this, counters_);
  }
}

Engine::~Engine() {
  if (processors_ != nullptr) processors_->Detach(attachment_.process);
}

Nanos Engine::Poll(Nanos now, Look look) {
  const bool later = now != now_ || std::exchange(event_, false);
  now_ = now;
  counters_.trace.set_now(now);
  dispatcher_.set_now(now);
  unfinished_ = false;
  bool busy = look == Look::kAll && PollWires();
  busy = PollChannels() || busy;
  // While there is other work, bells are looked at as time passes.
  if ((later || !busy) && channels_.TakeBells(now)) {
    busy = PollChannels() || busy;
  }
  // A refused message is no work, but may have been its channel's last.
  if (!busy && !later && settled_ && !channels_.HasWakes()) return next_;
  if (later || !busy) {
    client_transport_.Expire(now);
    server_transport_.Expire(now);
    dispatcher_.Expire();
    channels_.UnwatchQuiet(now);
  }
  dispatcher_.Dispatch();
  if (servers_.NextLate() <= now) EndLateServers();
  if (closing_) FinishClosedServers();
  if (!peer_waits_.empty()) AnswerPeerWaits();
  if (answers_.HasWaiting()) busy = answers_.DeliverWaiting() || busy;
  for (std::uint32_t channel; channels_.TakeQuarantined(&channel);) {
    busy = true;
    // Its thread's answers come no more. Answers to it are dropped.
    if (channel % 2 == static_cast<std::uint32_t>(Which::kServe)) {
      dispatcher_.Abandon(channel / 2);
    }
  }
  if (channels_.HasWakes()) channels_.FlushWakes(waker_);
  if (counters_.packets_sent.value() != flushed_) FlushWires();
  // What waits for room in a lane, or for a thread, may go on without a word to
  // the NIC; all else needs a packet, a message, or time.
  settled_ = !busy && !answers_.HasWaiting() && !dispatcher_.HasQueued();
  if (busy) return now;
  return next_ = NextTimer();
}

Nanos Engine::NextTimer() {
  return std::min({client_transport_.Next(), server_transport_.Next(),
                   dispatcher_.Next(), servers_.NextLate(), next_peer_wait_});
}

template <typename Visit>
bool Engine::ForEachWire(Visit visit) {
  for (std::uint32_t index = 0; index < servers_.listener_count(); ++index) {
    Wire* const wire = servers_.wire(index);
    if (wire != nullptr && !visit(*wire)) return false;
  }
  for (Wire* const wire : client_transport_.wires()) {
    if (!visit(*wire)) return false;
  }
  return true;
}

bool Engine::WiresAreQuiet() {
  return ForEachWire([](const Wire& wire) { return wire.IsQuiet(); });
}

bool Engine::TryToSleep() {
  if (!TryToSleepOnWires()) return false;
  if (channels_.TryToSleep()) {
    // What follows is after the fence there, as abi/host/bell.h wants it.
    if (!answers_.CanDeliver()) return true;
    channels_.Awake();
  }
  AwakenWires();
  return false;
}

bool Engine::TryToSleepOnWires() {
  if (ForEachWire([](Wire& wire) { return wire.TryToSleep(); })) return true;
  AwakenWires();
  return false;
}

void Engine::Awake() {
  channels_.Awake();
  AwakenWires();
}

void Engine::AwakenWires() {
  ForEachWire([](Wire& wire) {
    wire.Awake();
    return true;
  });
}

void Engine::Leave(Nanos now) {
  BeginEvent(now);
  for (std::uint32_t endpoint = 0; endpoint < endpoints(); ++endpoint) {
    // What it had only asked for on `call` is not begun any more.
    CollectLeft(2 * endpoint);
  }
  dispatcher_.CancelAll(
      Dispatcher::kNone, absl::StatusCode::kUnavailable,
      "the server's process has ended; the call may have run");
  for (std::uint32_t call = 0; call < answers_.calls(); ++call) {
    if (!answers_.IsOpen(call)) continue;
    client_transport_.Cancel(call, now,
                             "the NIC has ended; the call may have run",
                             absl::StatusCode::kUnavailable);
  }
  FlushWires();
}

bool Engine::PollWires() {
  bool busy = false;
  const auto receive = [&](Wire& wire, auto handle) {
    const absl::Span<const Datagram> came = wire.Receive();
    if (came.size() == Wire::kBatch) unfinished_ = true;
    for (const Datagram& datagram : came) {
      busy = true;
      counters_.packets_received.Add();
      if (datagram.checksum == Checksum::kNone) counters_.packets_linked.Add();
      const std::optional<Packet> packet =
          ParsePacket(datagram.bytes, datagram.checksum);
      if (packet.has_value()) {
        counters_.trace.Add(Station::packet_came, 0, packet->header.method,
                            TraceRecord::kNoEndpoint, packet->header.type);
        handle(*packet, datagram.from);
      } else {
        counters_.packets_malformed.Add();
      }
    }
  };
  for (std::uint32_t index = 0; index < servers_.listener_count(); ++index) {
    Wire* const wire = servers_.wire(index);
    if (wire == nullptr) continue;
    receive(*wire, [&](const Packet& packet, const Address& from) {
      server_transport_.OnPacket(packet, from, *wire, index, now_);
    });
    for (const Address& address : wire->Gone()) {
      server_transport_.OnGone(address, index);
      busy = true;
    }
  }
  for (Wire* const wire : client_transport_.wires()) {
    receive(*wire, [&](const Packet& packet, const Address& from) {
      client_transport_.OnPacket(packet, from, now_);
    });
    for (const Address& address : wire->Unreachable()) {
      client_transport_.OnUnreachable(address);
      busy = true;
    }
    for (const Address& address : wire->Gone()) {
      client_transport_.OnGone(address, now_);
      busy = true;
    }
  }
  return busy;
}

void Engine::FlushWires() {
  flushed_ = counters_.packets_sent.value();
  ForEachWire([](Wire& wire) {
    wire.Flush();
    return true;
  });
}

bool Engine::PollChannels() {
  bool busy = false;
  for (const std::uint32_t channel : channels_.watched()) {
    int count = 0;
    while (count < kMessagesPerTurn && channels_.HasMessage(channel) &&
           channels_.Collect(channel, &message_, now_)) {
      ++count;
      OnMessage(channel);
    }
    busy = busy || count > 0;
    if (count == kMessagesPerTurn) unfinished_ = true;
  }
  return busy;
}

void Engine::CollectLeft(std::uint32_t channel) {
  // As many as the lane holds: who puts on is not the thread that left.
  for (std::uint32_t slot = 0; slot < region_.options().slots; ++slot) {
    if (!channels_.Collect(channel, &message_, now_)) break;
    OnMessage(channel);
  }
}

void Engine::OnMessage(std::uint32_t channel) {
  if (channel % 2 == static_cast<std::uint32_t>(Which::kServe)) {
    OnServeMessage(channel);
  } else {
    OnCallMessage(channel);
  }
}

void Engine::OnServeMessage(std::uint32_t channel) {
  const std::uint32_t endpoint = channel / 2;
  bool good = false;
  switch (message_.header.kind) {
    case LH_KIND_REPLY:
      good = dispatcher_.OnReply(endpoint, message_);
      break;
    case LH_KIND_EMPTY:
      good = dispatcher_.OnEmpty(endpoint, message_);
      break;
    case LH_KIND_LEAVE:
      good = dispatcher_.OnLeave(endpoint, message_);
      break;
    case LH_KIND_ENTER:
      good = dispatcher_.OnEnter(endpoint, message_);
      break;
    default:
      break;
  }
  if (!good) channels_.Refuse(channel);
}

void Engine::OnCallMessage(std::uint32_t channel) {
  switch (message_.header.kind) {
    case LH_KIND_CALL:
      return OnOutgoingCall(channel);
    case LH_KIND_CANCEL:
      return OnCancel(channel);
    case LH_KIND_LINK:
      return OnLink(channel);
    case LH_KIND_CONTROL:
      return OnControl(channel);
    default:
      channels_.Refuse(channel);
  }
}

void Engine::OnOutgoingCall(std::uint32_t channel) {
  const lh_message& header = message_.header;
  const std::uint32_t call =
      lh_handle_index(header.call) - region_.options().arrived_calls;
  // aux names another endpoint for the answers, plus one.
  const std::uint32_t answered_on =
      header.aux == 0
          ? channel
          : 2 * (header.aux - 1u) + static_cast<std::uint32_t>(Which::kCall);
  Body body;
  if (call >= answers_.calls() || header.aux > region_.options().endpoints ||
      !message_.Split(&body) ||
      !answers_.Take(call, header.call, answered_on)) {
    return channels_.Refuse(channel);
  }
  links_.Keep(call, header.call);
  if (answers_.WasCancelled(call)) {
    return OnCallEnded(call,
                       static_cast<std::uint8_t>(absl::StatusCode::kCancelled),
                       Bytes("cancelled by this process"));
  }
  counters_.trace.Add(Station::put, header.call, header.code, channel / 2);
  const Nanos deadline = header.deadline == 0 ? kNever : header.deadline;
  // One whose deadline has passed ends at once and takes no room.
  if (answers_.Exceeded() && deadline > now_) return answers_.Busy(call);
  client_transport_.Call(
      call,
      {.peer = header.data,
       .method = header.code,
       .deadline = deadline,
       .wait_for_ready = (header.flags & LH_FLAG_WAIT_FOR_READY) != 0,
       .handle = header.call,
       .body = body},
      now_);
}

void Engine::OnCancel(std::uint32_t channel) {
  const std::uint64_t handle = message_.header.call;
  const std::uint32_t first = region_.options().arrived_calls;
  if (lh_handle_index(handle) < first) {
    return dispatcher_.Cancel(handle, absl::StatusCode::kCancelled,
                              "the server cancelled the call");
  }
  const std::uint32_t call = lh_handle_index(handle) - first;
  if (call >= answers_.calls()) return channels_.Refuse(channel);
  if (answers_.IsOpen(call, handle)) {
    client_transport_.Cancel(call, now_);
  } else {
    answers_.Cancel(call, handle);
  }
}

void Engine::OnLink(std::uint32_t channel) {
  const std::uint64_t handle = message_.header.call;
  const std::uint64_t parent = message_.header.data;
  const std::uint32_t call =
      lh_handle_index(handle) - region_.options().arrived_calls;
  if (call >= answers_.calls() || answers_.IsOpen(call, handle)) {
    return channels_.Refuse(channel);
  }
  if (!dispatcher_.IsHeld(parent)) return;  // it has ended
  if (dispatcher_.IsFlagged(parent)) return answers_.Cancel(call, handle);
  links_.Link(call, handle, parent);
}

void Engine::OnCallFlagged(std::uint64_t handle) {
  for (;;) {
    std::uint64_t child_handle;
    const std::uint32_t child = links_.TakeChild(handle, &child_handle);
    if (child == CallLinks::kNone) return;
    if (answers_.IsOpen(child, child_handle)) {
      client_transport_.Cancel(child, now_,
                               "cancelled with the call that it was made for");
    } else {
      answers_.Cancel(child, child_handle);  // its CALL is still to come
    }
  }
}

std::uint32_t Engine::OnCall(const IncomingCall& call) {
  const auto refuse = [&](absl::StatusCode code, absl::string_view text) {
    server_transport_.Reply(call.reply_to, static_cast<std::uint8_t>(code),
                            Bytes(text), now_);
    return Dispatcher::kNone;
  };
  bool closing = false;
  const ServerTable::Method* const method =
      servers_.Find(call.listener, call.method, &closing);
  // Before any other answer: that would confirm the name.
  if (method != nullptr && !call.name.empty() && call.name != method->name) {
    counters_.names_refused.Add();
    return refuse(absl::StatusCode::kUnimplemented,
                  absl::StrCat("the server has no method ", call.name, ", but ",
                               method->name, " with the same id; rename one"));
  }
  if (closing) {
    return refuse(absl::StatusCode::kUnavailable,
                  "the server is shutting down");
  }
  if (method == nullptr) {
    counters_.calls_unimplemented.Add();
    return refuse(absl::StatusCode::kUnimplemented,
                  call.name.empty()
                      ? "the server has no such method"
                      : absl::StrCat("the server has no method ", call.name));
  }
  if (!dispatcher_.HasPlace()) {
    counters_.calls_busy.Add();
    return ServerTransport::kBusy;
  }
  const MethodTarget& target = method->target;
  servers_.CallStarted(target.server);
  const std::uint32_t number = dispatcher_.Accept(call, target);
  if (number == Dispatcher::kNone) {
    servers_.CallEnded(target.server);
    counters_.calls_refused.Add();
    if (target.counters != nullptr) {
      target.counters->Ended(
          static_cast<std::uint8_t>(absl::StatusCode::kResourceExhausted));
    }
    return refuse(absl::StatusCode::kResourceExhausted,
                  "the server has too many calls in work; raise "
                  "RuntimeOptions::max_queued there");
  }
  return number;
}

void Engine::OnCallDropped(std::uint32_t call, std::uint8_t why) {
  dispatcher_.Drop(call, why);
}

void Engine::OnCallDone(const ReplyTo& to, std::uint8_t status,
                        const Body& body) {
  server_transport_.Reply(to, status, body, now_);
}

void Engine::OnServerCallEnded(std::uint32_t server) {
  closing_ = servers_.CallEnded(server) || closing_;
}

void Engine::OnCallEnded(std::uint32_t call, std::uint8_t status,
                         const Body& body) {
  links_.Unlink(call);
  answers_.End(call, status, body);
}

}  // namespace lauberhorn::nic
