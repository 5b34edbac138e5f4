// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/packet.h"

#include <isa-l/crc.h>

#include <cstddef>
#include <cstring>

namespace lauberhorn::nic {
namespace {

// The highest of the status codes that RPC knows.
constexpr std::uint8_t kMaxStatus = 16;

std::uint32_t Crc32c(absl::Span<const std::uint8_t> bytes, std::uint32_t seed) {
  // The library's parameter is not const, but it only reads.
  return crc32_iscsi(const_cast<unsigned char*>(bytes.data()),
                     static_cast<int>(bytes.size()), seed);
}

// Of a packet, as if its checksum were zero.
std::uint32_t ChecksumOf(const lh_packet& header,
                         absl::Span<const std::uint8_t> rest) {
  lh_packet zeroed = header;
  zeroed.checksum = 0;
  std::uint8_t bytes[sizeof(zeroed)];
  std::memcpy(bytes, &zeroed, sizeof(zeroed));
  const std::uint32_t crc = Crc32c(bytes, ~0u);
  return ~(rest.empty() ? crc : Crc32c(rest, crc));
}

// Of a packet with the size of one.
bool Parse(absl::Span<const std::uint8_t> bytes, Checksum checksum,
           Packet* packet) {
  std::memcpy(&packet->header, bytes.data(), sizeof(packet->header));
  const lh_packet& header = packet->header;
  const absl::Span<const std::uint8_t> rest = bytes.subspan(sizeof(lh_packet));
  if (header.magic != LH_PACKET_MAGIC || header.version != LH_PACKET_VERSION ||
      header.type == 0 || header.type >= LH_PACKET_TYPES ||
      (header.flags & ~unsigned{LH_PACKET_FLAGS}) != 0 ||
      header.status > kMaxStatus ||
      std::size_t{header.meta_length} + header.payload_length != rest.size() ||
      (checksum == Checksum::kCrc32c &&
       header.checksum != ChecksumOf(header, rest))) {
    return false;
  }
  packet->payload = rest.subspan(header.meta_length);
  packet->meta = rest.first(header.meta_length);
  if ((header.flags & LH_PACKET_FLAG_NAME) != 0) {
    if (packet->meta.empty()) return false;
    const std::size_t length = packet->meta[0];
    if (length == 0 || length >= packet->meta.size()) return false;
    packet->name = {reinterpret_cast<const char*>(packet->meta.data()) + 1,
                    length};
    packet->meta.remove_prefix(1 + length);
  }
  const bool has_meta = (header.flags & LH_PACKET_FLAG_META) != 0;
  if (packet->meta.empty() == has_meta) return false;
  return true;
}

}  // namespace

std::optional<Packet> ParsePacket(absl::Span<const std::uint8_t> bytes,
                                  Checksum checksum) {
  // One object that is returned, lest it be copied.
  std::optional<Packet> result;
  if (bytes.size() >= sizeof(lh_packet) && bytes.size() <= LH_PACKET_MAX &&
      !Parse(bytes, checksum, &result.emplace())) {
    result.reset();
  }
  return result;
}

absl::optional<lh_open> ParseOpen(const Packet& packet) {
  if (packet.payload.size() != sizeof(lh_open)) return absl::nullopt;
  lh_open open;
  std::memcpy(&open, packet.payload.data(), sizeof(open));
  return open;
}

absl::Span<const std::uint8_t> OutgoingPacket::Seal(const PacketBody& body,
                                                    Checksum checksum) {
  std::uint8_t* to = rest;
  const auto write = [&to](const void* bytes, std::size_t size) {
    if (size > 0) std::memcpy(to, bytes, size);
    to += size;
  };
  constexpr unsigned kBodyFlags = LH_PACKET_FLAG_NAME | LH_PACKET_FLAG_META;
  unsigned flags = header.flags & ~kBodyFlags;
  if (!body.name.empty()) {
    flags |= LH_PACKET_FLAG_NAME;
    *to++ = static_cast<std::uint8_t>(body.name.size());
    write(body.name.data(), body.name.size());
  }
  write(body.meta.data(), body.meta.size());
  if (!body.meta.empty()) flags |= LH_PACKET_FLAG_META;
  write(body.payload.data(), body.payload.size());
  header.magic = LH_PACKET_MAGIC;
  header.version = LH_PACKET_VERSION;
  header.flags = static_cast<std::uint16_t>(flags);
  header.meta_length =
      static_cast<std::uint16_t>(body.size() - body.payload.size());
  header.payload_length = static_cast<std::uint16_t>(body.payload.size());
  header.checksum = 0;
  const absl::Span<const std::uint8_t> bytes(
      reinterpret_cast<const std::uint8_t*>(this),
      sizeof(header) + body.size());
  if (checksum == Checksum::kCrc32c) header.checksum = ~Crc32c(bytes, ~0u);
  return bytes;
}

std::size_t SealPacket(const lh_packet& header, const PacketBody& body,
                       std::uint8_t* out, Checksum checksum) {
  OutgoingPacket packet;
  packet.header = header;
  const absl::Span<const std::uint8_t> bytes = packet.Seal(body, checksum);
  std::memcpy(out, bytes.data(), bytes.size());
  return bytes.size();
}

void AddChecksum(absl::Span<std::uint8_t> packet) {
  lh_packet header;
  std::memcpy(&header, packet.data(), sizeof(header));
  header.checksum = ChecksumOf(header, packet.subspan(sizeof(header)));
  std::memcpy(packet.data(), &header, sizeof(header));
}

}  // namespace lauberhorn::nic
