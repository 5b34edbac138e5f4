// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/address.h
//
// An IP address and port, as a value that can be compared, hashed and printed.
// IPv4 addresses are kept as ::ffff:a.b.c.d, so there is one form of each.
#ifndef LAUBERHORN_NIC_ADDRESS_H_
#define LAUBERHORN_NIC_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "abi/host/control.h"

namespace lauberhorn::nic {

class Address {
 public:
  Address() = default;

  // What a process asked for; any bytes are a valid address.
  explicit Address(const lh_address& raw) : raw_(raw) { raw_.reserved = 0; }

  // From what the kernel returned; 0.0.0.0:0 if the family is not IP.
  static Address FromSockaddr(const sockaddr_storage& from);

  // Writes the form for a socket of family AF_INET6 or AF_INET; returns its
  // size.
  socklen_t ToSockaddr(int family, sockaddr_storage* to) const;

  bool IsV4() const;
  std::uint16_t port() const { return raw_.port; }
  const lh_address& raw() const { return raw_; }

  // "10.0.0.1:50051" or "[fe80::1%2]:50051".
  std::string ToString() const;

  friend bool operator==(const Address& a, const Address& b) {
    return std::memcmp(&a.raw_, &b.raw_, sizeof(a.raw_)) == 0;
  }

  template <typename H>
  friend H AbslHashValue(H state, const Address& address) {
    return H::combine(H::combine_contiguous(std::move(state), address.raw_.ip,
                                            sizeof(address.raw_.ip)),
                      address.raw_.scope, address.raw_.port);
  }

 private:
  lh_address raw_ = {};
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ADDRESS_H_
