// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Any text as a target. What parses has a host that can be looked up and a port
// that can be called, or is a name that a socket can have; written again in
// full, it parses to the same.

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "librpc/target.h"

namespace lauberhorn {
namespace {

std::string InFull(const TargetParts& parts) {
  if (!parts.socket.empty()) {
    PeerAddress peer;
    peer.socket = parts.socket;
    return peer.ToString();
  }
  const char* const scheme = parts.family == AF_INET    ? "ipv4:"
                             : parts.family == AF_INET6 ? "ipv6:"
                                                        : "dns:///";
  return absl::StrCat(scheme, "[", parts.host, "]:", parts.port);
}

void Check(absl::string_view target, TargetUse use) {
  const absl::StatusOr<TargetParts> parts = ParseTarget(target, use);
  if (!parts.ok()) {
    if (!absl::StrContains(parts.status().message(), target)) std::abort();
    return;
  }
  const bool is_abstract = !parts->socket.empty() && parts->socket[0] == '\0';
  if (parts->socket.size() > LH_SOCKET_NAME_MAX ||
      (is_abstract ? parts->socket.size() == 1
                   : parts->socket.find('\0') != std::string::npos)) {
    std::abort();
  }
  if (!parts->socket.empty()) {
    const absl::StatusOr<TargetParts> again = ParseTarget(InFull(*parts), use);
    if (!again.ok() || again->socket != parts->socket) std::abort();
    return;
  }
  if (parts->host.empty() || parts->host.find('\0') != std::string::npos ||
      (parts->port == 0 && use == TargetUse::kConnect)) {
    std::abort();
  }
  const absl::StatusOr<TargetParts> again = ParseTarget(InFull(*parts), use);
  if (!again.ok() || again->host != parts->host || again->port != parts->port ||
      again->family != parts->family) {
    std::abort();
  }
}

}  // namespace
}  // namespace lauberhorn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const absl::string_view target(reinterpret_cast<const char*>(data), size);
  lauberhorn::Check(target, lauberhorn::TargetUse::kConnect);
  lauberhorn::Check(target, lauberhorn::TargetUse::kListen);
  return 0;
}
