// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace lauberhorn {

std::string PeerAddress::ToString() const {
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
