// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/packet.h
//
// Packets in and out: what abi/wire/packet.h describes, checked and made.
#ifndef LAUBERHORN_NIC_PACKET_H_
#define LAUBERHORN_NIC_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "abi/wire/packet.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "nic/time.h"

namespace lauberhorn::nic {

// A time as lh_packet::sent_us has it.
inline std::uint32_t ToPacketTime(Nanos time) {
  return static_cast<std::uint32_t>(time / kMicrosecond);
}

// The most that one packet can carry beside its header, in bytes.
inline constexpr std::size_t kMaxPayload = LH_PACKET_MAX - sizeof(lh_packet);

// What follows the header of a packet that is made. No name, or no metadata of
// the caller, is an empty one.
struct PacketBody {
  absl::string_view name = {};                  // of the method, at most 255
  absl::Span<const std::uint8_t> meta = {};     // the caller's
  absl::Span<const std::uint8_t> payload = {};  // the message

  // How many bytes of the packet it takes.
  std::size_t size() const {
    return (name.empty() ? 0 : 1 + name.size()) + meta.size() + payload.size();
  }
};

// A packet that came: its header is a copy, the rest refers to the buffer.
struct Packet {
  lh_packet header;
  absl::string_view name = {};  // empty: it has none
  absl::Span<const std::uint8_t> meta;
  absl::Span<const std::uint8_t> payload;
};

// Whether packets carry a checksum. Where bytes cannot change on the way,
// between two ends in one memory, the field is not used.
enum class Checksum : bool { kNone, kCrc32c };

// Checks everything that does not need a session: size, magic, version, type,
// flags, lengths, checksum, status. Nothing if any of it is wrong. The standard
// optional: absl's clears the room for what it does not have.
std::optional<Packet> ParsePacket(absl::Span<const std::uint8_t> bytes,
                                  Checksum checksum = Checksum::kCrc32c);

// The payload of a packet that opens, tests or resets a session.
absl::optional<lh_open> ParseOpen(const Packet& packet);

// A packet that is being made. Its header is written where it is sent from: to
// copy what was just written in small pieces costs more than to write it.
struct OutgoingPacket {
  lh_packet header = {};
  std::uint8_t rest[kMaxPayload];

  // Adds the body, of at most kMaxPayload bytes, and fills in magic, version,
  // lengths, checksum, and the flags of what the body has. The bytes are good
  // as long as the packet.
  absl::Span<const std::uint8_t> Seal(const PacketBody& body,
                                      Checksum checksum = Checksum::kCrc32c);
};
static_assert(offsetof(OutgoingPacket, rest) == sizeof(lh_packet) &&
              sizeof(OutgoingPacket) == LH_PACKET_MAX);

// The same with another's header; `out` has room for LH_PACKET_MAX bytes.
// Returns the packet's size.
std::size_t SealPacket(const lh_packet& header, const PacketBody& body,
                       std::uint8_t* out,
                       Checksum checksum = Checksum::kCrc32c);

// Writes the checksum of a packet that was made without one.
void AddChecksum(absl::Span<std::uint8_t> packet);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_PACKET_H_
