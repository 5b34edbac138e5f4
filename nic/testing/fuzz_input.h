// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/fuzz_input.h
//
// What a fuzzer's entry is written with: its input as a stream of choices, also
// of times and packets, and the check of an invariant.
#ifndef LAUBERHORN_NIC_TESTING_FUZZ_INPUT_H_
#define LAUBERHORN_NIC_TESTING_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "absl/types/span.h"
#include "nic/packet.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

// Ends the process if the invariant does not hold: that is what a fuzzer, and
// the replay of its corpus, count as a finding.
inline void Require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", invariant);
  std::abort();
}

// What a packet carries, to send it again.
inline PacketBody BodyOf(const Packet& packet) {
  return {.name = packet.name, .meta = packet.meta, .payload = packet.payload};
}

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }

  // The next bytes as a number; zeros when there are no more.
  template <typename T>
  T Take() {
    T value = 0;
    const absl::Span<const std::uint8_t> bytes = Bytes(sizeof(value));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  std::uint8_t Byte() { return Take<std::uint8_t>(); }

  // 0 to `count` - 1; `count` is 1 to 256.
  std::size_t Below(std::size_t count) { return Byte() % count; }

  // At most `size` bytes.
  absl::Span<const std::uint8_t> Bytes(std::size_t size) {
    const absl::Span<const std::uint8_t> bytes =
        rest_.first(std::min(size, rest_.size()));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  // How much time passes: up to 255 us, ms or s.
  Nanos Time() {
    static constexpr Nanos kUnits[] = {kMicrosecond, kMillisecond, kSecond};
    const std::uint8_t count = Byte();
    return count * kUnits[Below(3)];
  }

  // Any bytes, as a packet if they are one but for the checksum. It refers to
  // the input.
  std::optional<Packet> AnyPacket() {
    const std::size_t size = sizeof(lh_packet) + Below(64);
    return ParsePacket(Bytes(size), Checksum::kNone);
  }

 private:
  absl::Span<const std::uint8_t> rest_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_FUZZ_INPUT_H_
