// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/method_handler.h
//
// From a call that arrived to the handler of a service, and back: what stands
// in the method tables of generated code.
//
//   constexpr lauberhorn::Method kMethods[] = {
//       {"/hello.Greeter/SayHello",
//        &grpc::internal::UnaryHandler::Run<Greeter::Service, HelloRequest,
//                                           HelloReply,
//                                           &Greeter::Service::SayHello>},
//   };
//
// The request is parsed where the NIC put it, and the reply is written straight
// into the message to the NIC.
//
// Thread-safety: runs on any worker. Blocking: as long as the handler.
// Allocation: what messages need beyond what the worker has kept from its last
// call of the method (lauberhorn/kept_message.h), and the text of an error.
// Ownership: the messages are the handler's until it returns.
#ifndef GRPCPP_SUPPORT_METHOD_HANDLER_H_
#define GRPCPP_SUPPORT_METHOD_HANDLER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "grpcpp/impl/codegen/config_protobuf.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "lauberhorn/kept_message.h"
#include "lauberhorn/server_call.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

class UnaryHandler {
 public:
  // A thunk that runs `kHandler` of the Service that it is given. A handler
  // that throws is answered UNKNOWN, a request that cannot be parsed INTERNAL.
  template <class Service, class Request, class Reply,
            Status (Service::*kHandler)(ServerContext*, const Request*, Reply*)>
  static void Run(void* service, lauberhorn::ServerCall& call) {
    lauberhorn::KeptMessage<Request, OfRequest> request;
    if (!Parse(call, request.get())) return;
    lauberhorn::KeptMessage<Reply, OfReply> reply;
    ServerContext context(call);
    if (!context.Receive()) {
      return call.Fail(absl::StatusCode::kInternal,
                       "the metadata of the request is malformed");
    }
    const Status status = CatchAll([&] {
      return (static_cast<Service*>(service)->*kHandler)(
          &context, request.get(), reply.get());
    });
    // Else the reply may be of any size.
    if (!Answer(call, context, status, *reply)) return;
    request.Keep();
    reply.Keep();
  }

 private:
  // Request and reply of a method may be of one type.
  struct OfRequest;
  struct OfReply;

  template <class Handler>
  static Status CatchAll(Handler&& handler) {
#ifdef __cpp_exceptions
    try {
      return handler();
    } catch (...) {
      return Status(StatusCode::UNKNOWN, "the handler threw an exception");
    }
#else
    return handler();
#endif
  }

  // False if the call has been answered, with an error.
  static bool Parse(lauberhorn::ServerCall& call,
                    protobuf::MessageLite* request) {
    const absl::Span<const std::uint8_t> bytes = call.request();
    if (request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return true;
    }
    call.Fail(absl::StatusCode::kInternal,
              "the request is no " + request->GetTypeName());
    return false;
  }

  // Whether the reply was sent.
  static bool Answer(lauberhorn::ServerCall& call, ServerContext& context,
                     const Status& status, const protobuf::MessageLite& reply) {
    absl::Span<const std::uint8_t> metadata;
    if (context.has_metadata() || !status.ok()) {
      const absl::Status finished = context.FinishMetadata(
          status.ok() ? std::string() : status.error_details(), &metadata);
      if (!finished.ok()) {
        call.Fail(finished.code(), finished.message());
        return false;
      }
    }
    if (!status.ok()) {
      call.Fail(ToNativeCode(status.error_code()), status.error_message(),
                metadata);
      return false;
    }
    std::uint8_t* to = call.ReserveReply(reply.ByteSizeLong(), metadata);
    if (to == nullptr) return false;  // too large: already answered
    reply.SerializeWithCachedSizesToArray(to);
    call.Reply();
    return true;
  }
};

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_METHOD_HANDLER_H_
