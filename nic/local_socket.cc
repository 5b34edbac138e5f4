// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/local_socket.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {
namespace {

constexpr int kKind = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr int kBacklog = 64;
// One that has more shows.
constexpr std::size_t kRoomForDescriptors = kMostDescriptors + 1;
// Bells of one look: a peer that never stops ringing is not waited for.
constexpr int kMaxBells = 64;

SocketName NameOf(const DoorName& name) {
  return *SocketName::From(absl::StrCat(
      absl::string_view("\0", 1), LH_DOOR_PREFIX,
      absl::BytesToHexString(
          {reinterpret_cast<const char*>(name.data()), name.size()})));
}

// A new socket, and what bind() or connect() says of it.
int MakeSocket(const SocketName& name,
               int (*use)(int, const sockaddr*, socklen_t),
               Descriptor* result) {
  Descriptor made(socket(AF_UNIX, kKind, 0));
  sockaddr_un address;
  const socklen_t size = name.ToSockaddr(&address);
  if (!made.ok() ||
      use(made.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return errno;
  }
  *result = std::move(made);
  return 0;
}

// Whether a call is to be made once more.
bool Interrupted(ssize_t result) { return result < 0 && errno == EINTR; }

// Those of a message.
std::vector<Descriptor> TakeDescriptors(const msghdr& header) {
  std::vector<Descriptor> taken;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(const_cast<msghdr*>(&header), control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t size = control->cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
      int number;
      std::memcpy(&number, CMSG_DATA(control) + at, sizeof(number));
      taken.emplace_back(number);
    }
  }
  return taken;
}

}  // namespace

int ListenAt(const SocketName& name, Descriptor* socket) {
  Descriptor bound;
  const int error = MakeSocket(name, &bind, &bound);
  if (error != 0) return error;
  if (listen(bound.get(), kBacklog) != 0) return errno;
  *socket = std::move(bound);
  return 0;
}

int ConnectTo(const SocketName& name, Descriptor* socket) {
  return MakeSocket(name, &connect, socket);
}

Descriptor ListenAtDoor(const DoorName& name) {
  Descriptor door;
  (void)ListenAt(NameOf(name), &door);
  return door;
}

Descriptor ConnectToDoor(const DoorName& name) {
  Descriptor door;
  (void)ConnectTo(NameOf(name), &door);
  return door;
}

std::optional<LocalPeer> PeerOf(int socket) {
  ucred peer;
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return std::nullopt;
  }
  LocalPeer result{peer.uid, Descriptor()};
#ifdef SYS_pidfd_open
  // 0: of another namespace. Its end then shows by the socket alone.
  if (peer.pid > 0) {
    result.process =
        Descriptor(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  }
#endif
  return result;
}

bool SendMessage(int socket, absl::Span<const std::uint8_t> message,
                 absl::Span<const int> descriptors) {
  iovec part = {const_cast<std::uint8_t*>(message.data()), message.size()};
  alignas(cmsghdr)
      std::uint8_t room[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const std::size_t size = descriptors.size() * sizeof(int);
    header.msg_control = room;
    header.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(control), descriptors.data(), size);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (Interrupted(sent));
  return sent == static_cast<ssize_t>(message.size());
}

Received ReceiveMessage(int socket, absl::Span<std::uint8_t> message,
                        std::vector<Descriptor>* descriptors) {
  iovec part = {message.data(), message.size()};
  alignas(cmsghdr)
      std::uint8_t room[CMSG_SPACE(kRoomForDescriptors * sizeof(int))];
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = room;
  header.msg_controllen = sizeof(room);
  ssize_t got;
  do {
    got = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (Interrupted(got));
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return Received::kNothing;
  }
  if (got < 0) return Received::kBroken;
  std::vector<Descriptor> taken = TakeDescriptors(header);
  if (got != static_cast<ssize_t>(message.size()) ||
      (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
      taken.size() > (descriptors == nullptr ? 0 : kMostDescriptors)) {
    return Received::kBroken;
  }
  if (descriptors != nullptr) *descriptors = std::move(taken);
  return Received::kMessage;
}

Next LookForPacket(int socket) {
  for (int bells = 0; bells < kMaxBells; ++bells) {
    std::uint8_t bell;
    const ssize_t size =
        recv(socket, &bell, 1, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
    if (Interrupted(size)) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return Next::kNothing;
    }
    if (size <= 0) return Next::kEnd;
    if (size > 1) return Next::kPacket;
    (void)recv(socket, &bell, 1, MSG_DONTWAIT);
  }
  return Next::kNothing;  // for now
}

std::size_t TakePacket(int socket, std::uint8_t* room) {
  for (int bells = 0; bells < kMaxBells; ++bells) {
    const ssize_t size =
        recv(socket, room, LH_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (size == 1 || Interrupted(size)) continue;
    // One that is too long is lost.
    return size <= 0 || size > LH_PACKET_MAX ? 0
                                             : static_cast<std::size_t>(size);
  }
  return 0;
}

bool TakeBells(int socket) {
  std::uint8_t bell;
  for (int bells = 0; bells < kMaxBells; ++bells) {
    switch (ReceiveMessage(socket, absl::MakeSpan(&bell, 1))) {
      case Received::kMessage:
        continue;
      case Received::kNothing:
        return true;
      case Received::kBroken:
        return false;
    }
  }
  return true;  // for now
}

}  // namespace lauberhorn::nic
