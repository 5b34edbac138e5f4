// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/client_unary_call.h
//
// One blocking call with messages of Protocol Buffers. For generated code:
//
//   return grpc::internal::BlockingUnaryCall(channel_.get(), method, context,
//                                            request, response);
//
// The request is written straight into the message to the NIC, and the reply is
// parsed where the NIC put it.
//
// Thread-safety: safe from any thread. Blocking: until the reply, the deadline,
// or the loss of the server. Allocation: only what the messages need, and the
// text of an error. Ownership: all arguments are the caller's.
#ifndef GRPCPP_IMPL_CLIENT_UNARY_CALL_H_
#define GRPCPP_IMPL_CLIENT_UNARY_CALL_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "grpcpp/client_context.h"
#include "grpcpp/impl/channel_interface.h"
#include "grpcpp/impl/codegen/config_protobuf.h"
#include "grpcpp/impl/rpc_method.h"
#include "grpcpp/support/status.h"
#include "lauberhorn/client.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

class UnaryCaller {
 public:
  static Status Call(ChannelInterface* channel, const RpcMethod& method,
                     ClientContext* context,
                     const protobuf::MessageLite& request,
                     protobuf::MessageLite* reply) {
    Status status = Run(channel, method, context, request, reply);
    if (!status.ok()) context->SetError(method.name(), status);
    return status;
  }

 private:
  static Status Run(ChannelInterface* channel, const RpcMethod& method,
                    ClientContext* context,
                    const protobuf::MessageLite& request,
                    protobuf::MessageLite* reply) {
    const ChannelSettings& settings = channel->settings_;
    const absl::Status begun = context->BeginCall(settings);
    if (!begun.ok()) return ToStatus(begun);
    const std::size_t size = request.ByteSizeLong();
    if (settings.limits.send.Excludes(size)) {
      return ToStatus(settings.limits.send.Error("Sent", size));
    }
    const absl::StatusOr<lauberhorn::Client*> client =
        channel->Connect(context->options_);
    if (!client.ok()) {
      context->SetNoPeer(settings.target);
      return ToStatus(client.status());
    }
    context->SetPeer((*client)->peer());
    lauberhorn::UnaryCall call(**client, method.full_name(), method.id());
    std::uint8_t* to = call.ReserveRequest(size, context->MetadataToSend());
    // Without a place for the request, Run() says why there is none.
    if (to != nullptr) request.SerializeWithCachedSizesToArray(to);
    Status status = ToStatus(call.Run(context->options_));
    if (!call.reply_metadata().empty()) {
      status = context->Receive(call.reply_metadata(), std::move(status));
    }
    if (!status.ok()) return status;
    const absl::Span<const std::uint8_t> bytes = call.reply();
    if (settings.limits.receive.Excludes(bytes.size())) {
      return ToStatus(settings.limits.receive.Error("Received", bytes.size()));
    }
    if (!reply->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return Status(StatusCode::INTERNAL, std::string(method.name()) +
                                              ": the reply is no " +
                                              reply->GetTypeName());
    }
    return status;
  }
};

// BlockingUnaryCall()
//
// Calls `method` and waits. The types of the messages are parameters because
// generated code names them.
template <class Request, class Reply, class BaseRequest = Request,
          class BaseReply = Reply>
Status BlockingUnaryCall(ChannelInterface* channel, const RpcMethod& method,
                         ClientContext* context, const Request& request,
                         Reply* reply) {
  return UnaryCaller::Call(channel, method, context, request, reply);
}

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_CLIENT_UNARY_CALL_H_
