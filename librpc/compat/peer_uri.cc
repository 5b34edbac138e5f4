// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Addresses of peers as gRPC spells them; see peer_uri.h.
#include "librpc/compat/peer_uri.h"

#include "absl/strings/str_replace.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

std::string PeerUri(const lauberhorn::PeerAddress& peer) {
  if (!peer.socket.empty()) return peer.ToString();  // it is one
  return absl::StrReplaceAll(peer.ToString(),
                             {{"[", "%5B"}, {"]", "%5D"}, {"%", "%25"}});
}

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc
