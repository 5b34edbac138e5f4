// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/server_transport.h"

#include <algorithm>
#include <cstring>

namespace lauberhorn::nic {
namespace {

// A client that has running calls and says nothing for so long is dead. It asks
// for them once a second, and gives up itself after five misses.
constexpr Nanos kClientSilence = 6 * kSecond;

constexpr auto kCancelled =
    static_cast<std::uint8_t>(absl::StatusCode::kCancelled);

// Sequences wrap: what is up to half the circle behind is older.
bool IsOlder(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

// Slots that sessions may get beyond their first: 16 of them all there may be.
std::uint32_t SpareSlots(std::uint32_t sessions) {
  return std::min<std::uint32_t>(sessions, 16) * kMaxSessionSlots;
}

}  // namespace

ServerTransport::ServerTransport(std::uint32_t sessions, const Secret& secret,
                                 Counters& counters, Handler& handler)
    : secret_(secret),
      incarnation_(KeyedHash(secret, {kHashOfServer})),
      counters_(counters),
      handler_(handler),
      sessions_(sessions),
      slots_(sessions, SpareSlots(sessions)),
      origins_(sessions) {
  free_.reserve(sessions);
  busy_.reserve(sessions);
  for (std::uint32_t index = sessions; index > 0; --index) {
    free_.push_back(index - 1);
  }
  by_token_.reserve(sessions);
  by_open_.reserve(sessions);
}

void ServerTransport::OnPacket(const Packet& packet, const Address& from,
                               Wire& wire, std::uint32_t listener, Nanos now) {
  const lh_packet& header = packet.header;
  if (header.type == LH_PACKET_HELLO) return OnHello(packet, from, wire, now);
  if (header.type == LH_PACKET_OPEN) {
    return OnOpen(packet, from, wire, listener, now);
  }
  // Only what a client sends in a session may be answered RESET: two ends that
  // answer each other's answers would never stop.
  if (header.type != LH_PACKET_CALL && header.type != LH_PACKET_PROBE &&
      header.type != LH_PACKET_CANCEL && header.type != LH_PACKET_CLOSE &&
      header.type != LH_PACKET_RESPONSE) {
    counters_.packets_unexpected.Add();
    return;
  }
  const auto found = by_token_.find(header.token);
  if (found == by_token_.end()) {
    counters_.packets_unknown_token.Add();
    return SendReset(header.token, from, wire);
  }
  const std::uint32_t index = found->second;
  Session& session = sessions_[index];
  if (session.listener != listener) {
    counters_.packets_wrong_address.Add();
    return;
  }
  if (header.type == LH_PACKET_RESPONSE) {
    return OnResponse(packet, index, from, now);
  }
  if (!(session.peer == from)) return Challenge(session, from, now);
  if (header.slot >= slots_.granted(index)) {
    counters_.packets_malformed.Add();
    return;
  }
  session.heard = session.active = now;
  switch (header.type) {
    case LH_PACKET_CALL:
      return OnCall(packet, index, now);
    case LH_PACKET_PROBE:
      return OnProbe(packet, index, now);
    case LH_PACKET_CANCEL:
      return OnCancel(packet, index, now);
    default:
      return Release(index, LH_CALL_CANCELLED);  // LH_PACKET_CLOSE
  }
}

void ServerTransport::OnGone(const Address& client, std::uint32_t listener) {
  for (std::uint32_t index = 0; index < sessions_.size(); ++index) {
    const Session& session = sessions_[index];
    if (session.token == 0 || session.listener != listener ||
        !(session.peer == client)) {
      continue;
    }
    if (session.running > 0) counters_.clients_lost.Add();
    Release(index, LH_CALL_PEER_DEAD);
  }
}

void ServerTransport::OnCall(const Packet& packet, std::uint32_t index,
                             Nanos now) {
  const lh_packet& header = packet.header;
  // One packet holds the message; anything else is not spoken yet.
  if (header.message != 0 || header.offset != 0 ||
      header.message_length != packet.payload.size() || header.sequence == 0 ||
      !FitsMessage({packet.meta, packet.payload})) {
    counters_.packets_malformed.Add();
    return;
  }
  Session& session = sessions_[index];
  Slot& slot = slots_.At(index, header.slot);
  if (IsOlder(header.sequence, slot.sequence)) {
    counters_.packets_stale.Add();
    return;
  }
  if (header.sequence == slot.sequence) {
    counters_.calls_duplicate.Add();
    slot.heard = now;
    slot.sent_us = header.sent_us;
    if (slot.state == Slot::kRunning) {
      SendSlot(index, header.slot, LH_PACKET_ACCEPTED, now);
    } else if (slot.state == Slot::kReplied) {
      SendSlot(index, header.slot, LH_PACKET_REPLY, now);
    }
    return;
  }
  if (slot.state == Slot::kRunning) {
    counters_.calls_superseded.Add();
    Drop(index, slot, LH_CALL_CANCELLED);
  }
  const Slot::State before = slot.state;
  const std::uint32_t sequence_before = slot.sequence;
  slot.sequence = header.sequence;
  slot.heard = now;
  slot.sent_us = header.sent_us;
  StartRunning(index, slot, now);
  const Nanos deadline = header.remaining_us == 0
                             ? kNever
                             : now + Nanos{header.remaining_us} * kMicrosecond;
  const std::uint32_t call =
      handler_.OnCall({.reply_to = {.token = session.token,
                                    .session = index,
                                    .sequence = header.sequence,
                                    .slot = header.slot},
                       .listener = session.listener,
                       .method = header.method,
                       .name = packet.name,
                       .deadline = deadline,
                       .body = {packet.meta, packet.payload}});
  if (slot.state != Slot::kRunning) {  // it has been answered at once
    counters_.calls_arrived.Add();
    return;
  }
  if (call == kBusy) {
    SendSlot(index, header.slot, LH_PACKET_BUSY, now);
    StopRunning(index);
    slot.state = before;
    slot.sequence = sequence_before;
    return;
  }
  counters_.calls_arrived.Add();
  slot.call = call;
  // The client is to know at once of its new slots.
  if (session.running == slots_.granted(index) && Grow(index)) {
    SendSlot(index, header.slot, LH_PACKET_ACCEPTED, now);
  }
}

void ServerTransport::OnProbe(const Packet& packet, std::uint32_t index,
                              Nanos now) {
  const lh_packet& header = packet.header;
  Slot& slot = slots_.At(index, header.slot);
  if (header.sequence != slot.sequence || slot.state == Slot::kUnused) {
    counters_.packets_stale.Add();
    return;
  }
  slot.heard = now;
  slot.sent_us = header.sent_us;
  if (slot.state == Slot::kRunning) {
    SendSlot(index, header.slot, LH_PACKET_ACCEPTED, now);
  } else {
    SendSlot(index, header.slot, LH_PACKET_REPLY, now);
  }
}

void ServerTransport::OnCancel(const Packet& packet, std::uint32_t index,
                               Nanos now) {
  const lh_packet& header = packet.header;
  if (header.sequence == 0) {
    counters_.packets_malformed.Add();
    return;
  }
  Slot& slot = slots_.At(index, header.slot);
  if (IsOlder(header.sequence, slot.sequence)) {
    counters_.packets_stale.Add();
    return;
  }
  // It may have overtaken its call, which is not to run when it comes; what
  // runs in the slot then is of an older one.
  const bool early = header.sequence != slot.sequence;
  if (early) counters_.cancels_early.Add();
  if (slot.state == Slot::kRunning) {
    if (early) counters_.calls_superseded.Add();
    Drop(index, slot, LH_CALL_CANCELLED);
  }
  slot.sequence = header.sequence;
  slot.sent_us = header.sent_us;
  slot.state = Slot::kReplied;
  slot.status = kCancelled;
  slot.size = {};
  SendSlot(index, header.slot, LH_PACKET_REPLY, now);
}

void ServerTransport::Reply(const ReplyTo& to, std::uint8_t status,
                            const Body& body, Nanos now) {
  Session& session = sessions_[to.session];
  Slot& slot = slots_.At(to.session, to.slot);
  if (session.token != to.token || slot.sequence != to.sequence ||
      slot.state != Slot::kRunning) {
    return;  // dropped meanwhile
  }
  slot.state = Slot::kReplied;
  slot.status = status;
  slot.size = Keep(body, &slot.reply);
  StopRunning(to.session);
  session.active = now;
  SendSlot(to.session, to.slot, LH_PACKET_REPLY, now);
}

void ServerTransport::StartRunning(std::uint32_t index, Slot& slot, Nanos now) {
  slot.state = Slot::kRunning;
  Session& session = sessions_[index];
  if (session.running++ > 0) return;
  if (busy_.empty()) look_ = now + kClientSilence;
  session.busy_at = static_cast<std::uint32_t>(busy_.size());
  busy_.push_back(index);
}

void ServerTransport::StopRunning(std::uint32_t index) {
  Session& session = sessions_[index];
  if (--session.running > 0) return;
  const std::uint32_t last = busy_.back();
  busy_[session.busy_at] = last;
  sessions_[last].busy_at = session.busy_at;
  busy_.pop_back();
}

// The call goes on, but its reply has no place to go to.
void ServerTransport::Drop(std::uint32_t index, Slot& slot, std::uint8_t why) {
  slot.state = Slot::kUnused;
  StopRunning(index);
  handler_.OnCallDropped(slot.call, why);
}

void ServerTransport::ExpireDue(Nanos now) {
  look_ = kNever;
  // From the end: who leaves is replaced by one that was looked at.
  for (std::size_t at = busy_.size(); at > 0; --at) {
    const std::uint32_t index = busy_[at - 1];
    if (sessions_[index].heard + kClientSilence > now) {
      DropUnasked(index, now);
      continue;
    }
    counters_.clients_lost.Add();
    Release(index, LH_CALL_PEER_DEAD);
  }
}

// A client that lives asks for each of its calls. It gave up those that it does
// not ask for, and the packets that said so were lost.
void ServerTransport::DropUnasked(std::uint32_t index, Nanos now) {
  for (std::uint16_t number = 0; number < slots_.granted(index); ++number) {
    Slot& slot = slots_.At(index, number);
    if (slot.state != Slot::kRunning) continue;
    const Nanos dead = slot.heard + kClientSilence;
    if (dead > now) {
      look_ = std::min(look_, dead);
      continue;
    }
    counters_.calls_unasked.Add();
    Drop(index, slot, LH_CALL_CANCELLED);
  }
}

void ServerTransport::SendSlot(std::uint32_t index, std::uint16_t number,
                               std::uint8_t type, Nanos now) {
  const Session& session = sessions_[index];
  const Slot& slot = slots_.At(index, number);
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = type;
  header.token = session.token;
  header.slot = number;
  header.sequence = slot.sequence;
  header.sent_us = ToPacketTime(now);
  header.echo_us = slot.sent_us;
  header.slots = slots_.granted(index);
  Body body;
  if (type == LH_PACKET_REPLY) {
    header.flags = LH_PACKET_FLAG_LAST;
    header.status = slot.status;
    header.message_length = slot.size.payload;
    header.ack = 1;
    body = Kept(slot.reply, slot.size);
  }
  Send(packet, body, session.peer, *session.wire);
}

void ServerTransport::Send(OutgoingPacket& packet, const Body& body,
                           const Address& to, Wire& wire) {
  packet.header.load = handler_.Load();
  counters_.packets_sent.Add();
  counters_.trace.Add(Station::packet_sent, 0, packet.header.method,
                      TraceRecord::kNoEndpoint, packet.header.type);
  wire.Send(to, packet.Seal({.meta = body.meta, .payload = body.payload},
                            wire.checksum(to)));
}

}  // namespace lauberhorn::nic
