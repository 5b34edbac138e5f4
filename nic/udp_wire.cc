// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/udp_wire.h"

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

// "Any address" of IPv6, or of either family.
bool IsAny(const lh_address& address) {
  static constexpr std::uint8_t kAny[16] = {};
  return std::memcmp(address.ip, kAny, sizeof(kAny)) == 0;
}
bool IsAnyOfEither(const Address& address) {
  static constexpr std::uint8_t kAnyV4[4] = {};
  return IsAny(address.raw()) ||
         (address.IsV4() &&
          std::memcmp(address.raw().ip + 12, kAnyV4, sizeof(kAnyV4)) == 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::Bind(const Address& address,
                                                       Input input) {
  return BindAny(address, input, /*errors=*/false);
}

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::Open(Input input) {
  return BindAny(Address(), input, /*errors=*/true);
}

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::BindAny(
    const Address& address, Input input, bool errors) {
  if (address.IsV4()) return BindFamily(address, AF_INET, input, errors);
  absl::StatusOr<std::unique_ptr<UdpWire>> wire =
      BindFamily(address, AF_INET6, input, errors);
  if (!wire.ok() && absl::IsUnavailable(wire.status()) &&
      IsAny(address.raw())) {
    // This host has no IPv6: [::] means all of what it has.
    lh_address v4 = address.raw();
    v4.ip[10] = v4.ip[11] = 0xff;
    absl::StatusOr<std::unique_ptr<UdpWire>> fallback =
        BindFamily(Address(v4), AF_INET, input, errors);
    if (fallback.ok()) return fallback;
  }
  return wire;
}

absl::StatusOr<std::unique_ptr<UdpWire>> UdpWire::BindFamily(
    const Address& address, int family, Input input, bool errors) {
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
  if (IsAnyOfEither(address)) WantPacketInfo(descriptor, family);
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
  if (input == Input::kRing) {
    absl::StatusOr<std::unique_ptr<UdpInput>> ring = MakeRingInput(descriptor);
    if (ring.ok()) {
      wire->kind_ = Input::kRing;
      wire->input_ = *std::move(ring);
      return wire;
    }
  }
  // Not with a ring: its order would end and begin without end while there is
  // something in the queue of errors.
  if (errors) wire->errors_ = std::make_unique<UdpErrors>(descriptor, family);
  wire->input_ = MakeCallInput(descriptor, wire->errors_.get());
  return wire;
}

UdpWire::UdpWire(int socket, int family) : socket_(socket), family_(family) {
  for (std::size_t at = 0; at < kBatch; ++at) {
    headers_[at] = {};
    headers_[at].msg_hdr.msg_name = &kept_[at].to;
    headers_[at].msg_hdr.msg_iov = &kept_[at].part;
    headers_[at].msg_hdr.msg_iovlen = 1;
  }
}

UdpWire::~UdpWire() {
  Flush();
  input_.reset();
  close(socket_);
}

void UdpWire::Send(const Address& to, absl::Span<const std::uint8_t> packet) {
  if (family_ == AF_INET && !to.IsV4()) return;
  if (packet.size() > LH_PACKET_MAX) return;
  if (kept_count_ == kBatch) Flush();
  Kept& kept = kept_[kept_count_];
  if (!packet.empty()) std::memcpy(kept.bytes, packet.data(), packet.size());
  kept.part = {kept.bytes, packet.size()};
  msghdr& header = headers_[kept_count_].msg_hdr;
  header.msg_namelen = to.ToSockaddr(family_, &kept.to);
  WritePacketInfo(to, family_, &kept.info, &header);
  ++kept_count_;
}

void UdpWire::SendAllKept() {
  const std::size_t count = std::exchange(kept_count_, 0);
  bool again = true;
  for (std::size_t done = 0; done < count;) {
    const std::size_t sent = SendKept(done, count - done);
    done += sent;
    if (sent > 0) {
      again = true;
    } else if (errors_ != nullptr && errors_->Collect() && again) {
      // It was the error of an earlier packet: this one is tried once more.
      again = false;
    } else {
      // A full or refusing network loses packets; the transport sends them
      // again.
      ++done;
      again = true;
    }
  }
}

std::size_t UdpWire::SendKept(std::size_t from, std::size_t count) {
  ++system_calls_;
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (count == 1) {
    return sendmsg(socket_, &headers_[from].msg_hdr, kFlags) < 0 ? 0 : 1;
  }
  // It stops before the one that the network refuses.
  const int sent =
      sendmmsg(socket_, headers_ + from, static_cast<unsigned>(count), kFlags);
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

}  // namespace lauberhorn::nic
