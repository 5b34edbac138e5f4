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

bool IsBinary(absl::string_view key) { return absl::EndsWith(key, "-bin"); }

bool IsKeyByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
         byte == '_' || byte == '-' || byte == '.';
}

bool IsPrintable(char byte) { return byte >= 0x20 && byte <= 0x7e; }

absl::Status Wrong(absl::string_view key, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("metadata '", key, "': ", why));
}

absl::Status CheckText(absl::string_view key, absl::string_view value) {
  if (std::all_of(value.begin(), value.end(), IsPrintable)) {
    return absl::OkStatus();
  }
  return Wrong(
      key,
      "the value is not printable ASCII; the key of another ends in '-bin'");
}

absl::Status Check(absl::string_view key, absl::string_view value) {
  if (key.empty() || !std::all_of(key.begin(), key.end(), IsKeyByte)) {
    return Wrong(key,
                 "a key has lower-case letters, digits, '_', '-' and '.' only");
  }
  if (absl::StartsWith(key, "grpc-") && !IsBinary(key)) {
    return Wrong(key, "keys that begin with 'grpc-' are reserved");
  }
  return IsBinary(key) ? absl::OkStatus() : CheckText(key, value);
}

string_ref Ref(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace

const char kErrorDetailsKey[] = "grpc-status-details-bin";
const char kAuthorityKey[] = ":authority";
const char kUserAgentKey[] = "user-agent";
const char kUserAgent[] = "grpc-c++-lauberhorn/1.51";

void Metadata::Add(const std::string& key, const std::string& value,
                   bool trailing) {
  Append(key, value, trailing, Check(key, value));
}

void Metadata::AddReserved(const char* key, const std::string& value) {
  Append(key, value, /*trailing=*/false, CheckText(key, value));
}

void Metadata::Append(absl::string_view key, absl::string_view value,
                      bool trailing, absl::Status status) {
  if (status.ok() &&
      !lauberhorn::AppendMetadata({key, value, trailing}, &bytes_)) {
    status = Wrong(key, "a key has at most 255 bytes, a value 65,535");
  }
  status_.Update(status);
}

bool Metadata::Receive(absl::Span<const std::uint8_t> bytes) {
  lauberhorn::MetadataReader reader(bytes);
  lauberhorn::MetadataEntry entry;
  while (reader.Next(&entry)) {
    if (entry.key.front() == ':') {
      if (entry.key == kAuthorityKey) authority_ = Ref(entry.value);
      continue;
    }
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
