// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/message_body.h"

#include "absl/strings/str_cat.h"

namespace lauberhorn {

absl::Status TooLarge(absl::string_view what, std::size_t size,
                      absl::Span<const std::uint8_t> metadata) {
  constexpr absl::string_view kWhy =
      ": a message is one packet, which no option changes";
  if (metadata.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the ", what, " has ", size,
                     " bytes, and a message holds ", kMaxMessage, kWhy));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the ", what, " has ", size, " bytes and ", metadata.size(),
                   " of metadata, and a message holds ",
                   kMaxMessage - sizeof(std::uint32_t), " of both", kWhy));
}

}  // namespace lauberhorn
