// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/service_type.h
//
// The base of all services. Programs derive from the generated
// Greeter::Service, which derives from this and names its method table:
//
//   Greeter::Service::Service() : grpc::Service(kMethods, this) {}
//
// Thread-safety: handlers of one service run on many threads at a time.
// Blocking: up to the handlers. Ownership: the program's; a service must
// outlive the servers that it is registered with.
#ifndef GRPCPP_IMPL_SERVICE_TYPE_H_
#define GRPCPP_IMPL_SERVICE_TYPE_H_

#include "absl/types/span.h"
#include "lauberhorn/method.h"

namespace grpc {
inline namespace lh_v1 {

class Service {
 public:
  virtual ~Service() = default;

  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

 protected:
  // For generated code: the table, which is static, and what its thunks are
  // given.
  Service(absl::Span<const lauberhorn::Method> methods, void* service)
      : methods_(methods), service_(service) {}

 private:
  friend class ServerBuilder;

  const absl::Span<const lauberhorn::Method> methods_;
  void* const service_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_SERVICE_TYPE_H_
