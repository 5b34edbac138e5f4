// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The one line that the library logs by itself: who rebuilds a server of gRPC's
// and calls it with a client of gRPC's would otherwise wait for an answer
// without a hint.
//
// Thread-safety: safe from any thread; an atomic flag lets one of them write.
#ifndef LIBRPC_COMPAT_LISTENING_NOTICE_H_
#define LIBRPC_COMPAT_LISTENING_NOTICE_H_

#include <string>

namespace grpc {
inline namespace lh_v1 {
namespace internal {

// Says on stderr, once per process, that a server listens at `port` of
// `address`
// ("host:port" as the program gave it), and which clients it answers. Says
// nothing if the environment has LAUBERHORN_LOG=off.
void NoticeListening(const std::string& address, int port);

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // LIBRPC_COMPAT_LISTENING_NOTICE_H_
