// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// The sessions of ClientTransport: its peers, how a session is opened, its
// slots, and how it is lost.

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nic/backoff.h"
#include "nic/client_transport.h"

namespace lauberhorn::nic {
namespace {

// A server that does not answer the opening of a session this often is not
// there (about 1.3 s); whoever waits for it is tried on at the longest
// interval.
constexpr Nanos kFirstOpeningRetry = 20 * kMillisecond;
constexpr std::uint32_t kOpenings = 6;

// How long a session is wanted that somebody asked for: longer than that, and
// than the longest interval.
constexpr Nanos kWanted = 2 * kSecond;

// So often the network must have said that nobody listens there: one may be of
// the server's last life, or forged.
constexpr std::uint32_t kRefusedOpenings = 2;

std::string NotThere(absl::string_view what) {
  return absl::StrCat(what, "; is the server running?");
}

}  // namespace

absl::StatusOr<std::uint64_t> ClientTransport::Connect(const Address& address) {
  if (wire_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Wire>> wire = wires_.Open();
    if (!wire.ok()) return wire.status();
    wire_ = *std::move(wire);
    wire_list_[wire_count_++] = wire_.get();
  }
  Peer* const peer = FindRoom();
  return peer == nullptr ? absl::StatusOr<std::uint64_t>(NoRoom())
                         : Begin(*peer, address, *wire_);
}

absl::StatusOr<std::uint64_t> ClientTransport::Connect(const SocketName& name) {
  if (sockets_ == nullptr) {
    absl::StatusOr<std::unique_ptr<SocketWire>> wire = wires_.OpenSockets();
    if (!wire.ok()) return wire.status();
    sockets_ = *std::move(wire);
    wire_list_[wire_count_++] = sockets_.get();
  }
  Peer* const peer = FindRoom();
  return peer == nullptr ? absl::StatusOr<std::uint64_t>(NoRoom())
                         : Begin(*peer, sockets_->AddressOf(name), *sockets_);
}

ClientTransport::Peer* ClientTransport::FindRoom() {
  const auto unused =
      std::find_if(peers_.begin(), peers_.end(),
                   [](const Peer& peer) { return peer.state == kUnused; });
  return unused == peers_.end() ? nullptr : &*unused;
}

absl::Status ClientTransport::NoRoom() const {
  return absl::ResourceExhaustedError(absl::StrCat(
      "this process talks to ", peers_.size(), " servers already"));
}

std::uint64_t ClientTransport::Begin(Peer& peer, const Address& address,
                                     Wire& wire) {
  peer.address = address;
  peer.wire = &wire;
  peer.state = kClosed;
  ++peer.generation;
  peer.first = peer.last = kNone;
  peer.in_flight = 0;
  peer.wanted = 0;
  peer.failed = false;
  peer.cancelling = kNoSlot;
  peer.cancel_at = kNever;
  return lh_handle(&peer - peers_.data(), peer.generation);
}

absl::Status ClientTransport::Disconnect(std::uint64_t handle, Nanos now) {
  Peer* const peer = FindPeer(handle);
  if (peer == nullptr) return absl::NotFoundError("no such peer");
  const std::uint32_t index = lh_handle_index(handle);
  const bool ready = peer->state == kReady;
  Close(*peer);
  for (std::uint32_t call = 0; call < calls_.size(); ++call) {
    if (calls_[call].state != kFree && calls_[call].peer == index) {
      Cancel(call, now);
    }
  }
  if (ready) SendClose(*peer);
  if (peer->wire == sockets_.get()) sockets_->Forget(peer->address);
  peer->state = kUnused;
  timers_.Clear(PeerTimer(index));
  return absl::OkStatus();
}

ClientTransport::Peer* ClientTransport::FindPeer(std::uint64_t handle) {
  const std::uint32_t index = lh_handle_index(handle);
  if (index >= peers_.size() || peers_[index].state == kUnused ||
      peers_[index].generation != lh_handle_generation(handle)) {
    return nullptr;
  }
  return &peers_[index];
}

absl::StatusOr<lh_peer_state> ClientTransport::StateOf(std::uint64_t handle) {
  const Peer* const peer = FindPeer(handle);
  if (peer == nullptr) return absl::NotFoundError("no such peer");
  if (peer->state == kReady) return LH_PEER_READY;
  if (peer->failed) return LH_PEER_FAILED;
  return peer->state == kClosed ? LH_PEER_IDLE : LH_PEER_CONNECTING;
}

void ClientTransport::Want(std::uint64_t handle, Nanos now) {
  Peer& peer = *FindPeer(handle);
  peer.wanted = now + kWanted;
  if (peer.state == kClosed) StartOpening(lh_handle_index(handle), now);
}

void ClientTransport::Close(Peer& peer) {
  if (peer.state == kReady) by_token_.erase(peer.token);
  peer.state = kClosed;
  peer.cancelling = kNoSlot;
  SetCancelTimer(static_cast<std::uint32_t>(&peer - peers_.data()), kNever);
}

void ClientTransport::SendClose(const Peer& peer) {
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = LH_PACKET_CLOSE;
  header.token = peer.token;
  Send(peer, packet, {});
}

void ClientTransport::StartOpening(std::uint32_t index, Nanos now) {
  Peer& peer = peers_[index];
  peer.number = ++sessions_ << 16 | index;
  peer.attempts = peer.refusals = 0;
  peer.open = {};
  peer.open.client = incarnation_;
  peer.open.number = peer.number;
  peer.state = kHello;
  SendOpening(index, now);
}

void ClientTransport::SendOpening(std::uint32_t index, Nanos now) {
  const Peer& peer = peers_[index];
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = peer.state == kHello ? LH_PACKET_HELLO : LH_PACKET_OPEN;
  std::uint8_t payload[sizeof(peer.open)];
  std::memcpy(payload, &peer.open, sizeof(peer.open));
  Send(peer, packet, {.payload = payload});
  timers_.Set(PeerTimer(index),
              now + Backoff(kFirstOpeningRetry, peer.attempts));
}

void ClientTransport::FailImpatient(Peer& peer, absl::StatusCode code,
                                    absl::string_view text) {
  peer.failed = true;
  for (std::uint32_t at = peer.first; at != kNone;) {
    const std::uint32_t call = at;
    at = calls_[call].next;
    if (!calls_[call].wait_for_ready) {
      Fail(call, code, text);
    }
  }
}

void ClientTransport::OnOpeningTimer(std::uint32_t index, Nanos now) {
  Peer& peer = peers_[index];
  ++peer.attempts;
  if (peer.attempts == kOpenings && peer.refusals < kRefusedOpenings) {
    counters_.sessions_failed.Add();
  }
  if (peer.attempts >= kOpenings) {
    FailImpatient(peer, absl::StatusCode::kUnavailable,
                  NotThere(absl::StrCat("no answer from ", NameOf(peer))));
  }
  if (peer.first == kNone && peer.wanted <= now) {
    peer.state = kClosed;
    return;
  }
  // A cookie that is not accepted is of a server that is gone: begin again.
  peer.state = kHello;
  counters_.retransmissions.Add();
  SendOpening(index, now);
}

void ClientTransport::OnGone(const Address& address, Nanos now) {
  for (std::uint32_t index = 0; index < peers_.size(); ++index) {
    const Peer& peer = peers_[index];
    if (peer.state == kReady && peer.address == address) {
      OnSessionLost(index, now, "has ended");
    }
  }
}

void ClientTransport::OnUnreachable(const Address& address) {
  counters_.unreachable_heard.Add();
  for (std::uint32_t index = 0; index < peers_.size(); ++index) {
    Peer& peer = peers_[index];
    // Who has sent a cookie is there.
    if (peer.state != kHello || !(peer.address == address)) continue;
    if (++peer.refusals < kRefusedOpenings) continue;
    if (peer.refusals == kRefusedOpenings) counters_.sessions_failed.Add();
    FailImpatient(peer, absl::StatusCode::kUnavailable,
                  NotThere(peer.wire->WhyUnreachable(address)));
    if (peer.first != kNone || peer.wanted > now_) continue;
    peer.state = kClosed;
    timers_.Clear(PeerTimer(index));
  }
}

ClientTransport::Peer* ClientTransport::FindOpening(const Packet& packet,
                                                    const Address& from,
                                                    lh_open* open) {
  const absl::optional<lh_open> parsed = ParseOpen(packet);
  if (!parsed.has_value() || parsed->client != incarnation_) {
    counters_.packets_malformed.Add();
    return nullptr;
  }
  *open = *parsed;
  const auto index = static_cast<std::uint32_t>(open->number & 0xffff);
  if (index >= peers_.size() ||
      (peers_[index].state != kHello && peers_[index].state != kOpening) ||
      peers_[index].number != open->number) {
    counters_.packets_stale.Add();
    return nullptr;
  }
  if (!(peers_[index].address == from)) {
    counters_.packets_wrong_address.Add();
    return nullptr;
  }
  return &peers_[index];
}

void ClientTransport::OnCookie(const Packet& packet, const Address& from,
                               Nanos now) {
  lh_open open;
  Peer* const peer = FindOpening(packet, from, &open);
  if (peer == nullptr) return;
  if (peer->state != kHello) {
    counters_.packets_stale.Add();
    return;
  }
  peer->open = open;
  peer->state = kOpening;
  SendOpening(static_cast<std::uint32_t>(peer - peers_.data()), now);
}

void ClientTransport::OnAccept(const Packet& packet, const Address& from,
                               Nanos now) {
  lh_open open;
  Peer* const peer = FindOpening(packet, from, &open);
  if (peer == nullptr) return;
  // Also good if a timer began the opening again: this answer was on its way.
  if (peer->open.cookie == 0 || open.server != peer->open.server ||
      open.token == 0) {
    counters_.packets_malformed.Add();
    return;
  }
  const auto index = static_cast<std::uint32_t>(peer - peers_.data());
  if (!by_token_.emplace(open.token, index).second) return;  // not random
  counters_.sessions_opened.Add();
  peer->token = open.token;
  peer->state = kReady;
  peer->failed = false;
  peer->active = now;
  peer->granted = 0;
  peer->load = 0;
  peer->confirmed.reset();
  peer->free = kNoSlot;
  Grant(index, std::max(packet.header.slots, std::uint16_t{1}));
  timers_.Clear(PeerTimer(index));
  Pump(index, now);
}

// Who waits is tried on when the timer says so.
void ClientTransport::OnRefuse(const Packet& packet, const Address& from) {
  lh_open open;
  Peer* const peer = FindOpening(packet, from, &open);
  if (peer == nullptr) return;
  if (peer->open.cookie == 0 || open.cookie != peer->open.cookie ||
      open.server != peer->open.server) {
    counters_.packets_malformed.Add();
    return;
  }
  counters_.openings_refused.Add();
  FailImpatient(*peer, absl::StatusCode::kResourceExhausted,
                absl::StrCat("the server at ", NameOf(*peer),
                             " has no room for another client; try again "
                             "later, or another server"));
  if (peer->first != kNone || peer->wanted > now_) return;
  peer->state = kClosed;
  timers_.Clear(PeerTimer(static_cast<std::uint32_t>(peer - peers_.data())));
}

void ClientTransport::Grant(std::uint32_t index, std::uint16_t slots) {
  Peer& peer = peers_[index];
  const std::uint16_t granted = std::min(slots, kMaxSessionSlots);
  if (granted <= peer.granted) return;
  // The lowest first: their lines are warm at the server.
  for (std::uint16_t number = granted; number > peer.granted; --number) {
    const auto slot = static_cast<std::uint16_t>(number - 1);
    SlotOf(index, slot).sequence = 0;
    SlotOf(index, slot).cancels = 0;
    FreeSlot(index, slot);
  }
  peer.granted = granted;
}

void ClientTransport::FreeSlot(std::uint32_t peer, std::uint16_t number) {
  Slot& slot = SlotOf(peer, number);
  slot.call = kNone;
  slot.next = peers_[peer].free;
  peers_[peer].free = number;
}

// The way to the server has changed, and it asks whether this is still its
// client. What it dropped is sent again when its time comes.
void ClientTransport::OnChallenge(const Packet& packet, const Peer& peer) {
  counters_.challenges_answered.Add();
  OutgoingPacket response;
  lh_packet& header = response.header;
  header.type = LH_PACKET_RESPONSE;
  header.token = peer.token;
  header.method = packet.header.method;
  header.ack_bits = packet.header.ack_bits;
  Send(peer, response, {});
}

// What was sent may have run; what was not is sent in the next session.
void ClientTransport::OnSessionLost(std::uint32_t index, Nanos now,
                                    absl::string_view why) {
  Peer& peer = peers_[index];
  Close(peer);
  const std::string text = absl::StrCat("the server at ", NameOf(peer), " ",
                                        why, "; the call may have run");
  for (std::uint16_t number = 0; number < peer.granted; ++number) {
    const std::uint32_t call = SlotOf(index, number).call;
    if (call != kNone) Fail(call, absl::StatusCode::kUnavailable, text);
  }
  if (peer.first != kNone) StartOpening(index, now);
}

}  // namespace lauberhorn::nic
