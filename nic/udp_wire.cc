// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/udp_wire.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {
namespace {

// How much the kernel may hold for us while the engine's thread does not run.
constexpr int kSocketBuffer = 4 << 20;

absl::Status SocketError(absl::string_view what, const Address& address,
                         int error) {
  const std::string text =
      absl::StrCat(what, " ", address.ToString(), ": ", std::strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return absl::UnavailableError(text);
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

bool IsAny(const lh_address& address) {
  static constexpr std::uint8_t kAny[16] = {};
  return std::memcmp(address.ip, kAny, sizeof(kAny)) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::Bind(const Address& address) {
  if (address.IsV4()) return BindFamily(address, AF_INET);
  absl::StatusOr<std::unique_ptr<UdpWire>> wire = BindFamily(address, AF_INET6);
  if (!wire.ok() && absl::IsUnavailable(wire.status()) &&
      IsAny(address.raw())) {
    // This host has no IPv6: [::] means all of what it has.
    lh_address v4 = address.raw();
    v4.ip[10] = v4.ip[11] = 0xff;
    absl::StatusOr<std::unique_ptr<UdpWire>> fallback =
        BindFamily(Address(v4), AF_INET);
    if (fallback.ok()) return fallback;
  }
  return wire;
}

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::Open() {
  return Bind(Address());
}

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::BindFamily(
    const Address& address, int family) {
  const int descriptor =
      socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (descriptor < 0) {
    return SocketError("cannot open a UDP socket for", address, errno);
  }
  auto wire = absl::WrapUnique(new UdpWire(descriptor, family));
  if (family == AF_INET6) {
    // [::] reaches IPv4 too. Where it cannot, IPv6 alone is what is left.
    const int off = 0;
    (void)setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  // As much as the system allows; less only means more loss under bursts.
  (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer,
                   sizeof(kSocketBuffer));
  (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &kSocketBuffer,
                   sizeof(kSocketBuffer));
  sockaddr_storage storage;
  socklen_t size = address.ToSockaddr(family, &storage);
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&storage), size) !=
      0) {
    return SocketError("cannot listen on", address, errno);
  }
  size = sizeof(storage);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) !=
      0) {
    return SocketError("cannot read the name of the socket for", address,
                       errno);
  }
  wire->local_ = Address::FromSockaddr(storage);
  return wire;
}

UdpWire::~UdpWire() { close(descriptor_); }

std::size_t UdpWire::Receive(absl::Span<std::uint8_t> buffer, Address* from) {
  sockaddr_storage storage;
  iovec part = {buffer.data(), buffer.size()};
  msghdr message = {};
  message.msg_name = &storage;
  message.msg_namelen = sizeof(storage);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t size;
  do {
    // An error of an earlier send (say, a port that nobody listens on) is
    // reported here once and means nothing for what comes next.
    size = recvmsg(descriptor_, &message, MSG_DONTWAIT);
  } while (size < 0 && (errno == EINTR || errno == ECONNREFUSED ||
                        errno == EHOSTUNREACH || errno == ENETUNREACH));
  if (size <= 0) return 0;
  *from = Address::FromSockaddr(storage);
  return static_cast<std::size_t>(size);
}

void UdpWire::Send(const Address& to, absl::Span<const std::uint8_t> packet) {
  if (family_ == AF_INET && !to.IsV4()) return;
  sockaddr_storage storage;
  iovec part = {const_cast<std::uint8_t*>(packet.data()), packet.size()};
  msghdr message = {};
  message.msg_name = &storage;
  message.msg_namelen = to.ToSockaddr(family_, &storage);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  // A full or refusing network loses packets; the transport sends them again.
  (void)sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace lauberhorn::nic
