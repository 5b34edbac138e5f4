// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/compat/method_gates.h
//
// What stands before the handlers of a server that has limits for its messages,
// or services for certain hosts. The native server is given a gate for each
// method instead of the method itself; other servers have none.
//
// Thread-safety: built by one thread; then calls pass from all workers.
// Blocking: never. Allocation: none per call, but for the text of an error.
// Ownership: the gates outlive the native server, and the services the gates.
#ifndef LIBRPC_COMPAT_METHOD_GATES_H_
#define LIBRPC_COMPAT_METHOD_GATES_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "grpcpp/impl/message_limits.h"
#include "lauberhorn/method.h"
#include "lauberhorn/server.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

class MethodGates {
 public:
  explicit MethodGates(MessageLimits limits) : limits_(limits) {}

  MethodGates(const MethodGates&) = delete;
  MethodGates& operator=(const MethodGates&) = delete;

  // MethodGates::Add()
  //
  // The methods of a service, for calls to `host`; for those to hosts that have
  // no service of their own if that is empty. ALREADY_EXISTS if a method is
  // there for this host.
  absl::Status Add(const std::string& host,
                   absl::Span<const lauberhorn::Method> methods, void* service);

  // MethodGates::AddTo()
  //
  // Lets the server call through the gates; nothing is added after that.
  absl::Status AddTo(lauberhorn::Server& server);

 private:
  struct Target {
    std::string host;
    lauberhorn::Thunk thunk;
    void* service;
  };

  struct Gate {
    absl::string_view method;
    const MessageLimits* limits;
    std::vector<Target> targets;

    const Target* Find(absl::string_view host) const;
    // The target for this call, or null.
    const Target* TargetOf(const lauberhorn::ServerCall& call) const;
  };

  // The thunk of all gates.
  static void Pass(void* gate, lauberhorn::ServerCall& call);

  const MessageLimits limits_;
  std::deque<Gate> gates_;  // which do not move
};

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // LIBRPC_COMPAT_METHOD_GATES_H_
