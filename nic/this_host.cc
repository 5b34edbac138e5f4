// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/this_host.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "nic/descriptor.h"

namespace lauberhorn::nic {
namespace {

bool IsLoopback(const Address& address) {
  in6_addr ip;
  std::memcpy(&ip, address.raw().ip, sizeof(ip));
  return address.IsV4() ? ip.s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(&ip);
}

// A socket may be bound to it, but it is nobody's alone.
bool IsOfMany(const Address& address) {
  static constexpr std::uint8_t kAny[16] = {};
  const std::uint8_t* const ip = address.raw().ip;
  if (address.IsV4()) {
    const bool multicast = ip[12] >= 224;
    return multicast || std::memcmp(ip + 12, kAny, 4) == 0;
  }
  return ip[0] == 0xff || std::memcmp(ip, kAny, sizeof(kAny)) == 0;
}

}  // namespace

bool IsOfThisHost(const Address& address) {
  if (IsLoopback(address)) return true;
  if (IsOfMany(address)) return false;
  // The kernel lets nobody bind to what is another host's.
  const int family = address.IsV4() ? AF_INET : AF_INET6;
  const Descriptor probe(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  lh_address raw = address.raw();
  raw.port = 0;
  sockaddr_storage name;
  const socklen_t size = Address(raw).ToSockaddr(family, &name);
  return probe.ok() &&
         bind(probe.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0;
}

}  // namespace lauberhorn::nic
