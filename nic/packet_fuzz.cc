// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a packet. What parses seals to the same bytes; its parts lie in
// it; no bit of it can change without being noticed.

#include "nic/packet.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "nic/testing/fuzz_input.h"

namespace lauberhorn::nic {
namespace {

using testing::Require;

bool SameBytes(absl::Span<const std::uint8_t> a,
               absl::Span<const std::uint8_t> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

std::size_t Seal(const Packet& packet, std::uint8_t* out) {
  return SealPacket(
      packet.header,
      {.name = packet.name, .meta = packet.meta, .payload = packet.payload},
      out);
}

void Check(absl::Span<const std::uint8_t> bytes) {
  // A fuzzer finds no checksum: what is right but for that is sealed first.
  const std::optional<Packet> unchecked = ParsePacket(bytes, Checksum::kNone);
  const std::optional<Packet> checked = ParsePacket(bytes);
  Require(!checked.has_value() || unchecked.has_value(),
          "a checksum only refuses");
  if (!unchecked.has_value()) return;
  std::uint8_t sealed[LH_PACKET_MAX];
  const std::size_t size = Seal(*unchecked, sealed);
  Require(size == bytes.size(), "a packet seals to its size");
  constexpr std::size_t kAt = offsetof(lh_packet, checksum);
  constexpr std::size_t kAfter = kAt + sizeof(lh_packet::checksum);
  Require(
      SameBytes({sealed, kAt}, bytes.first(kAt)) &&
          SameBytes({sealed + kAfter, size - kAfter}, bytes.subspan(kAfter)),
      "a packet seals to its bytes");
  Require(checked.has_value() == SameBytes({sealed + kAt, kAfter - kAt},
                                           bytes.subspan(kAt, kAfter - kAt)),
          "just one checksum is good");

  const std::optional<Packet> again = ParsePacket({sealed, size});
  Require(again.has_value(), "what was sealed parses");
  Require(again->name == unchecked->name &&
              SameBytes(again->meta, unchecked->meta) &&
              SameBytes(again->payload, unchecked->payload),
          "what was sealed parses to the same");
  Require(again->payload.data() + again->payload.size() == sealed + size,
          "the payload is the end of the packet");
  Require(ParseOpen(*again).has_value() ==
              (again->payload.size() == sizeof(lh_open)),
          "an open has one size");

  const std::size_t bit = (bytes.back() * std::size_t{31}) % (8 * size);
  sealed[bit / 8] = static_cast<std::uint8_t>(sealed[bit / 8] ^ 1 << bit % 8);
  Require(!ParsePacket({sealed, size}).has_value(),
          "a packet with one other bit is refused");
}

// The same bytes with a header that is right in what a fuzzer hardly finds.
std::size_t Repair(absl::Span<const std::uint8_t> bytes, std::uint8_t* out) {
  lh_packet header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const std::size_t rest = bytes.size() - sizeof(header);
  header.magic = LH_PACKET_MAGIC;
  header.version = LH_PACKET_VERSION;
  header.flags &= LH_PACKET_FLAGS;
  header.meta_length =
      static_cast<__u16>(std::min<std::size_t>(header.meta_length % 300, rest));
  header.payload_length = static_cast<__u16>(rest - header.meta_length);
  std::memcpy(out, &header, sizeof(header));
  if (rest > 0) {
    std::memcpy(out + sizeof(header), bytes.data() + sizeof(header), rest);
  }
  return bytes.size();
}

}  // namespace
}  // namespace lauberhorn::nic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  lauberhorn::nic::Check({data, size});
  if (size >= sizeof(lh_packet) && size <= LH_PACKET_MAX) {
    std::uint8_t repaired[LH_PACKET_MAX];
    lauberhorn::nic::Check(
        {repaired, lauberhorn::nic::Repair({data, size}, repaired)});
  }
  return 0;
}
