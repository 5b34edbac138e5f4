// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/rpc_method.h
//
// A method as a stub calls it. For generated code:
//
//   constexpr grpc::internal::RpcMethod method(
//       kMethods[0], grpc::internal::RpcMethod::NORMAL_RPC);
//
// Thread-safety: values. Blocking: never. Ownership: refers to the name, which
// must outlive it.
#ifndef GRPCPP_IMPL_RPC_METHOD_H_
#define GRPCPP_IMPL_RPC_METHOD_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "lauberhorn/method.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

class RpcMethod {
 public:
  enum RpcType {
    NORMAL_RPC = 0,
    CLIENT_STREAMING,
    SERVER_STREAMING,
    BIDI_STREAMING
  };

  // `name` is the full name, "/package.Service/Method".
  constexpr RpcMethod(const char* name, RpcType type)
      : name_(name), id_(lauberhorn::MethodId(name_)), type_(type) {}

  // The same as in the table of its service.
  constexpr RpcMethod(const lauberhorn::Method& method, RpcType type)
      : name_(method.name), id_(method.id), type_(type) {}

  constexpr const char* name() const { return name_.data(); }
  constexpr RpcType method_type() const { return type_; }

  // RpcMethod::full_name(), RpcMethod::id()
  //
  // As the native library takes them.
  constexpr absl::string_view full_name() const { return name_; }
  constexpr std::uint64_t id() const { return id_; }

 private:
  absl::string_view name_;  // ends in a zero byte
  std::uint64_t id_;
  RpcType type_;
};

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_RPC_METHOD_H_
