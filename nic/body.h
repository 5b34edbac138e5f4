// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/body.h
//
// What a call carries, and its end: bytes, and the metadata of whoever gave
// them, which nobody here understands.
//
// In a packet the metadata lies in an area of its own; in a message between
// host and NIC (LH_FLAG_META) it lies before the bytes, with its size before
// it.
#ifndef LAUBERHORN_NIC_BODY_H_
#define LAUBERHORN_NIC_BODY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "nic/packet.h"

namespace lauberhorn::nic {

struct Body {
  Body() = default;
  // Without metadata, which is what nearly everything is. NOLINTNEXTLINE
  Body(absl::Span<const std::uint8_t> bytes) : payload(bytes) {}
  Body(absl::Span<const std::uint8_t> metadata,
       absl::Span<const std::uint8_t> bytes)
      : meta(metadata), payload(bytes) {}

  absl::Span<const std::uint8_t> meta;  // empty if there is none
  absl::Span<const std::uint8_t> payload;
};

// The size of the metadata, as it stands in a message.
using MetaSize = std::uint32_t;

// Whether the body fits into a message, of at most kMaxPayload bytes.
inline bool FitsMessage(const Body& body) {
  const std::size_t meta =
      body.meta.empty() ? 0 : sizeof(MetaSize) + body.meta.size();
  return meta + body.payload.size() <= kMaxPayload;
}

// A body that is kept: the metadata, then the bytes.
struct KeptBody {
  std::uint8_t bytes[kMaxPayload];
};
struct BodySize {
  std::uint16_t meta;
  std::uint16_t payload;
};

// Copies a body of at most kMaxPayload bytes.
inline BodySize Keep(const Body& body, KeptBody* to) {
  if (!body.meta.empty()) {
    std::memcpy(to->bytes, body.meta.data(), body.meta.size());
  }
  if (!body.payload.empty()) {
    std::memcpy(to->bytes + body.meta.size(), body.payload.data(),
                body.payload.size());
  }
  return {static_cast<std::uint16_t>(body.meta.size()),
          static_cast<std::uint16_t>(body.payload.size())};
}

inline Body Kept(const KeptBody& from, BodySize size) {
  return {{from.bytes, size.meta}, {from.bytes + size.meta, size.payload}};
}

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_BODY_H_
