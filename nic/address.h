// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/address.h
//
// An IP address and port, as a value that can be compared, hashed and printed.
// IPv4 addresses are kept as ::ffff:a.b.c.d, so there is one form of each. An
// end of a Unix socket has one, too, which is no IP address, and means
// something to the wire alone that made it.
#ifndef LAUBERHORN_NIC_ADDRESS_H_
#define LAUBERHORN_NIC_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
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

  // An end of a Unix socket, whose process is of this user.
  static Address OfSocket(std::uint32_t user, std::uint32_t number);
  bool IsSocket() const { return raw_.reserved != 0; }
  std::uint32_t socket_number() const { return raw_.scope; }

  // Writes the form for a socket of family AF_INET6 or AF_INET; returns its
  // size.
  socklen_t ToSockaddr(int family, sockaddr_storage* to) const;

  bool IsV4() const;
  std::uint16_t port() const { return raw_.port; }
  const lh_address& raw() const { return raw_; }

  // Of who sent a packet: the address of this host that it was sent to, where
  // the wire knows; zeros else. An answer leaves from there. Two addresses that
  // differ in this alone are equal.
  using Ip = std::array<std::uint8_t, 16>;
  const Ip& local_ip() const { return local_ip_; }
  void set_local_ip(const Ip& ip) { local_ip_ = ip; }

  // "10.0.0.1:50051" or "[fe80::1%2]:50051".
  std::string ToString() const;

  friend bool operator==(const Address& a, const Address& b) {
    // By words: it is asked for each packet, and memcmp() would be a call.
    static_assert(sizeof(lh_address) == 24);
    return ((a.Word(0) ^ b.Word(0)) | (a.Word(1) ^ b.Word(1)) |
            (a.Word(2) ^ b.Word(2))) == 0;
  }

  template <typename H>
  friend H AbslHashValue(H state, const Address& address) {
    return H::combine(H::combine_contiguous(std::move(state), address.raw_.ip,
                                            sizeof(address.raw_.ip)),
                      address.raw_.scope, address.raw_.port);
  }

 private:
  std::uint64_t Word(std::size_t index) const {
    std::uint64_t word;
    std::memcpy(&word,
                reinterpret_cast<const char*>(&raw_) + index * sizeof(word),
                sizeof(word));
    return word;
  }

  lh_address raw_ = {};
  Ip local_ip_ = {};
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ADDRESS_H_
