// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/echo_peers.h
//
// The same echo between two processes by different means. Each has one file,
// which says how its server serves and how its client calls. To add one: write
// such a file, declare what makes it here, and list it in peers.cc.
//
// Thread-safety: a Peer is made before the processes are forked, and each has
// its copy: memory and descriptors that both need are made in the constructor.
// Serve() as ForkedServer wants it; Connect() from any thread of the client's
// process. A client belongs to the thread that connected it.
#ifndef LAUBERHORN_BENCH_ECHO_PEERS_H_
#define LAUBERHORN_BENCH_ECHO_PEERS_H_

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bench/forked_server.h"
#include "bench/message.h"

namespace lauberhorn::bench {

// Calls of one thread. They have numbers below its peer's window.
class EchoClient {
 public:
  virtual ~EchoClient() = default;

  // Sends the message as call `number`, which is not under way.
  virtual absl::Status Start(std::size_t number) = 0;

  // Waits for the reply to a call that is under way, which one it says.
  // INTERNAL if the reply is not what was sent.
  virtual absl::StatusOr<std::size_t> Finish() = 0;

  // One call, from beginning to end.
  absl::Status Call() {
    const absl::Status started = Start(0);
    return started.ok() ? Finish().status() : started;
  }
};

// One whose peer has calls that block, one at a time.
class BlockingEchoClient : public EchoClient {
 public:
  // Makes a call and waits for its reply. INTERNAL if it is not what was sent.
  virtual absl::Status Echo() = 0;

  absl::Status Start(std::size_t) final { return Echo(); }
  absl::StatusOr<std::size_t> Finish() final { return 0; }
};

absl::Status WrongReply();  // the INTERNAL of both

using EchoClientOr = absl::StatusOr<std::unique_ptr<EchoClient>>;

class Peer {
 public:
  virtual ~Peer() = default;

  // The server's process. What is not a port is any number that tells Connect()
  // where to find it.
  virtual int Serve(const ForkedServer::UntilStopped& until_stopped) = 0;

  virtual EchoClientOr Connect(int port) = 0;

  // Called in the client's process, before calls and after them: a server that
  // spins does so in between only, as others are measured in turns.
  virtual void Resume() {}
  virtual void Pause() {}
};

struct PeerKind {
  static constexpr std::size_t kManyClients = 128;

  const char* name;     // in tables and files
  std::size_t window;   // calls that a client can have under way
  std::size_t clients;  // that can be connected at a time
  bool spins = false;   // while it waits
  std::unique_ptr<Peer> (*make)(const Message& message);
};

// All of them that were built. In the order in which tables have them.
absl::Span<const PeerKind> Peers();

// This library with default options, through its native API: its
// gRPC-compatible one has the names of gRPC's, which is linked here too. Calls
// that block, and calls of a queue.
std::unique_ptr<Peer> MakeLauberhorn(const Message& message);
std::unique_ptr<Peer> MakeLauberhornQueue(const Message& message);
std::unique_ptr<Peer> MakeLauberhornUdp(const Message& message);
// Whose client looks at its line for so long before it parks.
std::unique_ptr<Peer> MakeLauberhornWaiting(const Message& message,
                                            absl::Duration spin);
std::unique_ptr<Peer> MakeLauberhornUdpQueue(const Message& message);

// Datagrams and nothing else: recvmsg() and sendmsg() that block.
std::unique_ptr<Peer> MakeUdp(const Message& message);

// Rings in shared memory, one each way; both sides spin. No protocol.
std::unique_ptr<Peer> MakeRing(const Message& message);

// A message in shared memory, and threads that wake each other by eventfd.
std::unique_ptr<Peer> MakeEventfd(const Message& message);

// gRPC's library with default options: its synchronous API, its callbacks, and
// its completion queues.
std::unique_ptr<Peer> MakeGrpcSyncTcp(const Message& message);
std::unique_ptr<Peer> MakeGrpcSyncUnix(const Message& message);
std::unique_ptr<Peer> MakeGrpcCallbackTcp(const Message& message);
std::unique_ptr<Peer> MakeGrpcCallbackUnix(const Message& message);
std::unique_ptr<Peer> MakeGrpcQueueTcp(const Message& message);
std::unique_ptr<Peer> MakeGrpcQueueUnix(const Message& message);

// Cap'n Proto's RPC, with its own messages; if its packages are there.
std::unique_ptr<Peer> MakeCapnProtoTcp(const Message& message);
std::unique_ptr<Peer> MakeCapnProtoUnix(const Message& message);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_ECHO_PEERS_H_
