// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/server_transport.h"

#include <algorithm>
#include <cstring>

namespace lauberhorn::nic {
namespace {

// How long a client may take to return a cookie.
constexpr Nanos kCookieLife = 10 * kSecond;

// A session may make room for another when it has been idle for longer than any
// client sends a call again without an answer.
constexpr Nanos kEvictAfter = 30 * kSecond;

std::uint32_t Microseconds(Nanos now) {
  return static_cast<std::uint32_t>(now / kMicrosecond);
}

// Sequences wrap: what is up to half the circle behind is older.
bool IsOlder(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

// Slots that sessions may get beyond their first: 16 of them all there may be.
constexpr std::uint32_t kSpareSlots = 16 * kMaxSessionSlots;

// Purposes of keyed hashes: the same values never mean two things.
enum Purpose : std::uint64_t { kIncarnation = 1, kCookie = 2, kToken = 3 };

}  // namespace

ServerTransport::ServerTransport(std::uint32_t sessions, const Secret& secret,
                                 Counters& counters, Handler& handler)
    : secret_(secret),
      incarnation_(KeyedHash(secret, {kIncarnation})),
      counters_(counters),
      handler_(handler),
      sessions_(sessions),
      slots_(sessions, kSpareSlots) {
  free_.reserve(sessions);
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
      header.type != LH_PACKET_CANCEL && header.type != LH_PACKET_CLOSE) {
    counters_.packets_unexpected.Add();
    return;
  }
  const auto found = by_token_.find(header.token);
  if (found == by_token_.end()) {
    counters_.packets_unknown_token.Add();
    return SendEnd(LH_PACKET_RESET, header.token, from, wire);
  }
  const std::uint32_t index = found->second;
  Session& session = sessions_[index];
  if (!(session.peer == from) || session.listener != listener) {
    counters_.packets_wrong_address.Add();
    return;
  }
  if (header.slot >= slots_.granted(index)) {
    counters_.packets_malformed.Add();
    return;
  }
  session.active = now;
  switch (header.type) {
    case LH_PACKET_CALL:
      return OnCall(packet, index, now);
    case LH_PACKET_PROBE:
      return OnProbe(packet, index, now);
    case LH_PACKET_CANCEL:
      return OnCancel(packet, index);
    default:
      return Release(index);  // LH_PACKET_CLOSE
  }
}

// Binds the client's address, incarnation and session to a time.
std::uint64_t ServerTransport::Cookie(const Address& from,
                                      const lh_open& open) const {
  std::uint64_t ip[2];
  std::memcpy(ip, from.raw().ip, sizeof(ip));
  const std::uint64_t rest =
      std::uint64_t{from.raw().scope} << 16 | from.port();
  return KeyedHash(secret_, {kCookie, ip[0], ip[1], rest, open.client,
                             open.number, open.cookie_time});
}

void ServerTransport::OnHello(const Packet& packet, const Address& from,
                              Wire& wire, Nanos now) {
  absl::optional<lh_open> open = ParseOpen(packet);
  if (!open.has_value()) {
    counters_.packets_malformed.Add();
    return;
  }
  open->server = incarnation_;
  open->cookie_time = now;
  open->cookie = Cookie(from, *open);
  open->token = 0;
  SendOpen(LH_PACKET_COOKIE, *open, from, wire);
}

void ServerTransport::OnOpen(const Packet& packet, const Address& from,
                             Wire& wire, std::uint32_t listener, Nanos now) {
  absl::optional<lh_open> open = ParseOpen(packet);
  if (!open.has_value()) {
    counters_.packets_malformed.Add();
    return;
  }
  if (open->server != incarnation_ || open->cookie_time > now ||
      open->cookie_time + kCookieLife < now ||
      open->cookie != Cookie(from, *open)) {
    counters_.cookies_refused.Add();
    return;
  }
  const OpenKey key = {open->client, open->number, from, listener};
  std::uint32_t index;
  if (const auto found = by_open_.find(key); found != by_open_.end()) {
    index = found->second;  // the ACCEPT was lost
  } else {
    index = Allocate(now);
    if (index == kNone) {
      counters_.sessions_refused.Add();
      return;
    }
    Session& session = sessions_[index];
    session.token = KeyedHash(secret_, {kToken, ++opened_});
    session.client = open->client;
    session.number = open->number;
    session.peer = from;
    session.wire = &wire;
    session.listener = listener;
    session.running = 0;
    ClearSlots(index, 0);
    by_token_.emplace(session.token, index);
    by_open_.emplace(key, index);
    counters_.sessions_accepted.Add();
  }
  sessions_[index].active = now;
  open->token = sessions_[index].token;
  SendOpen(LH_PACKET_ACCEPT, *open, from, wire);
}

void ServerTransport::OnCall(const Packet& packet, std::uint32_t index,
                             Nanos now) {
  const lh_packet& header = packet.header;
  // One packet holds the message; anything else is not spoken yet.
  if (header.message != 0 || header.offset != 0 ||
      header.message_length != packet.payload.size() || !packet.meta.empty() ||
      header.sequence == 0) {
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
    slot.sent_us = header.sent_us;
    if (slot.state == Slot::kRunning) {
      SendSlot(index, header.slot, LH_PACKET_ACCEPTED, {}, now);
    } else if (slot.state == Slot::kReplied) {
      SendSlot(index, header.slot, LH_PACKET_REPLY, {slot.reply, slot.length},
               now);
    }
    return;
  }
  if (slot.state == Slot::kRunning) {
    counters_.calls_superseded.Add();
    Drop(session, slot);
  }
  slot.sequence = header.sequence;
  slot.sent_us = header.sent_us;
  slot.state = Slot::kRunning;
  ++session.running;
  counters_.calls_arrived.Add();
  if (session.running == slots_.granted(index)) {
    Grow(index);
    SendSlot(index, header.slot, LH_PACKET_ACCEPTED, {}, now);
  }
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
                       .deadline = deadline,
                       .payload = packet.payload});
  // It may have been answered at once.
  if (slot.state == Slot::kRunning) slot.call = call;
}

void ServerTransport::OnProbe(const Packet& packet, std::uint32_t index,
                              Nanos now) {
  const lh_packet& header = packet.header;
  Slot& slot = slots_.At(index, header.slot);
  if (header.sequence != slot.sequence || slot.state == Slot::kUnused) {
    counters_.packets_stale.Add();
    return;
  }
  slot.sent_us = header.sent_us;
  if (slot.state == Slot::kRunning) {
    SendSlot(index, header.slot, LH_PACKET_ACCEPTED, {}, now);
  } else {
    SendSlot(index, header.slot, LH_PACKET_REPLY, {slot.reply, slot.length},
             now);
  }
}

void ServerTransport::OnCancel(const Packet& packet, std::uint32_t index) {
  Session& session = sessions_[index];
  Slot& slot = slots_.At(index, packet.header.slot);
  if (packet.header.sequence != slot.sequence) {
    counters_.packets_stale.Add();
    return;
  }
  if (slot.state == Slot::kRunning) Drop(session, slot);
}

void ServerTransport::Reply(const ReplyTo& to, std::uint8_t status,
                            absl::Span<const std::uint8_t> payload, Nanos now) {
  Session& session = sessions_[to.session];
  Slot& slot = slots_.At(to.session, to.slot);
  if (session.token != to.token || slot.sequence != to.sequence ||
      slot.state != Slot::kRunning) {
    return;  // dropped meanwhile
  }
  slot.state = Slot::kReplied;
  slot.status = status;
  slot.length = static_cast<std::uint16_t>(payload.size());
  if (!payload.empty()) {
    std::memcpy(slot.reply, payload.data(), payload.size());
  }
  --session.running;
  session.active = now;
  SendSlot(to.session, to.slot, LH_PACKET_REPLY, payload, now);
}

void ServerTransport::Grow(std::uint32_t index) {
  const std::uint16_t before = slots_.granted(index);
  if (!slots_.Grow(index)) return;
  counters_.sessions_grown.Add();
  ClearSlots(index, before);
}

void ServerTransport::ClearSlots(std::uint32_t index, std::uint16_t from) {
  for (std::uint16_t number = from; number < slots_.granted(index); ++number) {
    Slot& slot = slots_.At(index, number);
    slot.state = Slot::kUnused;
    slot.sequence = 0;
  }
}

// The call goes on, but its reply has no place to go to.
void ServerTransport::Drop(Session& session, Slot& slot) {
  slot.state = Slot::kUnused;
  --session.running;
  handler_.OnCallDropped(slot.call);
}

std::uint32_t ServerTransport::Allocate(Nanos now) {
  if (free_.empty()) {
    std::uint32_t oldest = kNone;
    for (const auto& [token, index] : by_token_) {
      const Session& session = sessions_[index];
      if (session.running == 0 && session.active + kEvictAfter < now &&
          (oldest == kNone || session.active < sessions_[oldest].active)) {
        oldest = index;
      }
    }
    if (oldest == kNone) return kNone;
    counters_.sessions_evicted.Add();
    Release(oldest);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

void ServerTransport::Release(std::uint32_t index) {
  Session& session = sessions_[index];
  for (std::uint16_t number = 0; number < slots_.granted(index); ++number) {
    Slot& slot = slots_.At(index, number);
    if (slot.state == Slot::kRunning) Drop(session, slot);
  }
  slots_.Shrink(index);
  by_token_.erase(session.token);
  by_open_.erase(
      {session.client, session.number, session.peer, session.listener});
  free_.push_back(index);
}

void ServerTransport::CloseListener(std::uint32_t listener) {
  std::vector<std::uint32_t> gone;
  for (const auto& [token, index] : by_token_) {
    if (sessions_[index].listener == listener) gone.push_back(index);
  }
  for (const std::uint32_t index : gone) {
    const Session& session = sessions_[index];
    SendEnd(LH_PACKET_CLOSE, session.token, session.peer, *session.wire);
    Release(index);
  }
}

void ServerTransport::SendOpen(std::uint8_t type, const lh_open& open,
                               const Address& to, Wire& wire) {
  lh_packet header = {};
  header.type = type;
  header.slots = type == LH_PACKET_ACCEPT ? kSessionSlots : 0;
  std::uint8_t payload[sizeof(open)];
  std::memcpy(payload, &open, sizeof(open));
  Send(header, payload, to, wire);
}

void ServerTransport::SendEnd(std::uint8_t type, std::uint64_t token,
                              const Address& to, Wire& wire) {
  lh_packet header = {};
  header.type = type;
  header.token = token;
  header.method = incarnation_;
  Send(header, {}, to, wire);
}

void ServerTransport::SendSlot(std::uint32_t index, std::uint16_t number,
                               std::uint8_t type,
                               absl::Span<const std::uint8_t> payload,
                               Nanos now) {
  const Session& session = sessions_[index];
  const Slot& slot = slots_.At(index, number);
  lh_packet header = {};
  header.type = type;
  header.token = session.token;
  header.slot = number;
  header.sequence = slot.sequence;
  header.sent_us = Microseconds(now);
  header.echo_us = slot.sent_us;
  header.slots = slots_.granted(index);
  if (type == LH_PACKET_REPLY) {
    header.flags = LH_PACKET_FLAG_LAST;
    header.status = slot.status;
    header.message_length = static_cast<std::uint32_t>(payload.size());
    header.ack = 1;
  }
  Send(header, payload, session.peer, *session.wire);
}

void ServerTransport::Send(const lh_packet& header,
                           absl::Span<const std::uint8_t> payload,
                           const Address& to, Wire& wire) {
  std::uint8_t bytes[LH_PACKET_MAX];
  const std::size_t size = SealPacket(header, payload, bytes);
  counters_.packets_sent.Add();
  wire.Send(to, {bytes, size});
}

}  // namespace lauberhorn::nic
