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
// Allocation: only what the messages need, and the text of an error. Ownership:
// the messages live until the handler returns.
#ifndef GRPCPP_SUPPORT_METHOD_HANDLER_H_
#define GRPCPP_SUPPORT_METHOD_HANDLER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "grpcpp/impl/codegen/config_protobuf.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
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
    Request request;
    if (!Parse(call, &request)) return;
    Reply reply;
    ServerContext context(call);
    if (!context.Receive()) {
      return call.Fail(absl::StatusCode::kInternal,
                       "the metadata of the request is malformed");
    }
    const Status status = CatchAll([&] {
      return (static_cast<Service*>(service)->*kHandler)(&context, &request,
                                                         &reply);
    });
    Answer(call, context, status, reply);
  }

 private:
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

  static void Answer(lauberhorn::ServerCall& call, ServerContext& context,
                     const Status& status, const protobuf::MessageLite& reply) {
    absl::Span<const std::uint8_t> metadata;
    if (context.has_metadata() || !status.ok()) {
      const absl::Status finished = context.FinishMetadata(
          status.ok() ? std::string() : status.error_details(), &metadata);
      if (!finished.ok()) {
        return call.Fail(finished.code(), finished.message());
      }
    }
    if (!status.ok()) {
      return call.Fail(ToNativeCode(status.error_code()),
                       status.error_message(), metadata);
    }
    std::uint8_t* to = call.ReserveReply(reply.ByteSizeLong(), metadata);
    if (to == nullptr) return;  // too large: already answered
    reply.SerializeWithCachedSizesToArray(to);
    call.Reply();
  }
};

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_METHOD_HANDLER_H_
