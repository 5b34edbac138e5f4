// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/echo_peers.h
//
// The same blocking echo over three ways between two processes: datagrams and
// nothing else, this library, gRPC's synchronous API over TCP. The two
// libraries convert the same message of Protocol Buffers, on both sides and
// both ways.
//
// Thread-safety: Serve...() as ForkedServer wants it; a client belongs to one
// thread.
#ifndef LAUBERHORN_BENCH_ECHO_PEERS_H_
#define LAUBERHORN_BENCH_ECHO_PEERS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/forked_server.h"

namespace lauberhorn::bench {

class EchoClient {
 public:
  virtual ~EchoClient() = default;

  // Sends the payload and waits for it. INTERNAL if something else comes back.
  virtual absl::Status Echo(const std::string& payload) = 0;
};

using EchoClientOr = absl::StatusOr<std::unique_ptr<EchoClient>>;

// Datagrams: recvmsg() and sendmsg() that block, one thread each.
int ServeUdp(const ForkedServer::UntilStopped& until_stopped);
EchoClientOr ConnectUdp(int port);

// This library with default options.
int ServeLauberhorn(const ForkedServer::UntilStopped& until_stopped);
EchoClientOr ConnectLauberhorn(int port);

// gRPC's library with default options.
int ServeGrpc(const ForkedServer::UntilStopped& until_stopped);
EchoClientOr ConnectGrpc(int port);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_ECHO_PEERS_H_
