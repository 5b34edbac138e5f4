// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/compat/peer_uri.h
//
// Addresses of peers as gRPC 1.51 spells them: as URIs, whose brackets and
// percent signs are encoded.
//
// Thread-safety: a function of its argument. Blocking: never.
#ifndef LIBRPC_COMPAT_PEER_URI_H_
#define LIBRPC_COMPAT_PEER_URI_H_

#include <string>

#include "lauberhorn/peer_address.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

// "ipv4:10.0.0.1:4711", "ipv6:%5Bfe80::1%252%5D:4711".
std::string PeerUri(const lauberhorn::PeerAddress& peer);

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // LIBRPC_COMPAT_PEER_URI_H_
