// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/grpcpp.h
//
// The gRPC-compatible API: blocking unary calls, with the names and headers of
// gRPC C++ 1.51. What does not work yet (streams, completion queues,
// callbacks, secure credentials) is not declared, so that it fails to compile
// rather than to work.
//
//   #include <grpcpp/grpcpp.h>
//
//   auto channel = grpc::CreateChannel("localhost:50051",
//                                      grpc::InsecureChannelCredentials());
//
// All names live in an inline namespace, so that a process can also link gRPC's
// own library: in other source files.
//
// Thread-safety, blocking, ownership: see the headers below.
#ifndef GRPCPP_GRPCPP_H_
#define GRPCPP_GRPCPP_H_

// Programs get these from gRPC's header without including them.
#include <unistd.h>

#include <cassert>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "grpc/grpc.h"
#include "grpc/support/log.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "grpcpp/version_info.h"

namespace grpc {
inline namespace lh_v1 {

// Version()
//
// That of gRPC whose API this is.
std::string Version();

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_GRPCPP_H_
