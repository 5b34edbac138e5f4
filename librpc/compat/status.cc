// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Status of the gRPC-compatible API. The two codes have the same numbers.
#include <grpcpp/support/status.h>

#include <string>

namespace grpc {
inline namespace lh_v1 {

// Never destroyed, so that they are good until the end of the process.
const Status& Status::OK = *new Status();
const Status& Status::CANCELLED = *new Status(StatusCode::CANCELLED, "");

namespace internal {

Status ToStatus(const absl::Status& status) {
  if (status.ok()) return Status();
  return Status(static_cast<StatusCode>(status.code()),
                std::string(status.message()));
}

absl::StatusCode ToNativeCode(StatusCode code) {
  if (code < StatusCode::OK || code > StatusCode::UNAUTHENTICATED) {
    return absl::StatusCode::kUnknown;
  }
  return static_cast<absl::StatusCode>(code);
}

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc
