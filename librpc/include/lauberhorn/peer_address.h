// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/peer_address.h
//
// Where the other end of a call is: an IP address and a port, as packets have
// it. It proves nothing of who that is.
//
//   absl::StatusOr<lauberhorn::PeerAddress> peer = call.peer();
//   if (peer.ok()) Log(peer->ToString());
//
// Thread-safety: a value. Blocking: never. Allocation: ToString() only.
#ifndef LAUBERHORN_PEER_ADDRESS_H_
#define LAUBERHORN_PEER_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>

namespace lauberhorn {

struct PeerAddress {
  // PeerAddress::ToString()
  //
  // "ipv4:10.0.0.1:50051" or "ipv6:[fe80::1%2]:50051", which Client::Connect()
  // takes.
  std::string ToString() const;

  std::array<std::uint8_t, 16> ip = {};  // IPv4 as ::ffff:a.b.c.d
  std::uint32_t scope = 0;               // of an IPv6 link, else 0
  std::uint16_t port = 0;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_PEER_ADDRESS_H_
