// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/codegen/config_protobuf.h
//
// The names of Protocol Buffers under which generated code refers to them.
//
// Thread-safety, blocking, ownership: those of Protocol Buffers.
#ifndef GRPCPP_IMPL_CODEGEN_CONFIG_PROTOBUF_H_
#define GRPCPP_IMPL_CODEGEN_CONFIG_PROTOBUF_H_

#include "google/protobuf/message_lite.h"

namespace grpc {
inline namespace lh_v1 {
namespace protobuf {

using MessageLite = ::google::protobuf::MessageLite;

}  // namespace protobuf
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_CODEGEN_CONFIG_PROTOBUF_H_
