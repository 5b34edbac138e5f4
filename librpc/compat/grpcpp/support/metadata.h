// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/metadata.h
//
// The metadata of one call at one of its ends: what is going to be sent, and
// what came. The two contexts have one if it is used at all.
//
// Keys are lower-case letters, digits, '_', '-' and '.'. The value of a key
// that ends in "-bin" is any bytes, of another one printable ASCII. Keys that
// begin with "grpc-" are reserved, but for those that end in "-bin".
//
// Thread-safety: belongs to one thread while it changes. Blocking: never.
// Ownership: its context's.
#ifndef GRPCPP_SUPPORT_METADATA_H_
#define GRPCPP_SUPPORT_METADATA_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "grpcpp/support/string_ref.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

using MetadataMap = std::multimap<string_ref, string_ref>;

class Metadata {
 public:
  // Metadata::Add()
  //
  // To be sent. What may not be sent is remembered instead: see status().
  void Add(const std::string& key, const std::string& value, bool trailing);

  // Metadata::AddReserved()
  //
  // The same at the beginning, under one of the keys below, which programs
  // cannot use.
  void AddReserved(const char* key, const std::string& value);

  // Metadata::status()
  //
  // INVALID_ARGUMENT if an Add() was wrong, with the key.
  const absl::Status& status() const { return status_; }

  // Metadata::bytes()
  //
  // What was added, as the native library takes it.
  absl::Span<const std::uint8_t> bytes() const {
    return {reinterpret_cast<const std::uint8_t*>(bytes_.data()),
            bytes_.size()};
  }

  // Metadata::Receive()
  //
  // Reads what came, which must outlive this. False if that is no metadata.
  bool Receive(absl::Span<const std::uint8_t> bytes);
  bool ReceiveCopy(absl::Span<const std::uint8_t> bytes);

  const MetadataMap& initial() const { return initial_; }
  const MetadataMap& trailing() const { return trailing_; }

  // Metadata::authority()
  //
  // Which host the client means, if it said so; else empty. Like all entries
  // whose key begins with ':', it is not in the maps.
  string_ref authority() const { return authority_; }

  // Metadata::AddUserAgent()
  //
  // Says who called, if the caller did not.
  void AddUserAgent();

  // Metadata::Nothing(), Metadata::OnlyUserAgent()
  //
  // What a context has whose call carries none.
  static const MetadataMap& Nothing();
  static const MetadataMap& OnlyUserAgent();

 private:
  // `status` says whether it may be sent.
  void Append(absl::string_view key, absl::string_view value, bool trailing,
              absl::Status status);

  std::string bytes_;
  absl::Status status_;
  std::vector<std::uint8_t> received_;
  MetadataMap initial_;
  MetadataMap trailing_;
  string_ref authority_;
};

// The trailing entry that carries Status::error_details(), the one that names
// the host, and the one that says who calls.
extern const char kErrorDetailsKey[];
extern const char kAuthorityKey[];
extern const char kUserAgentKey[];

// Who calls, if the channel says nothing else: every client of this protocol is
// one of this library.
extern const char kUserAgent[];

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_METADATA_H_
