// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/connection.h
//
// One attachment to a NIC, and all that is good in it only: the device, the
// endpoints of the threads, the workers, the methods that the NIC knows, and
// the numbers of the process's own calls. There is one for each endpoint, for
// the blocking call of its thread or for the shutdown of its queue; those of
// queued calls are apart, so that however many there are, a thread finds one
// for its own.
//
// A NIC that is lost never comes back to its connection: the runtime makes
// another one (runtime_impl.h), and this one stays until nobody uses it. Who
// uses one holds a shared pointer to it, or has an endpoint of it.
//
// Thread-safety: safe from any thread.
#ifndef LAUBERHORN_LIBRPC_CONNECTION_H_
#define LAUBERHORN_LIBRPC_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lauberhorn/runtime.h"
#include "librpc/call_numbers.h"
#include "librpc/device.h"
#include "librpc/endpoint_pool.h"
#include "librpc/known_methods.h"
#include "librpc/method_rows.h"
#include "librpc/queued_calls.h"
#include "librpc/server_address.h"
#include "librpc/workers.h"

namespace lauberhorn {

class Connection {
 public:
  // `number` is not 0, and no other connection of the runtime has it. `renew`
  // is called, from any thread and more than once, when somebody finds that the
  // NIC is lost, or that nobody is left who would find that. The methods
  // outlive the connection.
  Connection(const RuntimeOptions& options, std::uint64_t number,
             std::unique_ptr<Device> device, const MethodRows& methods,
             std::function<void()> renew);

  // Waits for the workers, whom nobody needs any more.
  ~Connection();

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::uint64_t number() const { return number_; }

  // Whether the NIC is gone: then nothing that begins succeeds, what is under
  // way ends with UNAVAILABLE, and the workers end.
  bool IsLost() const { return device_->Attach().IsLost(); }

  // The same; if so the runtime is told.
  bool NoticeLoss() const;

  // The runtime is told to look after it: it is lost, or may be lost unnoticed.
  void AskForRenewal() const { renew_(); }

  // Device::LetGo(); it is lost.
  void LetGo() { device_->LetGo(); }

  // Whether no thread will use it any more. For one that is lost, and that
  // nobody else holds a pointer to.
  bool CloseIfUnused();

  // A control command whose payload is one struct, by the calling thread.
  template <typename Command>
  absl::StatusOr<std::uint64_t> Control(lh_command number,
                                        const Command& command) {
    return ControlBytes(
        number,
        {reinterpret_cast<const std::uint8_t*>(&command), sizeof(command)});
  }
  absl::StatusOr<std::uint64_t> ControlBytes(
      lh_command number, absl::Span<const std::uint8_t> payload);

  // The two commands about a server's address, for the handle `server`: the
  // port, or the peer.
  absl::StatusOr<std::uint64_t> Listen(std::uint64_t server,
                                       const ServerAddress& address) {
    return TellAddress(LH_COMMAND_LISTEN, LH_COMMAND_SOCKET_LISTEN, server,
                       address);
  }
  absl::StatusOr<std::uint64_t> Connect(const ServerAddress& address) {
    return TellAddress(LH_COMMAND_CONNECT, LH_COMMAND_SOCKET_CONNECT, 0,
                       address);
  }

  // Tells the NIC the name of a method before its first call. INVALID_ARGUMENT
  // if the name is too long, or if another one has this id.
  absl::Status NameMethod(std::uint64_t id, absl::string_view name) {
    if (known_methods_.Contains(id, name)) return absl::OkStatus();
    return NameNewMethod(id, name);
  }

  EndpointPool& endpoints() const { return *endpoints_; }
  Workers& workers() { return workers_; }
  CallNumbers& call_numbers() { return call_numbers_; }
  QueuedCalls& queued_calls() { return queued_calls_; }

 private:
  absl::Status NameNewMethod(std::uint64_t id, absl::string_view name);
  absl::StatusOr<std::uint64_t> TellAddress(lh_command for_ip,
                                            lh_command for_socket,
                                            std::uint64_t server,
                                            const ServerAddress& address);

  const std::uint64_t number_;
  const std::function<void()> renew_;
  const std::unique_ptr<Device> device_;
  const std::shared_ptr<EndpointPool> endpoints_;
  CallNumbers call_numbers_;  // of endpoints
  QueuedCalls queued_calls_;
  KnownMethods known_methods_;
  Workers workers_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_CONNECTION_H_
