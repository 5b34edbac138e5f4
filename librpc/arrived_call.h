// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/arrived_call.h
//
// A call that a worker has taken: ServerCall over the worker's endpoint. Lives
// on the worker's stack; allocates nothing.
//
// Everything that is used of the message is read once, here, and checked.
#ifndef LAUBERHORN_LIBRPC_ARRIVED_CALL_H_
#define LAUBERHORN_LIBRPC_ARRIVED_CALL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lauberhorn/server_call.h"
#include "librpc/endpoint.h"
#include "librpc/endpoint_pool.h"

namespace lauberhorn {

class ArrivedCall final : public ServerCall {
 public:
  // `line` was taken from slot `slot` of the endpoint's `serve` channel and
  // stays taken until the call is destroyed.
  ArrivedCall(Endpoint& endpoint, EndpointPool& endpoints,
              const Attachment& attachment, std::uint32_t slot,
              const lh_line* line);

  std::uint16_t method_index() const { return header_.aux; }
  std::uint64_t code() const { return header_.code; }
  bool answered() const { return answered_; }

  // Whether the NIC's message can be used.
  bool good() const { return good_; }

  absl::Span<const std::uint8_t> request() const override {
    return body_.bytes;
  }
  absl::Span<const std::uint8_t> metadata() const override {
    return body_.metadata;
  }
  absl::Time deadline() const override;
  bool IsCancelled() const override;
  void Cancel() override;
  absl::StatusOr<PeerAddress> peer() const override;
  ParentCall AsParent() const override {
    return {&endpoints_, header_.call, header_.deadline};
  }
  using ServerCall::ReserveReply;
  std::uint8_t* ReserveReply(std::size_t size,
                             absl::Span<const std::uint8_t> metadata) override;
  void Reply() override;
  using ServerCall::Fail;
  void Fail(absl::StatusCode code, absl::string_view message,
            absl::Span<const std::uint8_t> metadata) override;

 private:
  // Gives the NIC the reply.
  void Put(std::uint64_t status, std::uint8_t flags,
           absl::Span<const std::uint8_t> payload);

  Endpoint& endpoint_;
  EndpointPool& endpoints_;  // of the process
  const Attachment& attachment_;
  const lh_message header_;
  MessageBody body_;
  bool good_;
  bool reserved_ = false;  // the reply's bytes, in the endpoint's buffer
  std::size_t reply_size_ = 0;
  std::uint8_t reply_flags_ = 0;
  bool answered_ = false;
  std::atomic<bool> cancelled_{false};  // by Cancel()
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_ARRIVED_CALL_H_
