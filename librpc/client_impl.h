// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/client_impl.h
//
// What every Client is, and what blocking and queued calls have in common: the
// CALL that is put, and the status that its answer means.
#ifndef LAUBERHORN_LIBRPC_CLIENT_IMPL_H_
#define LAUBERHORN_LIBRPC_CLIENT_IMPL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lauberhorn/client.h"
#include "librpc/connection.h"
#include "librpc/endpoint.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn {

class ClientImpl final : public Client {
 public:
  // Of the server at `address`.
  ClientImpl(std::shared_ptr<Runtime> runtime, absl::string_view target,
             const ServerAddress& address);
  ~ClientImpl() override;

  static ClientImpl& From(Client& client) {
    return static_cast<ClientImpl&>(client);
  }

  const std::string& target() const override { return target_; }
  const PeerAddress& peer() const override { return peer_; }
  absl::StatusOr<ConnectionState> GetState(bool try_to_connect) override;
  absl::StatusOr<ConnectionState> WaitForChange(ConnectionState known,
                                                absl::Time deadline) override;
  RuntimeImpl& runtime() const { return RuntimeImpl::From(*runtime_); }

  // The server's handle in the connection, which is made at its first use
  // there. Errors: those of the command.
  absl::StatusOr<std::uint64_t> HandleIn(Connection& connection) const {
    if (number_.load(std::memory_order_acquire) == connection.number()) {
      return handle_.load(std::memory_order_relaxed);
    }
    return ConnectIn(connection);
  }

 private:
  absl::StatusOr<std::uint64_t> ConnectIn(Connection& connection) const;
  // The NIC's answer, an lh_peer_state.
  absl::StatusOr<std::uint64_t> AskNic(Connection& connection,
                                       std::uint32_t known,
                                       std::uint64_t deadline,
                                       bool connect) const;
  absl::StatusOr<ConnectionState> AskState(std::uint32_t known,
                                           std::uint64_t deadline,
                                           bool connect) const;

  const std::shared_ptr<Runtime> runtime_;
  const std::string target_;
  const ServerAddress address_;
  const PeerAddress peer_;
  // The number of the connection that the handle is of, which is stored first.
  // Who reads the one may find the other of a later connection: then the NIC
  // that it would be told to is lost.
  mutable std::atomic<std::uint64_t> number_{0};
  mutable std::atomic<std::uint64_t> handle_{0};
  mutable std::mutex mutex_;  // of who writes them
};

struct CallMessage {
  std::uint64_t call;      // its handle
  std::uint64_t method;    // id
  std::uint64_t peer;      // handle
  std::uint64_t deadline;  // on the device's clock, 0 if none
  std::uint8_t flags;      // LH_FLAG_*
  std::uint16_t answers;   // endpoint that gets them, plus one; 0: this one
  absl::Span<const std::uint8_t> request;  // at most kMaxMessage bytes
};

// What these options are as flags.
inline std::uint8_t FlagsOf(const CallOptions& options) {
  return options.wait_for_ready ? LH_FLAG_WAIT_FOR_READY : 0;
}

// When the call is to end: by its own deadline or, unless that is declined, by
// that of the call that it is made for.
std::uint64_t DeadlineOf(const CallOptions& options);

// Before the CALL is put on this endpoint: says which call it is made for, if
// that is to end it.
void LinkToParent(Endpoint& endpoint, const Connection& connection,
                  const CallOptions& options, std::uint64_t call);

// Puts a CALL on the endpoint's `call` channel.
void PutCall(Endpoint& endpoint, const CallMessage& message);

// The status of a call that was answered with this code and payload.
absl::Status AnswerStatus(std::uint64_t code,
                          absl::Span<const std::uint8_t> payload);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_CLIENT_IMPL_H_
