// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/packet.h"

#include <isa-l/crc.h>

#include <cstring>

namespace lauberhorn::nic {
namespace {

// The highest of the status codes that RPC knows.
constexpr std::uint8_t kMaxStatus = 16;

// CRC32C of the packet as if its checksum were zero.
std::uint32_t Checksum(const lh_packet& header,
                       absl::Span<const std::uint8_t> rest) {
  lh_packet zeroed = header;
  zeroed.checksum = 0;
  unsigned char bytes[sizeof(zeroed)];
  std::memcpy(bytes, &zeroed, sizeof(zeroed));
  unsigned int crc = crc32_iscsi(bytes, sizeof(bytes), ~0u);
  if (!rest.empty()) {
    // The library's parameter is not const, but it only reads.
    crc = crc32_iscsi(const_cast<unsigned char*>(rest.data()),
                      static_cast<int>(rest.size()), crc);
  }
  return ~crc;
}

}  // namespace

absl::optional<Packet> ParsePacket(absl::Span<const std::uint8_t> bytes) {
  if (bytes.size() < sizeof(lh_packet) || bytes.size() > LH_PACKET_MAX) {
    return absl::nullopt;
  }
  Packet packet;
  std::memcpy(&packet.header, bytes.data(), sizeof(packet.header));
  const lh_packet& header = packet.header;
  const absl::Span<const std::uint8_t> rest = bytes.subspan(sizeof(lh_packet));
  if (header.magic != LH_PACKET_MAGIC || header.version != LH_PACKET_VERSION ||
      header.type == 0 || header.type >= LH_PACKET_TYPES ||
      (header.flags & ~unsigned{LH_PACKET_FLAGS}) != 0 ||
      header.status > kMaxStatus ||
      std::size_t{header.meta_length} + header.payload_length != rest.size() ||
      header.checksum != Checksum(header, rest)) {
    return absl::nullopt;
  }
  packet.meta = rest.first(header.meta_length);
  packet.payload = rest.subspan(header.meta_length);
  return packet;
}

absl::optional<lh_open> ParseOpen(const Packet& packet) {
  if (packet.payload.size() != sizeof(lh_open)) return absl::nullopt;
  lh_open open;
  std::memcpy(&open, packet.payload.data(), sizeof(open));
  return open;
}

std::size_t SealPacket(lh_packet header, absl::Span<const std::uint8_t> payload,
                       std::uint8_t* out) {
  header.magic = LH_PACKET_MAGIC;
  header.version = LH_PACKET_VERSION;
  header.meta_length = 0;
  header.payload_length = static_cast<std::uint16_t>(payload.size());
  header.checksum = Checksum(header, payload);
  std::memcpy(out, &header, sizeof(header));
  if (!payload.empty()) {
    std::memcpy(out + sizeof(header), payload.data(), payload.size());
  }
  return sizeof(header) + payload.size();
}

}  // namespace lauberhorn::nic
