// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// The sessions of ServerTransport: how they are opened, which slots they get,
// which one makes room for another, and how they end.

#include <array>
#include <cstring>

#include "nic/server_transport.h"

namespace lauberhorn::nic {
namespace {

// How long a client may take to return a cookie.
constexpr Nanos kCookieLife = 10 * kSecond;

// Nobody misses a session that has been idle for so long: no client sends a
// call again without an answer, nor uses a session without opening it anew.
constexpr Nanos kEvictAfter = 30 * kSecond;

// An address as a part of what is hashed.
using Words = std::array<std::uint64_t, 3>;

Words ToWords(const Address& address) {
  Words words;
  std::memcpy(words.data(), address.raw().ip, sizeof(address.raw().ip));
  words[2] = std::uint64_t{address.raw().scope} << 16 | address.port();
  return words;
}

}  // namespace

// Binds the client's address, incarnation and session to a time.
std::uint64_t ServerTransport::Cookie(const Address& from,
                                      const lh_open& open) const {
  const Words at = ToWords(from);
  return KeyedHash(secret_, {kHashOfCookie, at[0], at[1], at[2], open.client,
                             open.number, open.cookie_time});
}

std::uint64_t ServerTransport::ChallengeCookie(const Session& session,
                                               const Address& from,
                                               Nanos time) const {
  const Words at = ToWords(from);
  return KeyedHash(secret_, {kHashOfChallenge, at[0], at[1], at[2],
                             session.token, session.moves, time});
}

void ServerTransport::Challenge(const Session& session, const Address& from,
                                Nanos now) {
  counters_.challenges_sent.Add();
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = LH_PACKET_CHALLENGE;
  header.token = session.token;
  header.method = ChallengeCookie(session, from, now);
  header.ack_bits = now;
  Send(packet, {}, from, *session.wire);
}

void ServerTransport::OnResponse(const Packet& packet, std::uint32_t index,
                                 const Address& from, Nanos now) {
  Session& session = sessions_[index];
  const Nanos time = packet.header.ack_bits;
  if (time > now || time + kCookieLife < now ||
      packet.header.method != ChallengeCookie(session, from, time)) {
    counters_.challenges_failed.Add();
    return;
  }
  counters_.sessions_moved.Add();
  ++session.moves;
  origins_.Remove(session.peer);
  origins_.Add(from);
  session.peer = from;
  session.heard = session.active = now;
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
    index = Allocate(from, now);
    if (index == kNone) {
      counters_.sessions_refused.Add();
      open->token = 0;
      return SendOpen(LH_PACKET_REFUSE, *open, from, wire);
    }
    Session& session = sessions_[index];
    session.token = KeyedHash(secret_, {kHashOfToken, ++opened_});
    session.client = open->client;
    session.number = open->number;
    session.peer = session.opener = from;
    session.moves = 0;
    session.wire = &wire;
    session.listener = listener;
    session.running = 0;
    ClearSlots(index, 0);
    origins_.Add(from);
    by_token_.emplace(session.token, index);
    by_open_.emplace(key, index);
    counters_.sessions_accepted.Add();
  }
  sessions_[index].heard = sessions_[index].active = now;
  open->token = sessions_[index].token;
  SendOpen(LH_PACKET_ACCEPT, *open, from, wire);
}

bool ServerTransport::Grow(std::uint32_t index) {
  const std::uint16_t before = slots_.granted(index);
  if (!slots_.Grow(index)) return false;
  counters_.sessions_grown.Add();
  ClearSlots(index, before);
  return true;
}

void ServerTransport::ClearSlots(std::uint32_t index, std::uint16_t from) {
  for (std::uint16_t number = from; number < slots_.granted(index); ++number) {
    Slot& slot = slots_.At(index, number);
    slot.state = Slot::kUnused;
    slot.sequence = 0;
  }
}

std::uint32_t ServerTransport::Allocate(const Address& from, Nanos now) {
  if (origins_.Count(from) >= free_.size()) {
    const std::uint32_t victim = ToGiveUp(from, now);
    if (victim == kNone) return kNone;
    counters_.sessions_evicted.Add();
    SendClose(sessions_[victim], absl::StatusCode::kResourceExhausted);
    Release(victim, LH_CALL_CANCELLED);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

std::uint32_t ServerTransport::ToGiveUp(const Address& from, Nanos now) const {
  std::uint32_t oldest = kNone;  // of those that nobody will miss
  std::uint32_t theirs = kNone;  // of whoever has the most
  std::uint32_t mine = kNone;
  // Whoever has one more than `from` would be left with as many.
  std::uint32_t most = origins_.Count(from) + 2;
  // In the order of their places, which is the same in each run.
  for (std::uint32_t index = 0; index < sessions_.size(); ++index) {
    const Session& session = sessions_[index];
    if (session.token == 0 || session.running > 0) continue;
    const auto longer_idle = [&](std::uint32_t than) {
      return than == kNone || session.active < sessions_[than].active;
    };
    if (session.active + kEvictAfter < now && longer_idle(oldest)) {
      oldest = index;
    }
    const std::uint32_t count = origins_.Count(session.peer);
    if (count > most || (count == most && longer_idle(theirs))) {
      most = count;
      theirs = index;
    }
    if (Origins::Same(session.peer, from) && longer_idle(mine)) mine = index;
  }
  if (oldest != kNone) return oldest;
  return theirs != kNone ? theirs : mine;
}

void ServerTransport::Release(std::uint32_t index, std::uint8_t why) {
  Session& session = sessions_[index];
  for (std::uint16_t number = 0; number < slots_.granted(index); ++number) {
    Slot& slot = slots_.At(index, number);
    if (slot.state == Slot::kRunning) Drop(index, slot, why);
  }
  slots_.Shrink(index);
  origins_.Remove(session.peer);
  by_token_.erase(session.token);
  by_open_.erase(
      {session.client, session.number, session.opener, session.listener});
  session.token = 0;
  free_.push_back(index);
}

void ServerTransport::CloseListener(std::uint32_t listener) {
  for (std::uint32_t index = 0; index < sessions_.size(); ++index) {
    const Session& session = sessions_[index];
    if (session.token == 0 || session.listener != listener) continue;
    SendClose(session, absl::StatusCode::kUnavailable);
    Release(index, LH_CALL_CANCELLED);
  }
}

void ServerTransport::SendOpen(std::uint8_t type, const lh_open& open,
                               const Address& to, Wire& wire) {
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = type;
  header.slots = type == LH_PACKET_ACCEPT ? kSessionSlots : 0;
  std::uint8_t payload[sizeof(open)];
  std::memcpy(payload, &open, sizeof(open));
  Send(packet, Body(payload), to, wire);
}

void ServerTransport::SendReset(std::uint64_t token, const Address& to,
                                Wire& wire) {
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = LH_PACKET_RESET;
  header.token = token;
  header.method = incarnation_;
  Send(packet, {}, to, wire);
}

void ServerTransport::SendClose(const Session& session, absl::StatusCode why) {
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = LH_PACKET_CLOSE;
  header.token = session.token;
  header.status = static_cast<std::uint8_t>(why);
  Send(packet, {}, session.peer, *session.wire);
}

}  // namespace lauberhorn::nic
