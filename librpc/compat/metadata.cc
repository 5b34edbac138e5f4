// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Which metadata may be sent, and how it is kept; see
// grpcpp/support/metadata.h.
#include <grpcpp/support/metadata.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lauberhorn/metadata.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
namespace {

constexpr char kUserAgentKey[] = "user-agent";

// Every client of this protocol is one of this library.
constexpr char kUserAgent[] = "grpc-c++-lauberhorn/1.51";

bool IsBinary(absl::string_view key) { return absl::EndsWith(key, "-bin"); }

bool IsKeyByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
         byte == '_' || byte == '-' || byte == '.';
}

bool IsPrintable(char byte) { return byte >= 0x20 && byte <= 0x7e; }

absl::Status Check(absl::string_view key, absl::string_view value) {
  const auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata '", key, "': ", why));
  };
  if (key.empty() || !std::all_of(key.begin(), key.end(), IsKeyByte)) {
    return wrong("a key has lower-case letters, digits, '_', '-' and '.' only");
  }
  if (absl::StartsWith(key, "grpc-") && !IsBinary(key)) {
    return wrong("keys that begin with 'grpc-' are reserved");
  }
  if (!IsBinary(key) && !std::all_of(value.begin(), value.end(), IsPrintable)) {
    return wrong(
        "the value is not printable ASCII; the key of another ends in '-bin'");
  }
  return absl::OkStatus();
}

string_ref Ref(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace

const char kErrorDetailsKey[] = "grpc-status-details-bin";

void Metadata::Add(const std::string& key, const std::string& value,
                   bool trailing) {
  absl::Status status = Check(key, value);
  if (status.ok() &&
      !lauberhorn::AppendMetadata({key, value, trailing}, &bytes_)) {
    status = absl::InvalidArgumentError(absl::StrCat(
        "metadata '", key, "': a key has at most 255 bytes, a value 65,535"));
  }
  status_.Update(status);
}

bool Metadata::Receive(absl::Span<const std::uint8_t> bytes) {
  lauberhorn::MetadataReader reader(bytes);
  lauberhorn::MetadataEntry entry;
  while (reader.Next(&entry)) {
    (entry.trailing ? trailing_ : initial_)
        .emplace(Ref(entry.key), Ref(entry.value));
  }
  return reader.complete();
}

bool Metadata::ReceiveCopy(absl::Span<const std::uint8_t> bytes) {
  received_.assign(bytes.begin(), bytes.end());
  return Receive(received_);
}

void Metadata::AddUserAgent() {
  if (initial_.count(kUserAgentKey) == 0) {
    initial_.emplace(kUserAgentKey, kUserAgent);
  }
}

const MetadataMap& Metadata::Nothing() {
  static const auto& nothing = *new MetadataMap;
  return nothing;
}

const MetadataMap& Metadata::OnlyUserAgent() {
  static const auto& only = *new MetadataMap{{kUserAgentKey, kUserAgent}};
  return only;
}

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc
