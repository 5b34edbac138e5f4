// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The client's end of sessions against servers that say anything, in simulated
// time. Answers have good checksums and may refer to what was asked, so the
// input reaches what lies behind that.
//
// Holds: a call ends once, not after its deadline, and with OK only by the
// reply to it; it is sent under one token, slot and sequence, with the same
// bytes each time; a slot's next call has a newer sequence.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nic/client_transport.h"
#include "nic/testing/captured_wire.h"
#include "nic/testing/fuzz_input.h"
#include "nic/testing/host_side.h"
#include "nic/testing/transport_peers.h"

namespace lauberhorn::nic {
namespace {

using testing::BodyOf;
using testing::FuzzInput;
using testing::Require;
using testing::SentPacket;
using testing::TestAddress;
using testing::Text;

constexpr std::uint32_t kCalls = 12;
constexpr std::uint32_t kPeers = 2;
constexpr int kSteps = 400;

class Fuzz final : private ClientTransport::Handler {
 public:
  explicit Fuzz(const FuzzInput& input) : input_(input) { Connect(); }

  void Run() {
    for (int step = 0; step < kSteps && !input_.empty(); ++step) {
      switch (input_.Below(8)) {
        case 0:
          Pass();
          break;
        case 1:
          Manage();
          break;
        case 2:
          Raw();
          break;
        case 3:
          Opening();
          break;
        case 4:
        case 5:
          InSession();
          break;
        default:
          Call();
      }
      Look();
    }
    for (const std::uint64_t peer : peers_) {
      transport_.Disconnect(peer, now_).IgnoreError();
    }
    for (std::uint32_t call = 0; call < kCalls; ++call) {
      Require(!transport_.IsOpen(call), "without a peer no call is open");
    }
    Require(transport_.Next() == kNever, "who has no calls has no timers");
  }

 private:
  struct Open {
    std::uint64_t id = 0;
    Nanos deadline = kNever;
    bool is = false;
  };
  struct Place {
    std::uint64_t token;
    std::uint16_t slot;
    std::uint32_t sequence;
    friend bool operator==(const Place& a, const Place& b) {
      return a.token == b.token && a.slot == b.slot && a.sequence == b.sequence;
    }
  };

  void OnCallEnded(std::uint32_t call, std::uint8_t status,
                   const Body& body) override {
    Require(call < kCalls && open_[call].is, "a call that ends was open");
    Require(!transport_.IsOpen(call), "the number of an ended call is free");
    open_[call].is = false;
    if (status != 0) return;
    const auto sent = places_.find(open_[call].id);
    Require(reply_ != nullptr && sent != places_.end() &&
                sent->second == Place{reply_->header.token, reply_->header.slot,
                                      reply_->header.sequence} &&
                Text(body.payload) == Text(reply_->payload) &&
                Text(body.meta) == Text(reply_->meta),
            "a call is OK if its reply says so");
  }

  void Connect() {
    const auto peer = transport_.Connect(
        TestAddress(static_cast<std::uint8_t>(1 + input_.Below(kPeers)), 9));
    if (peer.ok()) peers_.push_back(*peer);
  }

  std::uint64_t AnyPeer() {
    const std::size_t known = std::min<std::size_t>(peers_.size(), 255);
    const std::size_t which = input_.Below(known + 1);
    return which < known ? peers_[peers_.size() - 1 - which] : 77;
  }

  void Manage() {
    switch (input_.Below(8)) {
      case 0:
        transport_.Disconnect(AnyPeer(), now_).IgnoreError();
        break;
      case 1:
        Connect();
        break;
      case 2:
        transport_
            .NameMethod(
                input_.Below(4),
                absl::StrCat("/a/", std::string(input_.Below(253), 'M')))
            .IgnoreError();
        break;
      default: {
        const auto call = static_cast<std::uint32_t>(input_.Below(kCalls));
        if (!transport_.IsOpen(call)) break;
        transport_.Cancel(call, now_);
        Require(!open_[call].is, "a call that was cancelled has ended");
      }
    }
  }

  void Call() {
    const auto call = static_cast<std::uint32_t>(input_.Below(kCalls));
    const std::uint8_t what = input_.Byte();
    Require(transport_.IsOpen(call) == open_[call].is,
            "a call is open until it ends");
    if (open_[call].is) return;
    Open& open = open_[call];
    open.is = true;
    open.id = ++ids_;
    open.deadline = what % 4 == 0 ? kNever : now_ + what * kMillisecond;
    std::string payload(input_.Byte() * std::size_t{5}, 'p');
    payload.resize(std::max(payload.size(), sizeof(open.id)));
    std::memcpy(payload.data(), &open.id, sizeof(open.id));
    transport_.Call(
        call,
        {.peer = AnyPeer(),
         .method = what % std::uint64_t{5},
         .deadline = open.deadline,
         .wait_for_ready = what >= 128,
         .body = {Bytes(what % 3 == 0 ? "meta" : ""), Bytes(payload)}},
        now_);
  }

  void Pass() {
    now_ += input_.Time();
    transport_.Expire(now_);
    Require(transport_.Next() > now_, "what was due is done");
    for (const Open& open : open_) {
      Require(!open.is || open.deadline > now_,
              "no call is open after its deadline");
    }
  }

  // Any bytes, sealed if they are a packet.
  void Raw() {
    const std::optional<Packet> packet = input_.AnyPacket();
    if (packet.has_value()) Deliver(packet->header, BodyOf(*packet));
  }

  // The answer to what a client last said to open a session, or nearly.
  void Opening() {
    const std::uint8_t what = input_.Byte();
    lh_open open = asked_;
    open.server = 1 + (what >> 6);
    open.cookie = 5;
    lh_packet header = testing::PacketOf(LH_PACKET_COOKIE);
    if ((what & 1) != 0) {
      header.type = LH_PACKET_ACCEPT;
      header.slots = static_cast<std::uint16_t>(what & 0xe);
      open.token = input_.Byte();
      if (tokens_.size() < 200) tokens_.push_back(open.token);
    }
    if ((what & 0x41) == 0x40) header.type = LH_PACKET_REFUSE;
    if ((what & 0x30) == 0x30) {
      reinterpret_cast<std::uint8_t*>(&open)[input_.Below(sizeof(open))] ^= 1;
    }
    Deliver(header, {.payload = {reinterpret_cast<const std::uint8_t*>(&open),
                                 sizeof(open)}});
  }

  void InSession() {
    static constexpr std::uint8_t kTypes[] = {
        LH_PACKET_REPLY,    LH_PACKET_REPLY, LH_PACKET_REPLY,
        LH_PACKET_ACCEPTED, LH_PACKET_RESET, LH_PACKET_CHALLENGE,
        LH_PACKET_CLOSE,    LH_PACKET_BUSY};
    lh_packet header = testing::PacketOf(kTypes[input_.Below(8)]);
    if (!tokens_.empty()) header.token = tokens_[input_.Below(tokens_.size())];
    if (!asked_calls_.empty()) {
      const Place& place = asked_calls_[input_.Below(asked_calls_.size())];
      header.token = place.token;
      header.slot = place.slot;
      header.sequence = place.sequence;
    }
    const std::uint8_t what = input_.Byte();
    if ((what & 7) == 7) header.sequence += what >> 3;
    header.slots = input_.Byte();
    header.load = input_.Byte();
    header.status = static_cast<std::uint8_t>(input_.Below(20) % 17);
    const std::string text(input_.Byte() * std::size_t{5}, 'r');
    header.message_length = static_cast<std::uint32_t>(text.size());
    header.method = what;
    Deliver(header, {.meta = Bytes(what % 3 == 0 ? "meta" : ""),
                     .payload = Bytes(text)});
  }

  void Deliver(const lh_packet& header, const PacketBody& body) {
    std::uint8_t bytes[LH_PACKET_MAX];
    const std::size_t size = SealPacket(header, body, bytes);
    const std::optional<Packet> packet = ParsePacket({bytes, size});
    if (!packet.has_value()) return;  // a raw header that says nonsense
    // Mostly from whom the client spoke to last.
    const std::uint8_t where = input_.Byte();
    const Address from =
        where < 224
            ? spoken_to_
            : TestAddress(static_cast<std::uint8_t>(1 + where % (kPeers + 1)),
                          9);
    reply_ = header.type == LH_PACKET_REPLY ? &*packet : nullptr;
    transport_.OnPacket(*packet, from, now_);
    reply_ = nullptr;
  }

  // At what was sent since the last look.
  void Look() {
    for (const SentPacket& sent : sent_) {
      const std::optional<Packet> packet = ParsePacket(sent.bytes);
      Require(packet.has_value(), "what is sent parses");
      spoken_to_ = sent.to;
      switch (packet->header.type) {
        case LH_PACKET_HELLO:
        case LH_PACKET_OPEN:
          asked_ = *ParseOpen(*packet);
          break;
        case LH_PACKET_CALL:
          LookAtCall(*packet);
          break;
        case LH_PACKET_PROBE:
        case LH_PACKET_CANCEL:
        case LH_PACKET_CLOSE:
        case LH_PACKET_RESPONSE:
          break;
        default:
          Require(false, "a client sends what clients send");
      }
    }
    sent_.clear();
  }

  void LookAtCall(const Packet& packet) {
    const lh_packet& header = packet.header;
    const Place place = {header.token, header.slot, header.sequence};
    std::uint64_t id = 0;
    Require(packet.payload.size() >= sizeof(id), "a call has its payload");
    std::memcpy(&id, packet.payload.data(), sizeof(id));
    const auto [sent, first] = places_.try_emplace(id, place);
    Require(sent->second == place, "a call is sent in one place");
    const std::string text = Text(packet.payload) + Text(packet.meta);
    const auto [known, unused] = payloads_.try_emplace(id, text);
    Require(known->second == text, "a call is sent with the same bytes");
    if (!first) return;
    asked_calls_.push_back(place);
    if (asked_calls_.size() > 8) asked_calls_.erase(asked_calls_.begin());
  }

  FuzzInput input_;
  Nanos now_ = 1000 * kSecond;
  Counters counters_;
  std::vector<SentPacket> sent_;
  testing::CapturedWireFactory wires_{TestAddress(9, 200), sent_};
  Open open_[kCalls];
  std::uint64_t ids_ = 0;
  std::map<std::uint64_t, Place> places_;  // of calls by id
  std::map<std::uint64_t, std::string> payloads_;
  const Packet* reply_ = nullptr;  // being delivered
  std::vector<std::uint64_t> peers_;
  std::vector<std::uint64_t> tokens_;
  std::vector<Place> asked_calls_;
  lh_open asked_ = {};
  Address spoken_to_;
  ClientTransport transport_{
      kCalls, kPeers,    testing::TestSecret(2),
      wires_, counters_, static_cast<ClientTransport::Handler&>(*this)};
};

}  // namespace
}  // namespace lauberhorn::nic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  lauberhorn::nic::Fuzz({data, size}).Run();
  return 0;
}
