// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What a client says about one call; see grpcpp/client_context.h.
#include <grpcpp/client_context.h>

#include <cstdio>
#include <cstdlib>

namespace grpc {
inline namespace lh_v1 {

void ClientContext::BeginCall() {
  if (used_) {
    std::fputs(
        "grpc::ClientContext: used for a second call; make a new one for each "
        "call\n",
        stderr);
    std::abort();
  }
  used_ = true;
}

}  // namespace lh_v1
}  // namespace grpc
