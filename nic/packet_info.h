// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/packet_info.h
//
// Which address of this host a packet came to, and from which one to answer, in
// the control messages of a UDP socket. A socket that is bound to any address
// would else answer from the one that the routes prefer, and the client would
// not know who that is. Thread-safe: pure functions.
#ifndef LAUBERHORN_NIC_PACKET_INFO_H_
#define LAUBERHORN_NIC_PACKET_INFO_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "nic/address.h"

namespace lauberhorn::nic {

// Room for the control messages of one packet, received or sent.
struct alignas(cmsghdr) PacketInfo {
  std::uint8_t bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
};

// From now on the kernel says for each packet what it came to. Where it cannot,
// answers leave from the address that it chooses.
void WantPacketInfo(int socket, int family);

// Reads what came with a packet from `from` into its local_ip().
void ReadPacketInfo(const msghdr& header, Address* from);

// Fills in the control messages for a packet to `to`, in `info`.
void WritePacketInfo(const Address& to, int family, PacketInfo* info,
                     msghdr* header);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_PACKET_INFO_H_
