// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/server.h
//
// A server: ports, services, and the right to be called. The handlers run on
// the workers of the runtime.
//
//   auto server = lauberhorn::Server::Create(runtime);
//   absl::Status added = (*server)->AddService(kMethods, &greeter);
//   absl::StatusOr<int> port = (*server)->Listen("0.0.0.0:50051");
//   ...
//   (*server)->Shutdown();
//
// While the NIC is lost (lauberhorn/runtime.h) nothing can be created, added or
// listened at: UNAVAILABLE; what was before is served again when the NIC is
// back. A port that somebody else has by then is tried again until it is free.
//
// Thread-safety: safe from any thread. Blocking: all functions wait for the
// NIC, Shutdown() also for the handlers that run. Ownership: the server does
// not own the services; they must outlive Shutdown() or the server.
#ifndef LAUBERHORN_SERVER_H_
#define LAUBERHORN_SERVER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"

namespace lauberhorn {

class Server {
 public:
  // Shuts down, if that has not been done.
  virtual ~Server() = default;

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Server::Create()
  //
  // A server without ports and services. Errors: RESOURCE_EXHAUSTED if threads
  // or endpoints are refused, UNAVAILABLE if the NIC is lost.
  static absl::StatusOr<std::unique_ptr<Server>> Create(
      std::shared_ptr<Runtime> runtime);

  // Server::AddService()
  //
  // Lets the methods be called; `service` is handed to their thunks. Errors:
  // ALREADY_EXISTS if a method of this name, or another of the same id, is
  // there (none of them is added then), INVALID_ARGUMENT for a name that is too
  // long, FAILED_PRECONDITION after Shutdown(), UNAVAILABLE if the NIC is lost
  // (then the methods before are there).
  virtual absl::Status AddService(absl::Span<const Method> methods,
                                  void* service) = 0;

  // Server::Listen()
  //
  // Accepts calls at `address`, as Client::Connect() takes it; port 0 is any
  // free one. Returns the port, or 0 for a Unix socket. The socket's file is
  // removed with the server; one that a dead process left is replaced. Errors:
  // INVALID_ARGUMENT, UNAVAILABLE if the address is in use or not of this
  // machine, or if the NIC is lost, PERMISSION_DENIED; for a Unix socket also
  // FAILED_PRECONDITION if RuntimeOptions::local is off, and UNIMPLEMENTED if
  // the NIC has none.
  virtual absl::StatusOr<int> Listen(absl::string_view address) = 0;

  // Server::Shutdown()
  //
  // Accepts no more calls (they are answered UNAVAILABLE) and returns when the
  // handlers of those that were accepted have returned. At `deadline` the calls
  // that have not ended do so for their callers, with UNAVAILABLE, and their
  // handlers learn of it from ServerCall::IsCancelled(). Safe to call again,
  // and from several threads, of whom each waits: the earliest deadline counts.
  // Not from a handler, which it would wait for. Where a NIC has been lost it
  // also waits for all handlers of the process that it left running.
  virtual void Shutdown(absl::Time deadline) = 0;
  void Shutdown() { Shutdown(absl::InfiniteFuture()); }

 protected:
  Server() = default;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_SERVER_H_
