// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The server's end of sessions against three addresses that say anything, in
// simulated time. Packets have good checksums and may use the tokens, cookies
// and challenges that were seen, so the input reaches what lies behind them.
//
// Holds: a call of a slot is newer than every earlier one, so none is told
// twice; each ends once, by its reply or dropped; what is sent as a reply is
// what was replied; nobody gets more than he sent, but for the reply to a call.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nic/server_transport.h"
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

constexpr std::uint32_t kSessions = 2;
constexpr std::uint32_t kListeners = 2;
constexpr int kSteps = 400;

class Fuzz final : private ServerTransport::Handler {
 public:
  explicit Fuzz(const FuzzInput& input) : input_(input) {}

  void Run() {
    for (int step = 0; step < kSteps && !input_.empty(); ++step) {
      switch (input_.Below(8)) {
        case 0:
          Pass();
          break;
        case 1:
          if (!calls_.empty()) {
            Reply(static_cast<std::uint32_t>(
                input_.Below(std::min<std::size_t>(calls_.size(), 256))));
          }
          break;
        case 2:
          Raw();
          break;
        case 3:
          Opening();
          break;
        case 4:
          if (input_.Byte() == 255) {
            transport_.CloseListener(
                static_cast<std::uint32_t>(input_.Below(kListeners)));
          }
          break;
        default:
          InSession();
      }
      Look();
    }
    for (std::uint32_t listener = 0; listener < kListeners; ++listener) {
      transport_.CloseListener(listener);
    }
    for (const Call& call : calls_) {
      Require(call.state != kRunning, "a call of a closed wire has ended");
    }
    Require(transport_.Next() == kNever, "who has no calls has no time limit");
  }

 private:
  enum State { kRunning, kReplied, kDropped };
  struct Call {
    ReplyTo to;
    State state;
    std::uint8_t status;
    std::string reply;
    std::string meta;
  };
  struct Name {  // of a call in a session
    std::uint64_t token;
    std::uint16_t slot;
    std::uint32_t sequence;
    friend bool operator<(const Name& a, const Name& b) {
      if (a.token != b.token) return a.token < b.token;
      if (a.slot != b.slot) return a.slot < b.slot;
      return a.sequence < b.sequence;
    }
  };

  std::uint32_t OnCall(const IncomingCall& call) override {
    if (call.method % 8 == 7) return ServerTransport::kBusy;
    const ReplyTo& to = call.reply_to;
    const auto [last, first] =
        last_.try_emplace({to.token, to.slot}, to.sequence);
    Require(first || static_cast<std::int32_t>(to.sequence - last->second) > 0,
            "a call of a slot is newer than the last");
    last->second = to.sequence;
    const auto number = static_cast<std::uint32_t>(calls_.size());
    calls_.push_back({to, kRunning, 0, "", ""});
    names_[{to.token, to.slot, to.sequence}] = number;
    Require(cancelled_.count({to.token, to.slot, to.sequence}) == 0,
            "a call that was cancelled never runs");
    if (call.method % 4 == 0) Reply(number);
    return number;
  }

  void OnCallDropped(std::uint32_t call, std::uint8_t) override {
    Require(call < calls_.size() && calls_[call].state == kRunning,
            "a call that is dropped was running");
    calls_[call].state = kDropped;
  }

  std::uint8_t Load() const override { return load_; }

  void Reply(std::uint32_t number) {
    Call& call = calls_[number];
    const bool running = call.state == kRunning;
    const std::string text(input_.Byte() * std::size_t{5}, 'r');
    const std::string meta(input_.Byte() / 4, 'm');
    const auto status = static_cast<std::uint8_t>(input_.Below(17));
    if (running) {
      call.state = kReplied;
      call.status = status;
      call.reply = text;
      call.meta = meta;
    }
    const std::size_t before = sent_.size();
    transport_.Reply(call.to, status, {Bytes(meta), Bytes(text)}, now_);
    Require(sent_.size() == before + (running ? 1 : 0),
            "a call is answered just if it runs");
  }

  void Pass() {
    now_ += input_.Time();
    transport_.Expire(now_);
    Require(transport_.Next() > now_, "what was due is done");
  }

  // Any bytes, sealed if they are a packet.
  void Raw() {
    const std::optional<Packet> packet = input_.AnyPacket();
    if (packet.has_value()) Deliver(packet->header, BodyOf(*packet));
  }

  void Opening() {
    const std::uint8_t what = input_.Byte();
    lh_open open = cookie_;
    if ((what & 1) == 0) {
      open = {};
      open.client = input_.Below(4);
      open.number = input_.Below(4);
    } else if ((what & 2) != 0) {
      reinterpret_cast<std::uint8_t*>(&open)[input_.Below(sizeof(open))] ^= 1;
    }
    Deliver(
        testing::PacketOf((what & 1) == 0 ? LH_PACKET_HELLO : LH_PACKET_OPEN),
        {.payload = {reinterpret_cast<const std::uint8_t*>(&open),
                     sizeof(open)}});
  }

  void InSession() {
    static constexpr std::uint8_t kTypes[] = {
        LH_PACKET_CALL,     LH_PACKET_CALL, LH_PACKET_PROBE, LH_PACKET_CANCEL,
        LH_PACKET_RESPONSE, LH_PACKET_CALL, LH_PACKET_CLOSE, LH_PACKET_CALL};
    lh_packet header = testing::PacketOf(kTypes[input_.Below(8)]);
    header.token = tokens_.empty() ? 1 : tokens_[input_.Below(tokens_.size())];
    // Most calls in few slots; near the end of the circle, too.
    header.slot = static_cast<std::uint16_t>(input_.Below(20));
    const std::uint32_t sequence = input_.Byte();
    header.sequence = sequence < 128 ? sequence : sequence - 256;
    header.method = input_.Byte();
    header.remaining_us = input_.Byte() * 1000u;
    load_ = input_.Byte();
    const std::string text(input_.Byte() * std::size_t{5}, 'p');
    header.message_length = static_cast<std::uint32_t>(text.size());
    if (header.type == LH_PACKET_RESPONSE) {
      header.token = challenge_.token;
      header.method = challenge_.method;
      header.ack_bits = challenge_.ack_bits;
    }
    Deliver(header, {.name = header.method % 3 == 0 ? "/a/B" : "",
                     .meta = Bytes(header.method % 5 == 0 ? "meta" : ""),
                     .payload = Bytes(text)});
  }

  void Deliver(const lh_packet& header, const PacketBody& body) {
    std::uint8_t bytes[LH_PACKET_MAX];
    const std::size_t size = SealPacket(header, body, bytes);
    const std::optional<Packet> packet = ParsePacket({bytes, size});
    if (!packet.has_value()) return;  // a raw header that says nonsense
    const std::uint8_t where = input_.Byte();
    const Address from =
        TestAddress(static_cast<std::uint8_t>(2 + where % 3), 7);
    const std::uint32_t listener = where / 128;
    const std::size_t before = sent_.size();
    transport_.OnPacket(*packet, from, wires_[listener], listener, now_);
    if (sent_.size() == before) return;
    if (header.type == LH_PACKET_CANCEL &&
        ParsePacket(sent_.back().bytes)->header.type == LH_PACKET_REPLY) {
      cancelled_.insert(NameOf(header));
    }
    // A session that was given up for another is closed first.
    const bool accepted = header.type == LH_PACKET_OPEN;
    Require(sent_.size() <= before + (accepted ? 2 : 1),
            "a packet has one answer at most");
    const SentPacket& answer = sent_.back();
    Require(answer.to == from, "an answer goes to who asked");
    Require(answer.bytes.size() <= size || header.type == LH_PACKET_CALL ||
                header.type == LH_PACKET_PROBE,
            "nobody is amplified");
  }

  // At what was sent since the last look.
  void Look() {
    for (const SentPacket& sent : sent_) {
      const std::optional<Packet> packet = ParsePacket(sent.bytes);
      Require(packet.has_value(), "what is sent parses");
      const lh_packet& header = packet->header;
      switch (header.type) {
        case LH_PACKET_COOKIE:
          cookie_ = *ParseOpen(*packet);
          break;
        case LH_PACKET_ACCEPT:
          Remember(ParseOpen(*packet)->token);
          break;
        case LH_PACKET_CHALLENGE:
          challenge_ = header;
          break;
        case LH_PACKET_REPLY: {
          if (cancelled_.count(NameOf(header)) > 0) {
            Require(header.status == 1 && packet->payload.empty() &&
                        packet->meta.empty(),
                    "who gave a call up gets no more than that");
            break;
          }
          const Call& call = Find(header);
          Require(call.state == kReplied && call.status == header.status &&
                      call.reply == Text(packet->payload) &&
                      call.meta == Text(packet->meta),
                  "a reply is what the handler said");
          break;
        }
        case LH_PACKET_ACCEPTED:
          Require(Find(header).state == kRunning, "what is ACCEPTED runs");
          break;
        default:
          Require(header.type == LH_PACKET_RESET ||
                      header.type == LH_PACKET_CLOSE ||
                      header.type == LH_PACKET_BUSY ||
                      header.type == LH_PACKET_REFUSE,
                  "a server sends what servers send");
      }
    }
    sent_.clear();
  }

  static Name NameOf(const lh_packet& header) {
    return {header.token, header.slot, header.sequence};
  }

  const Call& Find(const lh_packet& header) {
    const auto found = names_.find(NameOf(header));
    Require(found != names_.end(), "an answer is about a call that came");
    return calls_[found->second];
  }

  void Remember(std::uint64_t token) {
    for (const std::uint64_t known : tokens_) {
      if (known == token) return;
    }
    if (tokens_.size() < 200) tokens_.push_back(token);
  }

  FuzzInput input_;
  Nanos now_ = 1000 * kSecond;
  Counters counters_;
  std::vector<SentPacket> sent_;
  testing::CapturedWire wires_[kListeners] = {{TestAddress(1, 100), sent_},
                                              {TestAddress(1, 101), sent_}};
  ServerTransport transport_{kSessions, testing::TestSecret(1), counters_,
                             static_cast<ServerTransport::Handler&>(*this)};
  std::uint8_t load_ = 0;
  std::vector<Call> calls_;
  std::map<Name, std::uint32_t> names_;
  std::set<Name> cancelled_;
  std::map<std::pair<std::uint64_t, std::uint16_t>, std::uint32_t> last_;
  std::vector<std::uint64_t> tokens_;
  lh_open cookie_ = {};
  lh_packet challenge_ = {};
};

}  // namespace
}  // namespace lauberhorn::nic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  lauberhorn::nic::Fuzz({data, size}).Run();
  return 0;
}
