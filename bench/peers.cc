// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// The list of peers.

#include "bench/echo_peers.h"

namespace lauberhorn::bench {
namespace {

constexpr std::size_t kMany = PeerKind::kManyClients;

// Name, window, clients, whether it spins, what makes it.
constexpr PeerKind kPeers[] = {
    {"ring", 128, 1, true, &MakeRing},
    {"eventfd", 1, 1, false, &MakeEventfd},
    {"udp", 128, kMany, false, &MakeUdp},
    {"lauberhorn", 1, kMany, false, &MakeLauberhorn},
    {"lauberhorn-queue", 128, kMany, false, &MakeLauberhornQueue},
    {"lauberhorn-udp", 1, kMany, false, &MakeLauberhornUdp},
    {"lauberhorn-udp-queue", 128, kMany, false, &MakeLauberhornUdpQueue},
    {"grpc-sync-tcp", 1, kMany, false, &MakeGrpcSyncTcp},
    {"grpc-sync-unix", 1, kMany, false, &MakeGrpcSyncUnix},
    {"grpc-callback-tcp", 128, kMany, false, &MakeGrpcCallbackTcp},
    {"grpc-callback-unix", 128, kMany, false, &MakeGrpcCallbackUnix},
    {"grpc-queue-tcp", 128, kMany, false, &MakeGrpcQueueTcp},
    {"grpc-queue-unix", 128, kMany, false, &MakeGrpcQueueUnix},
#ifdef LAUBERHORN_BENCH_CAPNPROTO
    {"capnproto-tcp", 128, kMany, false, &MakeCapnProtoTcp},
    {"capnproto-unix", 128, kMany, false, &MakeCapnProtoUnix},
#endif
};

}  // namespace

absl::Span<const PeerKind> Peers() { return kPeers; }

}  // namespace lauberhorn::bench
