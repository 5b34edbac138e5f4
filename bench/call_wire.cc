// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/call_wire.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lauberhorn::bench {
namespace {

// An address of 10.0.0.0/8, as IPv6 sees it.
nic::Address Host(std::uint8_t number, std::uint16_t port) {
  lh_address raw = {};
  raw.ip[10] = raw.ip[11] = 0xff;
  raw.ip[12] = 10;
  raw.ip[15] = number;
  raw.port = port;
  return nic::Address(raw);
}

const nic::Address& ClientAddress() {
  static const nic::Address kAddress = Host(2, 40000);
  return kAddress;
}

[[noreturn]] void Fatal(const char* what) {
  std::fprintf(stderr, "the engine's answer is wrong: %s\n", what);
  std::exit(1);
}

}  // namespace

nic::Address CallWire::local() const { return Host(1, 50051); }

void CallWire::Open() {
  lh_open open = {};
  open.client = 1;
  open.number = 1;
  PrepareOpen(LH_PACKET_HELLO, open);
}

void CallWire::PrepareOpen(std::uint8_t type, const lh_open& open) {
  packets_.assign(1, {});
  lh_packet header = {};
  header.type = type;
  std::uint8_t payload[sizeof(open)];
  std::memcpy(payload, &open, sizeof(open));
  packets_[0].size = nic::SealPacket(header, {.payload = payload},
                                     packets_[0].bytes, kChecksum);
  released_ = 1;
  received_ = replied_ = 0;
}

void CallWire::Prepare(std::uint64_t method,
                       absl::Span<const std::uint8_t> request,
                       std::size_t count, std::size_t window) {
  if (request.size() > kMaxRequest || window == 0 ||
      window > nic::kSessionSlots || replied_ != released_) {
    Fatal("it was not asked properly");
  }
  packets_.resize(count);
  for (std::size_t at = 0; at < count; ++at) {
    Packet& packet = packets_[at];
    packet.slot = static_cast<std::uint16_t>(at % window);
    packet.sequence = ++sequences_[packet.slot];
    lh_packet header = {};
    header.type = LH_PACKET_CALL;
    header.flags = LH_PACKET_FLAG_LAST;
    header.token = token_;
    header.slot = packet.slot;
    header.sequence = packet.sequence;
    header.method = method;
    header.message_length = static_cast<__u32>(request.size());
    packet.size =
        nic::SealPacket(header, {.payload = request}, packet.bytes, kChecksum);
  }
  window_ = window;
  released_ = received_ = replied_ = 0;
}

absl::Span<const nic::Datagram> CallWire::Receive() {
  const std::size_t end = std::min(released_, replied_ + window_);
  std::size_t count = 0;
  for (; count < kBatch && received_ < end; ++count) {
    const Packet& packet = packets_[received_];
    in_slot_[packet.slot] = received_++;
    batch_[count] = {{packet.bytes, packet.size}, ClientAddress(), kChecksum};
  }
  return {batch_, count};
}

void CallWire::Send(const nic::Address&, absl::Span<const std::uint8_t> bytes) {
  if (is_open()) return OnReply(bytes);
  const std::optional<nic::Packet> packet = nic::ParsePacket(bytes, kChecksum);
  if (!packet.has_value()) Fatal("malformed packet");
  const absl::optional<lh_open> open = nic::ParseOpen(*packet);
  if (!open.has_value()) Fatal("no answer to HELLO or OPEN");
  if (packet->header.type == LH_PACKET_COOKIE) {
    return PrepareOpen(LH_PACKET_OPEN, *open);
  }
  if (packet->header.type != LH_PACKET_ACCEPT) Fatal("no ACCEPT");
  token_ = open->token;
  replied_ = released_;
}

// No checksum here: the client's work is not what is measured. Nor is the
// header copied: it was written field by field just now, and to read it in
// larger pieces would wait for that.
void CallWire::OnReply(absl::Span<const std::uint8_t> packet) {
  if (packet.size() < sizeof(lh_packet)) Fatal("no header");
  const auto field = [&](std::size_t offset, auto* value) {
    std::memcpy(value, packet.data() + offset, sizeof(*value));
  };
  std::uint8_t type;
  std::uint8_t status;
  std::uint16_t slot;
  std::uint32_t sequence;
  static_assert(sizeof(lh_packet::type) == sizeof(type) &&
                sizeof(lh_packet::status) == sizeof(status) &&
                sizeof(lh_packet::slot) == sizeof(slot) &&
                sizeof(lh_packet::sequence) == sizeof(sequence));
  field(offsetof(lh_packet, type), &type);
  field(offsetof(lh_packet, status), &status);
  field(offsetof(lh_packet, slot), &slot);
  field(offsetof(lh_packet, sequence), &sequence);
  // The server shuts down, or grants slots.
  if (type == LH_PACKET_CLOSE || type == LH_PACKET_ACCEPTED) return;
  if (replied_ == received_) Fatal("a packet that nobody asked for");
  if (type != LH_PACKET_REPLY || status != 0) Fatal("no reply");
  if (slot >= nic::kSessionSlots) Fatal("a slot that was not used");
  const Packet& call = packets_[in_slot_[slot]];
  if (sequence != call.sequence) Fatal("the reply to another call");
  if (packet.size() != call.size ||
      std::memcmp(packet.data() + sizeof(lh_packet),
                  call.bytes + sizeof(lh_packet),
                  call.size - sizeof(lh_packet)) != 0) {
    Fatal("the reply is not the request");
  }
  ++replied_;
}

}  // namespace lauberhorn::bench
