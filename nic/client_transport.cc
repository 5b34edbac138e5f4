// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/client_transport.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "nic/backoff.h"
#include "nic/bytes.h"

namespace lauberhorn::nic {
namespace {

// A call that the server had no place for is sent again after this, then after
// twice that, and so on; after so many times the server is taken to stay full
// (about 4 s).
constexpr Nanos kFirstBusyRetry = 2 * kMillisecond;
constexpr std::uint32_t kRefusals = 12;

// A call that runs is asked for once a second; so many misses and it is lost.
constexpr Nanos kProbePeriod = kSecond;
constexpr std::uint32_t kProbes = 5;

// An idle session is opened anew after this: well before a server may forget
// it.
constexpr Nanos kIdleSession = 15 * kSecond;

constexpr auto kUnimplemented =
    static_cast<std::uint8_t>(absl::StatusCode::kUnimplemented);

constexpr auto kResourceExhausted =
    static_cast<std::uint8_t>(absl::StatusCode::kResourceExhausted);

constexpr absl::string_view kNotSent =
    "the deadline passed before the call could be sent";

}  // namespace

ClientTransport::ClientTransport(std::uint32_t calls, std::uint32_t peers,
                                 const Secret& secret, WireFactory& wires,
                                 Counters& counters, Handler& handler)
    : incarnation_(KeyedHash(secret, {kHashOfClient})),
      wires_(wires),
      counters_(counters),
      handler_(handler),
      calls_(calls),
      bodies_(new KeptBody[calls]),
      counters_of_(MethodNames::kMax),
      peers_(peers),
      slots_(new Slot[std::size_t{peers} * kMaxSessionSlots]),
      timers_(std::size_t{calls} + 2 * std::size_t{peers}) {
  by_token_.reserve(peers);
  for (CallEntry& call : calls_) call.state = kFree;
  for (Peer& peer : peers_) {
    peer.generation = 0;
    peer.state = kUnused;
  }
}

absl::Status ClientTransport::NameMethod(std::uint64_t method,
                                         absl::string_view name) {
  const absl::Status status = names_.Add(method, name);
  if (status.ok()) {
    counters_of_[names_.Find(method)] = method_counters_.Add(method, name);
  }
  return status;
}

void ClientTransport::Call(std::uint32_t call, const OutgoingCall& what,
                           Nanos now) {
  CallEntry& entry = calls_[call];
  now_ = now;
  counters_.outgoing_calls.Add();
  entry.peer = kNone;
  entry.state = kPending;
  entry.method = what.method;
  entry.handle = what.handle;
  entry.begun = now;
  entry.known = names_.Find(what.method);
  Peer* const peer = FindPeer(what.peer);
  if (peer == nullptr) {
    return Fail(call, absl::StatusCode::kInvalidArgument, "no such peer");
  }
  const std::uint32_t index = lh_handle_index(what.peer);
  entry.peer = index;
  entry.deadline = what.deadline;
  entry.attention = kNever;
  entry.tries = 0;
  entry.refusals = 0;
  entry.wait_for_ready = what.wait_for_ready;
  entry.size = Keep(what.body, &bodies_[call]);
  if (entry.deadline <= now) {
    entry.peer = kNone;
    return Fail(call, absl::StatusCode::kDeadlineExceeded, kNotSent);
  }
  AppendPending(*peer, call);
  if (peer->state == kReady && peer->in_flight == 0 &&
      peer->active + kIdleSession < now) {
    SendClose(*peer);  // or the server keeps room for it
    Close(*peer);
  }
  if (peer->state == kClosed) StartOpening(index, now);
  Pump(index, now);
  if (entry.state == kPending) SetTimer(call);
}

void ClientTransport::Cancel(std::uint32_t call, Nanos now,
                             absl::string_view why, absl::StatusCode code) {
  const std::uint32_t peer = calls_[call].peer;
  now_ = now;
  if (calls_[call].state != kPending) GiveUp(call, now);
  Fail(call, code, why);
  Pump(peer, now);
}

void ClientTransport::AppendPending(Peer& peer, std::uint32_t call) {
  calls_[call].next = kNone;
  calls_[call].previous = peer.last;
  (peer.last == kNone ? peer.first : calls_[peer.last].next) = call;
  peer.last = call;
}

void ClientTransport::RemovePending(Peer& peer, std::uint32_t call) {
  const CallEntry& entry = calls_[call];
  (entry.previous == kNone ? peer.first : calls_[entry.previous].next) =
      entry.next;
  (entry.next == kNone ? peer.last : calls_[entry.next].previous) =
      entry.previous;
}

void ClientTransport::Send(const Peer& peer, OutgoingPacket& packet,
                           const PacketBody& body) {
  counters_.packets_sent.Add();
  counters_.trace.Add(Station::packet_sent, 0, packet.header.method,
                      TraceRecord::kNoEndpoint, packet.header.type);
  Wire& wire = *peer.wire;
  wire.Send(peer.address, packet.Seal(body, wire.checksum(peer.address)));
}

// Sends as many pending calls as there are free slots, if there is a session.
void ClientTransport::Pump(std::uint32_t index, Nanos now) {
  Peer& peer = peers_[index];
  if (peer.state != kReady) return;
  while (peer.first != kNone && peer.free != kNoSlot &&
         peer.in_flight < UsableSlots(peer)) {
    const std::uint16_t number = peer.free;
    Slot& slot = SlotOf(index, number);
    peer.free = slot.next;
    const std::uint32_t call = peer.first;
    CallEntry& entry = calls_[call];
    RemovePending(peer, call);
    if (++slot.sequence == 0) slot.sequence = 1;
    slot.call = call;
    if (slot.cancels > 0) StopCancelling(index, number);
    ++peer.in_flight;
    entry.slot = number;
    entry.sequence = slot.sequence;
    entry.name = NameToSend(peer, call);
    entry.state = kSent;
    Transmit(call, now);
  }
}

// A server that is more than half full gets fewer calls at a time: evenly less,
// down to a quarter of what it granted. It is a wish, so at least one goes.
std::uint32_t ClientTransport::UsableSlots(const Peer& peer) {
  constexpr std::uint32_t kHalfFull = 128;
  if (peer.load < kHalfFull) return peer.granted;
  const std::uint32_t less =
      peer.granted * (peer.load - kHalfFull + 1) * 3 / (4 * kHalfFull);
  return std::max(peer.granted - less, 1u);
}

std::uint16_t ClientTransport::NameToSend(const Peer& peer,
                                          std::uint32_t call) const {
  const CallEntry& entry = calls_[call];
  const std::uint16_t number = entry.known;
  if (number == MethodNames::kNone || peer.confirmed[number]) {
    return MethodNames::kNone;
  }
  const Body body = Kept(bodies_[call], entry.size);
  const PacketBody named = {
      .name = names_.name(number), .meta = body.meta, .payload = body.payload};
  return named.size() <= kMaxPayload ? number : MethodNames::kNone;
}

void ClientTransport::Transmit(std::uint32_t call, Nanos now) {
  CallEntry& entry = calls_[call];
  peers_[entry.peer].active = now;
  entry.attention = now + Backoff(kFirstRetry, entry.tries);
  Note(entry.tries == 0 && entry.refusals == 0 ? Station::sent
                                               : Station::retransmitted,
       call);
  ++entry.tries;
  SetTimer(call);
  SendAbout(call, LH_PACKET_CALL, now);
}

// Sends a CALL or PROBE of this call.
void ClientTransport::SendAbout(std::uint32_t call, std::uint8_t type,
                                Nanos now) {
  const CallEntry& entry = calls_[call];
  const Peer& peer = peers_[entry.peer];
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = type;
  header.token = peer.token;
  header.slot = entry.slot;
  header.sequence = entry.sequence;
  header.method = entry.method;
  header.sent_us = ToPacketTime(now);
  PacketBody body;
  if (type == LH_PACKET_CALL) {
    header.flags = LH_PACKET_FLAG_LAST;
    header.message_length = entry.size.payload;
    const Body kept = Kept(bodies_[call], entry.size);
    body.meta = kept.meta;
    body.payload = kept.payload;
    if (entry.name != MethodNames::kNone) body.name = names_.name(entry.name);
    if (entry.deadline != kNever) {
      // Rounded up: 0 means that there is none. So it does for one that the
      // field cannot hold (71 minutes): this end will see to it alone.
      const Nanos left = entry.deadline > now ? entry.deadline - now : 1;
      const Nanos left_us = (left + kMicrosecond - 1) / kMicrosecond;
      header.remaining_us =
          left_us > ~std::uint32_t{0} ? 0 : static_cast<std::uint32_t>(left_us);
    }
  }
  Send(peer, packet, body);
}

void ClientTransport::SetTimer(std::uint32_t call) {
  const Nanos when = std::min(calls_[call].deadline, calls_[call].attention);
  if (when == kNever) {
    timers_.Clear(call);
  } else {
    timers_.Set(call, when);
  }
}

void ClientTransport::ExpireDue(Nanos now) {
  std::uint32_t id;
  while (timers_.PopDue(now, &id)) {
    if (id < PeerTimer(0)) {
      OnCallTimer(id, now);
    } else if (id < CancelTimer(0)) {
      OnOpeningTimer(id - PeerTimer(0), now);
    } else {
      OnCancelTimer(id - CancelTimer(0), now);
    }
  }
}

void ClientTransport::OnCallTimer(std::uint32_t call, Nanos now) {
  CallEntry& entry = calls_[call];
  const std::uint32_t index = entry.peer;
  Peer& peer = peers_[index];
  if (entry.deadline <= now) {
    if (entry.state != kPending) GiveUp(call, now);
    Fail(call, absl::StatusCode::kDeadlineExceeded,
         entry.state == kPending
             ? kNotSent
             : "the deadline passed before the answer came");
    return Pump(index, now);
  }
  if (entry.tries >= (entry.state == kSent ? kTransmissions : kProbes)) {
    if (peer.in_flight > 1) GiveUp(call, now);  // it answers for others
    Fail(call, absl::StatusCode::kUnavailable,
         absl::StrCat("no answer from ", NameOf(peer),
                      " any more; the call may have run"));
    if (peer.in_flight == 0) {
      SendClose(peer);  // if it is there after all, its handlers shall know
      OnSessionLost(index, now, "is lost");
    }
    return Pump(index, now);
  }
  if (entry.state == kSent) {
    counters_.retransmissions.Add();
    return Transmit(call, now);
  }
  ++entry.tries;
  entry.attention = now + kProbePeriod;
  SetTimer(call);
  counters_.probes.Add();
  SendAbout(call, LH_PACKET_PROBE, now);
}

std::uint32_t ClientTransport::FindCall(const Packet& packet,
                                        std::uint32_t peer) {
  const lh_packet& header = packet.header;
  if (header.slot >= peers_[peer].granted) return kNone;
  const Slot& slot = SlotOf(peer, header.slot);
  return header.sequence == slot.sequence ? slot.call : kNone;
}

void ClientTransport::OnPacket(const Packet& packet, const Address& from,
                               Nanos now) {
  const lh_packet& header = packet.header;
  now_ = now;
  if (header.type == LH_PACKET_COOKIE) return OnCookie(packet, from, now);
  if (header.type == LH_PACKET_ACCEPT) return OnAccept(packet, from, now);
  if (header.type == LH_PACKET_REFUSE) return OnRefuse(packet, from);
  const auto found = by_token_.find(header.token);
  if (found == by_token_.end()) {
    counters_.packets_stale.Add();
    return;
  }
  const std::uint32_t index = found->second;
  Peer& peer = peers_[index];
  if (!(peer.address == from)) {
    counters_.packets_wrong_address.Add();
    return;
  }
  peer.active = now;
  switch (header.type) {
    case LH_PACKET_RESET:
      counters_.resets_received.Add();
      return OnSessionLost(index, now,
                           header.method == peer.open.server
                               ? "has forgotten this client"
                               : "restarted");
    case LH_PACKET_CLOSE:
      return OnSessionLost(index, now,
                           header.status == kResourceExhausted
                               ? "gave this client's place to another one"
                               : "shut down");
    case LH_PACKET_CHALLENGE:
      return OnChallenge(packet, peer);
    case LH_PACKET_REPLY:
    case LH_PACKET_ACCEPTED:
    case LH_PACKET_BUSY:
      break;
    default:
      counters_.packets_unexpected.Add();
      return;
  }
  peer.load = header.load;
  Grant(index, header.slots);
  const std::uint32_t call = FindCall(packet, index);
  if (call == kNone) {
    if (!EndsCancel(header, index)) counters_.packets_stale.Add();
    return Pump(index, now);
  }
  if (header.type == LH_PACKET_BUSY) {
    OnBusy(call, now);
    return Pump(index, now);
  }
  // ACCEPTED, or any REPLY but one that may be about the name.
  const std::uint16_t name = calls_[call].name;
  if (name != MethodNames::kNone && header.status != kUnimplemented) {
    peer.confirmed.set(name);
  }
  if (header.type == LH_PACKET_REPLY) {
    OnReply(packet, call);
    return Pump(index, now);
  }
  CallEntry& entry = calls_[call];
  entry.state = kRunning;
  Note(Station::running, call);
  entry.tries = 0;
  entry.attention = now + kProbePeriod;
  SetTimer(call);
  Pump(index, now);
}

void ClientTransport::OnBusy(std::uint32_t call, Nanos now) {
  CallEntry& entry = calls_[call];
  // Of an earlier transmission, if a later one was accepted, or if this was
  // said already of the last one.
  if (entry.state != kSent || entry.tries == 0) {
    counters_.packets_stale.Add();
    return;
  }
  counters_.busy_received.Add();
  if (++entry.refusals == kRefusals) {
    // Of what was sent twice, one was refused: the other may be accepted yet.
    const bool another = entry.tries > 1;
    if (another) GiveUp(call, now);
    return Fail(
        call, absl::StatusCode::kResourceExhausted,
        absl::StrCat("the server at ", NameOf(peers_[entry.peer]),
                     " has no place for the call; it was tried ", kRefusals,
                     " times", another ? "; the call may have run" : ""));
  }
  entry.tries = 0;
  entry.attention = now + Backoff(kFirstBusyRetry, entry.refusals - 1);
  SetTimer(call);
}

void ClientTransport::OnReply(const Packet& packet, std::uint32_t call) {
  const lh_packet& header = packet.header;
  if (header.message != 0 || header.offset != 0 ||
      header.message_length != packet.payload.size() || !packet.name.empty() ||
      !FitsMessage({packet.meta, packet.payload})) {
    counters_.packets_malformed.Add();
    return;
  }
  End(call, header.status, {packet.meta, packet.payload});
}

void ClientTransport::Fail(std::uint32_t call, absl::StatusCode code,
                           absl::string_view text) {
  counters_.outgoing_failed.Add();
  End(call, static_cast<std::uint8_t>(code),
      Bytes(text.substr(0, kMaxPayload)));
}

void ClientTransport::End(std::uint32_t call, std::uint8_t status,
                          const Body& body) {
  CallEntry& entry = calls_[call];
  timers_.Clear(call);
  if (entry.peer != kNone) {
    Peer& peer = peers_[entry.peer];
    if (entry.state == kPending) {
      RemovePending(peer, call);
    } else {
      FreeSlot(entry.peer, entry.slot);
      --peer.in_flight;
    }
  }
  entry.state = kFree;
  if (entry.known != MethodNames::kNone &&
      counters_of_[entry.known] != nullptr) {
    counters_of_[entry.known]->Ended(status);
    counters_of_[entry.known]->Took(now_ - entry.begun);
  }
  Note(Station::answered, call, status);
  handler_.OnCallEnded(call, status, body);
}

}  // namespace lauberhorn::nic
