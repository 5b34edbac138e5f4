// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/target.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace lauberhorn {
namespace {

constexpr absl::string_view kZero("\0", 1);

absl::Status Unparsable(absl::string_view target, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", target, "' is no address: ", why,
                   "; write host:port, for example localhost:50051"));
}

absl::Status Unusable(absl::string_view target, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", target, "' names no socket: ", why));
}

int HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// "%41" is "A"; what is no such code stays as it is.
std::string PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text.size() > 2 && text[0] == '%' && HexDigit(text[1]) >= 0 &&
        HexDigit(text[2]) >= 0) {
      decoded.push_back(
          static_cast<char>(16 * HexDigit(text[1]) + HexDigit(text[2])));
      text.remove_prefix(2);
    } else {
      decoded.push_back(text[0]);
    }
  }
  return decoded;
}

// `rest` is what follows the scheme.
absl::StatusOr<TargetParts> ParseSocket(absl::string_view target,
                                        absl::string_view rest,
                                        bool is_abstract) {
  if (absl::ConsumePrefix(&rest, "//") &&
      (is_abstract || !absl::StartsWith(rest, "/"))) {
    return Unusable(target,
                    "it has no host; write unix:path, "
                    "unix:///absolute/path or unix-abstract:name");
  }
  if (rest.find_first_of("?#") != absl::string_view::npos) {
    return Unusable(target, "'?' and '#' are written %3F and %23");
  }
  TargetParts parts;
  parts.socket = PercentDecoded(rest);
  if (parts.socket.empty()) return Unusable(target, "the name is empty");
  if (!is_abstract && absl::StrContains(parts.socket, kZero)) {
    return Unusable(target, "a zero byte in the path");
  }
  if (is_abstract) parts.socket.insert(0, 1, '\0');
  if (parts.socket.size() > LH_SOCKET_NAME_MAX) {
    return Unusable(
        target, absl::StrCat("it has ", parts.socket.size() - is_abstract,
                             " bytes, and ", LH_SOCKET_NAME_MAX - is_abstract,
                             " are the most that the system takes; use a "
                             "shorter one"));
  }
  return parts;
}

lh_address FromV4(const sockaddr* address) {
  sockaddr_in v4;
  std::memcpy(&v4, address, sizeof(v4));
  lh_address result = {};
  result.ip[10] = result.ip[11] = 0xff;
  std::memcpy(result.ip + 12, &v4.sin_addr, 4);
  return result;
}

lh_address FromV6(const sockaddr* address) {
  sockaddr_in6 v6;
  std::memcpy(&v6, address, sizeof(v6));
  lh_address result = {};
  std::memcpy(result.ip, &v6.sin6_addr, sizeof(result.ip));
  result.scope = v6.sin6_scope_id;
  return result;
}

}  // namespace

absl::StatusOr<TargetParts> ParseTarget(absl::string_view target,
                                        TargetUse use) {
  absl::string_view rest = target;
  int family = AF_UNSPEC;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    return ParseSocket(target, rest, /*is_abstract=*/false);
  }
  if (absl::ConsumePrefix(&rest, "unix-abstract:")) {
    return ParseSocket(target, rest, /*is_abstract=*/true);
  }
  if (absl::ConsumePrefix(&rest, "ipv4:")) {
    family = AF_INET;
  } else if (absl::ConsumePrefix(&rest, "ipv6:")) {
    family = AF_INET6;
  } else if (absl::ConsumePrefix(&rest, "dns:")) {
    absl::ConsumePrefix(&rest, "///");
  } else if (absl::StrContains(rest, "://")) {
    return Unparsable(
        target, "only dns:, ipv4:, ipv6:, unix: and unix-abstract: are known");
  }

  const std::size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return Unparsable(target, "no port");
  absl::string_view host = rest.substr(0, colon);
  const absl::string_view port_text = rest.substr(colon + 1);
  std::uint32_t port = 0;
  if (!absl::SimpleAtoi(port_text, &port) || port > 65535) {
    return Unparsable(target, "the port is no number from 0 to 65535");
  }
  if (port == 0 && use == TargetUse::kConnect) {
    return Unparsable(target, "port 0 cannot be called");
  }
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) {
      return Unparsable(target, "'[' without ']'");
    }
  } else if (absl::StrContains(host, ":")) {
    return Unparsable(target, "an IPv6 address needs brackets");
  }
  if (host.empty()) return Unparsable(target, "no host");
  // The resolver would take it for the end of the name.
  if (absl::StrContains(host, kZero)) {
    return Unparsable(target, "a zero byte in it");
  }
  return TargetParts{.socket = {},
                     .host = std::string(host),
                     .port = static_cast<std::uint16_t>(port),
                     .family = family};
}

absl::StatusOr<ServerAddress> ResolveTarget(absl::string_view target,
                                            TargetUse use) {
  const absl::StatusOr<TargetParts> parts = ParseTarget(target, use);
  if (!parts.ok()) return parts.status();
  if (!parts->socket.empty()) return ServerAddress{{}, parts->socket};
  const std::string& name = parts->host;
  const int family = parts->family;

  addrinfo hints = {};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = use == TargetUse::kListen ? AI_PASSIVE : 0;
  if (family != AF_UNSPEC) hints.ai_flags |= AI_NUMERICHOST;
  addrinfo* raw = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &raw);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot resolve '", name, "': ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(raw, freeaddrinfo);
  const addrinfo* best = nullptr;
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    if (best == nullptr ||
        (best->ai_family == AF_INET6 && at->ai_family == AF_INET)) {
      best = at;
    }
  }
  if (best == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("'", name, "' has no IP address"));
  }
  lh_address address = best->ai_family == AF_INET ? FromV4(best->ai_addr)
                                                  : FromV6(best->ai_addr);
  address.port = parts->port;
  if (use == TargetUse::kConnect) {
    // "Any address" is this host; its answers come from the loopback one.
    static constexpr std::uint8_t kAny[16] = {};
    static constexpr std::uint8_t kAnyV4[16] = {0, 0, 0,    0,    0, 0, 0, 0,
                                                0, 0, 0xff, 0xff, 0, 0, 0, 0};
    if (std::memcmp(address.ip, kAny, sizeof(kAny)) == 0) address.ip[15] = 1;
    if (std::memcmp(address.ip, kAnyV4, sizeof(kAnyV4)) == 0) {
      address.ip[12] = 127;
      address.ip[15] = 1;
    }
  }
  return ServerAddress{address, {}};
}

PeerAddress ToPeerAddress(const ServerAddress& address) {
  PeerAddress peer;
  std::memcpy(peer.ip.data(), address.ip.ip, sizeof(address.ip.ip));
  peer.scope = address.ip.scope;
  peer.port = address.ip.port;
  peer.socket = address.socket;
  return peer;
}

}  // namespace lauberhorn
