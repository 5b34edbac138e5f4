// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The life of gRPC's C library, and its version; see grpc/grpc.h.
//
// Ordering: one counter, relaxed; nothing else depends on it.
#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <string>

inline namespace lh_v1 {
namespace {

std::atomic<int> initialized{0};

}  // namespace

void grpc_init() { initialized.fetch_add(1, std::memory_order_relaxed); }
void grpc_shutdown() { initialized.fetch_sub(1, std::memory_order_relaxed); }
void grpc_shutdown_blocking() { grpc_shutdown(); }
int grpc_is_initialized() {
  return initialized.load(std::memory_order_relaxed) > 0 ? 1 : 0;
}

const char* grpc_version_string() { return GRPC_CPP_VERSION_STRING; }

}  // namespace lh_v1

namespace grpc {
inline namespace lh_v1 {

std::string Version() { return GRPC_CPP_VERSION_STRING; }

}  // namespace lh_v1
}  // namespace grpc
