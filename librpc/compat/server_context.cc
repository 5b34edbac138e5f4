// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a call at the server; see grpcpp/server_context.h.
#include <grpcpp/server_context.h>

#include "absl/strings/str_cat.h"
#include "librpc/compat/peer_uri.h"

namespace grpc {
inline namespace lh_v1 {

std::string ServerContextBase::peer() const {
  if (call_ == nullptr) return "";
  const absl::StatusOr<lauberhorn::PeerAddress> peer = call_->peer();
  return peer.ok() ? internal::PeerUri(*peer) : "";
}

void ServerContextBase::AddInitialMetadata(const std::string& key,
                                           const std::string& value) {
  Add(key, value, /*trailing=*/false);
}

void ServerContextBase::AddTrailingMetadata(const std::string& key,
                                            const std::string& value) {
  Add(key, value, /*trailing=*/true);
}

void ServerContextBase::Add(const std::string& key, const std::string& value,
                            bool trailing) {
  if (metadata_ == nullptr) metadata_ = std::make_unique<internal::Metadata>();
  metadata_->Add(key, value, trailing);
}

const std::multimap<string_ref, string_ref>&
ServerContextBase::NoClientMetadata() {
  return internal::Metadata::OnlyUserAgent();
}

bool ServerContextBase::Receive(absl::Span<const std::uint8_t> metadata) {
  metadata_ = std::make_unique<internal::Metadata>();
  if (!metadata_->Receive(metadata)) return false;
  metadata_->AddUserAgent();
  client_metadata_ = &metadata_->initial();
  return true;
}

absl::Status ServerContextBase::FinishMetadata(
    const std::string& error_details,
    absl::Span<const std::uint8_t>* metadata) {
  if (!error_details.empty()) {
    Add(internal::kErrorDetailsKey, error_details, /*trailing=*/true);
  }
  if (metadata_ == nullptr) return absl::OkStatus();
  if (!metadata_->status().ok()) {
    return absl::InternalError(
        absl::StrCat("the handler's ", metadata_->status().message()));
  }
  *metadata = metadata_->bytes();
  return absl::OkStatus();
}

}  // namespace lh_v1
}  // namespace grpc
