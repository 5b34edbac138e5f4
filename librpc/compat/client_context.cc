// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What a client says about one call; see grpcpp/client_context.h.
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "librpc/compat/peer_uri.h"

namespace grpc {
inline namespace lh_v1 {

std::unique_ptr<ClientContext> ClientContext::FromServerContext(
    const ServerContextBase& server_context, PropagationOptions options) {
  auto context = std::make_unique<ClientContext>();
  lauberhorn::CallOptions& call = context->options_;
  call.parent = server_context.AsParent();
  const std::uint32_t bits = options.c_bitmask();
  call.inherit_deadline = (bits & GRPC_PROPAGATE_DEADLINE) != 0;
  call.inherit_cancellation = (bits & GRPC_PROPAGATE_CANCELLATION) != 0;
  return context;
}

void ClientContext::AddMetadata(const std::string& meta_key,
                                const std::string& meta_value) {
  if (meta_key == internal::kUserAgentKey) return;
  if (metadata_ == nullptr) metadata_ = std::make_unique<internal::Metadata>();
  metadata_->Add(meta_key, meta_value, /*trailing=*/false);
}

const std::multimap<string_ref, string_ref>&
ClientContext::GetServerInitialMetadata() const {
  return metadata_ == nullptr ? internal::Metadata::Nothing()
                              : metadata_->initial();
}

const std::multimap<string_ref, string_ref>&
ClientContext::GetServerTrailingMetadata() const {
  return metadata_ == nullptr ? internal::Metadata::Nothing()
                              : metadata_->trailing();
}

std::string ClientContext::peer() const {
  return peer_.has_value() ? internal::PeerUri(*peer_) : no_peer_;
}

void ClientContext::SetError(const char* method, const Status& status) {
  debug_error_string_ = absl::StrCat(
      absl::StatusCodeToString(internal::ToNativeCode(status.error_code())),
      ": ", status.error_message(),
      " {grpc_status: ", static_cast<int>(status.error_code()), ", method: \"",
      method, "\", peer: \"", peer(), "\"}");
}

absl::Span<const std::uint8_t> ClientContext::MetadataToSend() const {
  if (metadata_ == nullptr) return {};
  return metadata_->bytes();
}

Status ClientContext::Receive(absl::Span<const std::uint8_t> metadata,
                              Status status) {
  if (metadata_ == nullptr) metadata_ = std::make_unique<internal::Metadata>();
  if (!metadata_->ReceiveCopy(metadata)) {
    return Status(StatusCode::INTERNAL,
                  "the metadata of the server's answer is malformed");
  }
  const internal::MetadataMap& trailing = metadata_->trailing();
  const auto details = trailing.find(internal::kErrorDetailsKey);
  if (status.ok() || details == trailing.end()) return status;
  return Status(status.error_code(), status.error_message(),
                std::string(details->second.begin(), details->second.end()));
}

absl::Status ClientContext::BeginCall(
    const internal::ChannelSettings& settings) {
  if (used_) {
    std::fputs(
        "grpc::ClientContext: used for a second call; make a new one for each "
        "call\n",
        stderr);
    std::abort();
  }
  used_ = true;
  const std::string& authority =
      authority_.empty() ? settings.authority : authority_;
  const bool adds = !authority.empty() || !settings.user_agent.empty();
  if (adds && metadata_ == nullptr) {
    metadata_ = std::make_unique<internal::Metadata>();
  }
  if (!authority.empty()) {
    metadata_->AddReserved(internal::kAuthorityKey, authority);
  }
  if (!settings.user_agent.empty()) {
    metadata_->AddReserved(internal::kUserAgentKey, settings.user_agent);
  }
  return metadata_ == nullptr ? absl::OkStatus() : metadata_->status();
}

}  // namespace lh_v1
}  // namespace grpc
