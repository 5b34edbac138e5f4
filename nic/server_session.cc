// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// The sessions of ServerTransport: how they are opened, which slots they get,
// which one makes room for another, and how they end.

#include <array>
#include <cstring>
#include <vector>

#include "nic/server_transport.h"

namespace lauberhorn::nic {
namespace {

// How long a client may take to return a cookie.
constexpr Nanos kCookieLife = 10 * kSecond;

// A session may make room for another when it has been idle for longer than any
// client sends a call again without an answer.
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
    index = Allocate(now);
    if (index == kNone) {
      counters_.sessions_refused.Add();
      return;
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
    Release(oldest, LH_CALL_CANCELLED);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

void ServerTransport::Release(std::uint32_t index, std::uint8_t why) {
  Session& session = sessions_[index];
  for (std::uint16_t number = 0; number < slots_.granted(index); ++number) {
    Slot& slot = slots_.At(index, number);
    if (slot.state == Slot::kRunning) Drop(index, slot, why);
  }
  slots_.Shrink(index);
  by_token_.erase(session.token);
  by_open_.erase(
      {session.client, session.number, session.opener, session.listener});
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
  Send(packet, payload, to, wire);
}

void ServerTransport::SendEnd(std::uint8_t type, std::uint64_t token,
                              const Address& to, Wire& wire) {
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = type;
  header.token = token;
  header.method = incarnation_;
  Send(packet, {}, to, wire);
}

}  // namespace lauberhorn::nic
