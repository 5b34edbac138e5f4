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
                                     packets_[0].bytes, checksum());
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
        nic::SealPacket(header, {.payload = request}, packet.bytes, checksum());
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
    batch_[count] = {{packet.bytes, packet.size}, ClientAddress()};
  }
  return {batch_, count};
}

void CallWire::Send(const nic::Address&, absl::Span<const std::uint8_t> bytes) {
  if (is_open()) return OnReply(bytes);
  const absl::optional<nic::Packet> packet =
      nic::ParsePacket(bytes, checksum());
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

// No checksum here: the client's work is not what is measured.
void CallWire::OnReply(absl::Span<const std::uint8_t> packet) {
  lh_packet header;
  if (packet.size() < sizeof(header)) Fatal("no header");
  std::memcpy(&header, packet.data(), sizeof(header));
  // The server shuts down, or grants slots.
  if (header.type == LH_PACKET_CLOSE || header.type == LH_PACKET_ACCEPTED) {
    return;
  }
  if (replied_ == received_) Fatal("a packet that nobody asked for");
  if (header.type != LH_PACKET_REPLY || header.status != 0) Fatal("no reply");
  if (header.slot >= nic::kSessionSlots) Fatal("a slot that was not used");
  const Packet& call = packets_[in_slot_[header.slot]];
  if (header.sequence != call.sequence) Fatal("the reply to another call");
  if (packet.size() != call.size ||
      std::memcmp(packet.data() + sizeof(header), call.bytes + sizeof(header),
                  call.size - sizeof(header)) != 0) {
    Fatal("the reply is not the request");
  }
  ++replied_;
}

}  // namespace lauberhorn::bench
