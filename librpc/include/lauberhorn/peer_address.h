// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/peer_address.h
//
// Where the other end of a call is: an IP address and a port, as packets have
// it, or the Unix socket by which the two have met. It proves nothing of who
// that is.
//
//   absl::StatusOr<lauberhorn::PeerAddress> peer = call.peer();
//   if (peer.ok()) Log(peer->ToString());
//
// Thread-safety: a value. Blocking: never. Allocation: ToString(), and the name
// of a socket.
#ifndef LAUBERHORN_PEER_ADDRESS_H_
#define LAUBERHORN_PEER_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>

namespace lauberhorn {

struct PeerAddress {
  // PeerAddress::ToString()
  //
  // "ipv4:10.0.0.1:50051", "ipv6:[fe80::1%2]:50051", "unix:/run/greeter" or
  // "unix-abstract:greeter", which Client::Connect() takes.
  std::string ToString() const;

  std::array<std::uint8_t, 16> ip = {};  // IPv4 as ::ffff:a.b.c.d
  std::uint32_t scope = 0;               // of an IPv6 link, else 0
  std::uint16_t port = 0;
  // If it is not empty, there is no IP address, and this is where the server
  // listens: a path, or a zero byte and a name of the abstract namespace.
  std::string socket;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_PEER_ADDRESS_H_
