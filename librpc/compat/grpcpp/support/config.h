// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/config.h
//
// The names that gRPC's API borrows from std.
//
//   grpc::string greeting = "hello " + grpc::to_string(7);
//
// Thread-safety, blocking, ownership: those of the std names.
#ifndef GRPCPP_SUPPORT_CONFIG_H_
#define GRPCPP_SUPPORT_CONFIG_H_

#include <string>

namespace grpc {
inline namespace lh_v1 {

using string = std::string;
using std::to_string;

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_CONFIG_H_
