// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/packet_info.h"

#include <cstring>

namespace lauberhorn::nic {
namespace {

// Where the four bytes of an IPv4 address are.
constexpr std::size_t kV4Offset = 12;

template <typename Info>
void Write(int level, int type, const Info& info, PacketInfo* to,
           msghdr* header) {
  *to = {};
  header->msg_control = to->bytes;
  header->msg_controllen = CMSG_SPACE(sizeof(info));
  cmsghdr* const message = CMSG_FIRSTHDR(header);
  message->cmsg_level = level;
  message->cmsg_type = type;
  message->cmsg_len = CMSG_LEN(sizeof(info));
  std::memcpy(CMSG_DATA(message), &info, sizeof(info));
}

}  // namespace

void WantPacketInfo(int socket, int family) {
  const int on = 1;
  if (family == AF_INET) {
    (void)setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
  } else {
    (void)setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
  }
}

void ReadPacketInfo(const msghdr& header, Address* from) {
  const cmsghdr* const message = CMSG_FIRSTHDR(&header);
  if (message == nullptr) return;
  Address::Ip ip = {};
  if (message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_PKTINFO &&
      message->cmsg_len >= CMSG_LEN(sizeof(in_pktinfo))) {
    in_pktinfo info;
    std::memcpy(&info, CMSG_DATA(message), sizeof(info));
    ip[10] = ip[11] = 0xff;
    std::memcpy(ip.data() + kV4Offset, &info.ipi_spec_dst,
                sizeof(info.ipi_spec_dst));
  } else if (message->cmsg_level == IPPROTO_IPV6 &&
             message->cmsg_type == IPV6_PKTINFO &&
             message->cmsg_len >= CMSG_LEN(sizeof(in6_pktinfo))) {
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(message), sizeof(info));
    std::memcpy(ip.data(), &info.ipi6_addr, ip.size());
  }
  from->set_local_ip(ip);
}

void WritePacketInfo(const Address& to, int family, PacketInfo* info,
                     msghdr* header) {
  if (to.local_ip() == Address::Ip{}) {
    header->msg_control = nullptr;
    header->msg_controllen = 0;
  } else if (family == AF_INET) {
    in_pktinfo v4 = {};
    std::memcpy(&v4.ipi_spec_dst, to.local_ip().data() + kV4Offset,
                sizeof(v4.ipi_spec_dst));
    Write(IPPROTO_IP, IP_PKTINFO, v4, info, header);
  } else {
    in6_pktinfo v6 = {};
    std::memcpy(&v6.ipi6_addr, to.local_ip().data(), sizeof(v6.ipi6_addr));
    Write(IPPROTO_IPV6, IPV6_PKTINFO, v6, info, header);
  }
}

}  // namespace lauberhorn::nic
