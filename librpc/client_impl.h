// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/client_impl.h
//
// What every Client is, and what blocking and queued calls have in common: the
// CALL that is put, and the status that its answer means.
#ifndef LAUBERHORN_LIBRPC_CLIENT_IMPL_H_
#define LAUBERHORN_LIBRPC_CLIENT_IMPL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lauberhorn/client.h"
#include "librpc/endpoint.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn {

class ClientImpl final : public Client {
 public:
  // `handle` is the NIC's of the server, which is at `peer`.
  ClientImpl(std::shared_ptr<Runtime> runtime, absl::string_view target,
             const PeerAddress& peer, std::uint64_t handle);
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
  std::uint64_t handle() const { return handle_; }

 private:
  absl::StatusOr<ConnectionState> AskState(std::uint32_t known,
                                           std::uint64_t deadline,
                                           bool connect);

  const std::shared_ptr<Runtime> runtime_;
  const std::string target_;
  const PeerAddress peer_;
  const std::uint64_t handle_;
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
void LinkToParent(Endpoint& endpoint, RuntimeImpl& runtime,
                  const CallOptions& options, std::uint64_t call);

// Puts a CALL on the endpoint's `call` channel.
void PutCall(Endpoint& endpoint, const CallMessage& message);

// The status of a call that was answered with this code and payload.
absl::Status AnswerStatus(std::uint64_t code,
                          absl::Span<const std::uint8_t> payload);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_CLIENT_IMPL_H_
