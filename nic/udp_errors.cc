// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/udp_errors.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lauberhorn::nic {
namespace {

// Room for what comes with an error: of which packet it is, what it is, and the
// address of who reported it.
struct alignas(cmsghdr) Info {
  std::uint8_t
      bytes[CMSG_SPACE(sizeof(in6_pktinfo)) +
            CMSG_SPACE(sizeof(sock_extended_err) + sizeof(sockaddr_in6))];
};

bool IsError(const cmsghdr& message) {
  return ((message.cmsg_level == IPPROTO_IP &&
           message.cmsg_type == IP_RECVERR) ||
          (message.cmsg_level == IPPROTO_IPV6 &&
           message.cmsg_type == IPV6_RECVERR)) &&
         message.cmsg_len >= CMSG_LEN(sizeof(sock_extended_err));
}

bool SaysThatNobodyListens(msghdr& header) {
  for (cmsghdr* message = CMSG_FIRSTHDR(&header); message != nullptr;
       message = CMSG_NXTHDR(&header, message)) {
    if (!IsError(*message)) continue;
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(message), sizeof(error));
    return error.ee_errno == ECONNREFUSED &&
           (error.ee_origin == SO_EE_ORIGIN_ICMP ||
            error.ee_origin == SO_EE_ORIGIN_ICMP6);
  }
  return false;
}

}  // namespace

UdpErrors::UdpErrors(int socket, int family) : socket_(socket) {
  const int on = 1;
  (void)setsockopt(socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
  if (family == AF_INET6) {
    (void)setsockopt(socket, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
  }
}

bool UdpErrors::Collect() {
  bool any = false;
  for (std::size_t i = 0; i < Wire::kBatch; ++i) {
    sockaddr_storage to = {};
    Info info;
    // The packet itself comes, too, as far as there is room for it.
    std::uint8_t byte;
    iovec part = {&byte, sizeof(byte)};
    msghdr header = {};
    header.msg_name = &to;
    header.msg_namelen = sizeof(to);
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = info.bytes;
    header.msg_controllen = sizeof(info.bytes);
    ++system_calls_;
    if (recvmsg(socket_, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    any = true;
    if (count_ < Wire::kBatch && SaysThatNobodyListens(header)) {
      collected_[count_++] = Address::FromSockaddr(to);
    }
  }
  return any;
}

absl::Span<const Address> UdpErrors::Take() {
  const std::size_t count = std::exchange(count_, 0);
  std::copy_n(collected_, count, taken_);
  return {taken_, count};
}

}  // namespace lauberhorn::nic
