// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/address.h"

#include <arpa/inet.h>

#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {
namespace {

constexpr std::uint8_t kV4Prefix[12] = {0, 0, 0, 0, 0,    0,
                                        0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool Address::IsV4() const {
  return std::memcmp(raw_.ip, kV4Prefix, sizeof(kV4Prefix)) == 0;
}

Address Address::FromSockaddr(const sockaddr_storage& from) {
  Address address;
  if (from.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof(v4));
    std::memcpy(address.raw_.ip, kV4Prefix, sizeof(kV4Prefix));
    std::memcpy(address.raw_.ip + sizeof(kV4Prefix), &v4.sin_addr, 4);
    address.raw_.port = ntohs(v4.sin_port);
  } else if (from.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &from, sizeof(v6));
    std::memcpy(address.raw_.ip, &v6.sin6_addr, sizeof(address.raw_.ip));
    address.raw_.scope = v6.sin6_scope_id;
    address.raw_.port = ntohs(v6.sin6_port);
  }
  return address;
}

Address Address::OfSocket(std::uint32_t user, std::uint32_t number) {
  Address address;
  // One origin (nic/origins.h) for each user, and that of no IP address.
  address.raw_.ip[0] = 0xff;
  std::memcpy(address.raw_.ip + 4, &user, sizeof(user));
  address.raw_.scope = number;
  address.raw_.reserved = 1;
  return address;
}

socklen_t Address::ToSockaddr(int family, sockaddr_storage* to) const {
  std::memset(to, 0, sizeof(*to));
  if (family == AF_INET) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(raw_.port);
    std::memcpy(&v4.sin_addr, raw_.ip + sizeof(kV4Prefix), 4);
    std::memcpy(to, &v4, sizeof(v4));
    return sizeof(v4);
  }
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(raw_.port);
  v6.sin6_scope_id = raw_.scope;
  std::memcpy(&v6.sin6_addr, raw_.ip, sizeof(raw_.ip));
  std::memcpy(to, &v6, sizeof(v6));
  return sizeof(v6);
}

std::string Address::ToString() const {
  if (IsSocket()) return absl::StrCat("socket ", raw_.scope);
  char text[INET6_ADDRSTRLEN];
  if (IsV4()) {
    inet_ntop(AF_INET, raw_.ip + sizeof(kV4Prefix), text, sizeof(text));
    return absl::StrCat(text, ":", raw_.port);
  }
  inet_ntop(AF_INET6, raw_.ip, text, sizeof(text));
  const std::string scope =
      raw_.scope == 0 ? "" : absl::StrCat("%", raw_.scope);
  return absl::StrCat("[", text, scope, "]:", raw_.port);
}

}  // namespace lauberhorn::nic
