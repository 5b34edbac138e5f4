// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace lauberhorn {
namespace {

// As gRPC's URIs: what a path may hold as it is, and the rest by its number.
std::string PercentEncoded(absl::string_view path) {
  std::string encoded;
  // Two slashes at its begin would mean a host.
  if (absl::StartsWith(path, "//")) {
    encoded = "%2F";
    path.remove_prefix(1);
  }
  for (const char byte : path) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(byte)) ||
        absl::StrContains("-._~!$&'()*+,;=:@/", absl::string_view(&byte, 1))) {
      encoded.push_back(byte);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", byte & 0xff);
    }
  }
  return encoded;
}

}  // namespace

std::string PeerAddress::ToString() const {
  if (!socket.empty()) {
    return socket[0] != '\0'
               ? absl::StrCat("unix:", PercentEncoded(socket))
               : absl::StrCat(
                     "unix-abstract:",
                     PercentEncoded(absl::string_view(socket).substr(1)));
  }
  in6_addr address;
  std::memcpy(&address, ip.data(), sizeof(address));
  char text[INET6_ADDRSTRLEN];
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    inet_ntop(AF_INET, ip.data() + 12, text, sizeof(text));
    return absl::StrCat("ipv4:", text, ":", port);
  }
  inet_ntop(AF_INET6, &address, text, sizeof(text));
  return scope == 0 ? absl::StrCat("ipv6:[", text, "]:", port)
                    : absl::StrCat("ipv6:[", text, "%", scope, "]:", port);
}

}  // namespace lauberhorn
