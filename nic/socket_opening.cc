// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Links that are opened through a socket that has a name, without UDP:
// abi/wire/local.h. The client uses its link as soon as it has knocked.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "nic/local_links.h"

namespace lauberhorn::nic {
namespace {

Descriptor Spare() {
  return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

absl::Status LocalLinks::OpenDoor(Descriptor listener) {
  spare_ = Spare();
  door_ = std::move(listener);
  return events_.Add(door_.get(), kDoorTag);
}

void LocalLinks::TurnAway() {
  spare_ = Descriptor();
  {
    const Descriptor client(
        accept4(door_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  spare_ = Spare();
}

int LocalLinks::Connect(const SocketName& name, const Address& to) {
  Descriptor socket;
  const int error = ConnectTo(name, &socket);
  if (error != 0) return error;
  const std::uint32_t index = Add(std::move(socket), kKnocked);
  if (index == kNone) return EMFILE;
  entries_[index].peer = to;
  lh_knock knock = {};
  knock.version = LH_LINK_VERSION;
  knock.size = LH_LINK_SIZE;
  if (!SendKnock(entries_[index], knock)) {
    const bool memory = entries_[index].memory != nullptr;
    Drop(index);
    return memory ? ECONNREFUSED : ENOMEM;  // it hung up
  }
  BecomeOpen(index, LocalLink::End::kClient);
  return 0;
}

void LocalLinks::Disconnect(const Address& to) {
  const std::uint32_t index = Find(to);
  if (index == kNone) return;
  // What it gave in this turn is not given back any more.
  Forget(&taken_, index);
  Drop(index);
}

bool LocalLinks::PutInSocket(const Address& to,
                             absl::Span<const std::uint8_t> packet) {
  const std::uint32_t index = Find(to);
  return index != kNone && SendMessage(entries_[index].link->socket(), packet);
}

bool LocalLinks::Hear(Entry& entry) {
  if (way_ == Way::kUdp) return entry.link->TakeBells();
  const Next next = LookForPacket(entry.link->socket());
  if (next == Next::kPacket) entry.in_socket = true;
  return next != Next::kEnd;
}

}  // namespace lauberhorn::nic
