// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/target.h
//
// Names of servers, as users write them, to addresses.
#ifndef LAUBERHORN_LIBRPC_TARGET_H_
#define LAUBERHORN_LIBRPC_TARGET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "librpc/server_address.h"

namespace lauberhorn {

// Whether the address is to be called or to be listened on.
enum class TargetUse { kConnect, kListen };

// What a target says, before any name is looked up.
struct TargetParts {
  std::string socket;  // if it is one, the name, as ServerAddress has it; else:
  std::string host;    // not empty, without brackets
  std::uint16_t port = 0;
  int family = 0;  // AF_INET or AF_INET6 if it must be such an address, else 0
};

// The parts of what ResolveTarget() understands, or its INVALID_ARGUMENT. Does
// not block.
absl::StatusOr<TargetParts> ParseTarget(absl::string_view target,
                                        TargetUse use);

// "host:port", "[v6]:port", with "dns:", "dns:///", "ipv4:" or "ipv6:" before
// it; or "unix:path", "unix:///path", "unix-abstract:name", in which "%2F" is
// the byte of that number. A name with several addresses means its first IPv4
// one, else its first. May block in the resolver. INVALID_ARGUMENT if it cannot
// be parsed, UNAVAILABLE if the name cannot be resolved.
absl::StatusOr<ServerAddress> ResolveTarget(absl::string_view target,
                                            TargetUse use);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_TARGET_H_
