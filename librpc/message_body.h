// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/message_body.h
//
// Metadata and bytes of a CALL or REPLY in one buffer: with LH_FLAG_META the
// size of the metadata, the metadata, and the bytes; without it the bytes.
#ifndef LAUBERHORN_LIBRPC_MESSAGE_BODY_H_
#define LAUBERHORN_LIBRPC_MESSAGE_BODY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "abi/host/message.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace lauberhorn {

// The most that a message can carry until large ones are: a packet's payload.
inline constexpr std::size_t kMaxMessage = 1392;

// What stands before the bytes.
inline std::size_t MetadataRoom(absl::Span<const std::uint8_t> metadata) {
  return metadata.empty() ? 0 : sizeof(std::uint32_t) + metadata.size();
}

inline std::uint8_t MetadataFlag(absl::Span<const std::uint8_t> metadata) {
  return metadata.empty() ? 0 : LH_FLAG_META;
}

inline bool FitsMessage(std::size_t size,
                        absl::Span<const std::uint8_t> metadata) {
  return size <= kMaxMessage && metadata.size() <= kMaxMessage &&
         MetadataRoom(metadata) + size <= kMaxMessage;
}

// Why a message, "request" or "reply", does not fit.
absl::Status TooLarge(absl::string_view what, std::size_t size,
                      absl::Span<const std::uint8_t> metadata);

// Writes what stands before the bytes; returns where these go.
inline std::uint8_t* WriteMetadata(absl::Span<const std::uint8_t> metadata,
                                   std::uint8_t* message) {
  if (metadata.empty()) return message;
  const auto size = static_cast<std::uint32_t>(metadata.size());
  std::memcpy(message, &size, sizeof(size));
  std::memcpy(message + sizeof(size), metadata.data(), size);
  return message + sizeof(size) + size;
}

struct MessageBody {
  absl::Span<const std::uint8_t> metadata;
  absl::Span<const std::uint8_t> bytes;
};

// Takes a message apart. False if it lies about the size of its metadata.
inline bool SplitMessage(std::uint8_t flags,
                         absl::Span<const std::uint8_t> message,
                         MessageBody* body) {
  if ((flags & LH_FLAG_META) == 0) {
    *body = {{}, message};
    return true;
  }
  std::uint32_t size;
  if (message.size() < sizeof(size)) return false;
  std::memcpy(&size, message.data(), sizeof(size));
  message.remove_prefix(sizeof(size));
  if (size > message.size()) return false;
  *body = {message.first(size), message.subspan(size)};
  return true;
}

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_MESSAGE_BODY_H_
