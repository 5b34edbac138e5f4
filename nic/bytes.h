// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/bytes.h
//
// Text as the payload of a packet or a message.
#ifndef LAUBERHORN_NIC_BYTES_H_
#define LAUBERHORN_NIC_BYTES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace lauberhorn::nic {

inline absl::Span<const std::uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_BYTES_H_
