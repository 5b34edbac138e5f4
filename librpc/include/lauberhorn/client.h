// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/client.h
//
// Calls to one server, through this process's NIC. Generated stubs are made of
// it.
//
//   auto client = lauberhorn::Client::Connect(runtime, "localhost:50051");
//   lauberhorn::UnaryCall call(**client, kMethods[0].name, kMethods[0].id);
//   std::uint8_t* to = call.ReserveRequest(size);
//   ...
//   absl::Status status = call.Run({});
//   absl::Span<const std::uint8_t> reply = call.reply();
//
// Thread-safety: a Client is safe from any thread; a UnaryCall belongs to one.
// Blocking: Connect() may resolve a name; Run() blocks until the reply, the
// deadline, or the loss of the server. Allocation: none per call. Ownership: a
// call refers to its client; reply() is good until the call is destroyed.
#ifndef LAUBERHORN_CLIENT_H_
#define LAUBERHORN_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lauberhorn/cancellation.h"
#include "lauberhorn/parent_call.h"
#include "lauberhorn/peer_address.h"
#include "lauberhorn/runtime.h"

namespace lauberhorn {

// How the session with a server is.
enum class ConnectionState {
  kIdle,        // not open; the next call opens it
  kConnecting,  // being opened
  kReady,       // open
  kFailed  // could not be opened, and has not been since; or the NIC is lost
};

class Client {
 public:
  virtual ~Client() = default;

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Client::Connect()
  //
  // A client of the server at `target`: "host:port", "dns:///host:port",
  // "ipv4:a.b.c.d:port" or "ipv6:[a::b]:port", or, for a server of this host,
  // the Unix socket that it listens at: "unix:path", "unix:///path" or
  // "unix-abstract:name". Only resolves the name; the session is opened by the
  // first call. Errors: INVALID_ARGUMENT for a target that cannot be parsed,
  // UNAVAILABLE for a name that cannot be resolved or if the NIC is lost,
  // RESOURCE_EXHAUSTED for more than 256 clients of a runtime at a time; for a
  // Unix socket also FAILED_PRECONDITION if RuntimeOptions::local is off, and
  // UNIMPLEMENTED if the NIC has none.
  static absl::StatusOr<std::shared_ptr<Client>> Connect(
      std::shared_ptr<Runtime> runtime, absl::string_view target);

  // Client::target()
  //
  // As it was given to Connect().
  virtual const std::string& target() const = 0;

  // Client::peer()
  //
  // The address that the target is, by which the calls go.
  virtual const PeerAddress& peer() const = 0;

  // Client::GetState()
  //
  // How the session is now; asks the NIC, a few microseconds. With
  // `try_to_connect` it is opened without a call, unless it is open. Errors:
  // RESOURCE_EXHAUSTED if there is no endpoint for this thread.
  virtual absl::StatusOr<ConnectionState> GetState(bool try_to_connect) = 0;

  // Client::WaitForChange()
  //
  // Waits until the state is another than `known`, or the deadline has come;
  // returns the state then. A session that is being opened, or could not be, is
  // tried on meanwhile. Errors as GetState().
  virtual absl::StatusOr<ConnectionState> WaitForChange(
      ConnectionState known, absl::Time deadline) = 0;

 protected:
  Client() = default;
};

// How one call is to be made.
struct CallOptions {
  // When to give up.
  absl::Time deadline = absl::InfiniteFuture();

  // Whether to wait for the server, and for a NIC that is lost, instead of
  // failing with UNAVAILABLE if it cannot be reached.
  bool wait_for_ready = false;

  // Ends the call early, if not null: from any thread, at any time. For this
  // call only.
  Cancellation* cancellation = nullptr;

  // The call that this one is made for, if any. Then the earlier of both
  // deadlines counts, and this call ends with CANCELLED if that one is
  // cancelled, expires, or loses its caller while its handler runs: the NIC
  // sees to it, if both calls are of one runtime. Each can be declined.
  ParentCall parent;
  bool inherit_deadline = true;
  bool inherit_cancellation = true;
};

// One blocking unary call; not to be used twice, and one at a time per thread.
class UnaryCall {
 public:
  // `name` is the method's full name, "/package.Service/Method", and `id` its
  // MethodId(); `name` must outlive the call.
  UnaryCall(Client& client, absl::string_view name, std::uint64_t id);
  ~UnaryCall();

  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;

  // UnaryCall::ReserveRequest()
  //
  // Where to write the `size` bytes of the request. Null if the call cannot be
  // made, for example because they do not fit into a packet; Run() says why.
  // `metadata` (lauberhorn/metadata.h) goes with them, and is copied.
  std::uint8_t* ReserveRequest(std::size_t size,
                               absl::Span<const std::uint8_t> metadata = {});

  // UnaryCall::Run()
  //
  // Sends the request and waits for the answer. The status is the server's, or
  // DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE (after all of which the call may
  // have run), RESOURCE_EXHAUSTED (a message too large, or no endpoint for this
  // thread), INVALID_ARGUMENT (the name is too long, or another method that
  // this process calls has the same id), FAILED_PRECONDITION (another call of
  // this thread is under way).
  absl::Status Run(const CallOptions& options);

  // UnaryCall::reply()
  //
  // The bytes of the reply, if Run() returned OK.
  absl::Span<const std::uint8_t> reply() const { return reply_; }

  // UnaryCall::reply_metadata()
  //
  // What came with the reply, or with the server's error. May be anything: read
  // it with a MetadataReader. Empty if there is none.
  absl::Span<const std::uint8_t> reply_metadata() const {
    return reply_metadata_;
  }

 private:
  absl::Status TakeEndpoint();
  absl::Status AwaitNic(const CallOptions& options);

  Client& client_;
  const absl::string_view name_;
  const std::uint64_t id_;
  void* connection_ = nullptr;  // librpc's, to the NIC
  void* endpoint_ = nullptr;    // the thread's, in that
  bool ran_ = false;
  std::size_t request_size_ = 0;
  std::uint8_t* request_ = nullptr;
  std::uint8_t flags_ = 0;  // of its message
  absl::Status refused_;
  absl::Span<const std::uint8_t> reply_;
  absl::Span<const std::uint8_t> reply_metadata_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_CLIENT_H_
