// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// One line on stderr; see listening_notice.h.
#include "librpc/compat/listening_notice.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/string_view.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
namespace {

bool IsSilenced() {
  const char* log = std::getenv("LAUBERHORN_LOG");
  return log != nullptr && absl::string_view(log) == "off";
}

}  // namespace

void NoticeListening(const std::string& address, int port) {
  static std::atomic<bool> noticed{false};
  if (IsSilenced() || noticed.exchange(true, std::memory_order_relaxed)) return;
  std::fprintf(stderr,
               "lauberhorn: listening at '%s', port %d, for clients built with "
               "this library; gRPC's own clients (HTTP/2) cannot reach it. "
               "LAUBERHORN_LOG=off silences this line.\n",
               address.c_str(), port);
}

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc
