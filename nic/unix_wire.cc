// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/unix_wire.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {

absl::StatusOr<std::unique_ptr<UnixWire>> UnixWire::Open() {
  auto wire = absl::WrapUnique(new UnixWire);
  const absl::Status status = wire->links_.Open();
  if (!status.ok()) return status;
  return wire;
}

absl::StatusOr<std::unique_ptr<UnixWire>> UnixWire::Listen(
    const SocketName& name) {
  absl::StatusOr<std::unique_ptr<UnixWire>> wire = Open();
  if (!wire.ok()) return wire;
  absl::StatusOr<SocketListener> listener = ListenAtName(name);
  if (!listener.ok()) return listener.status();
  (*wire)->name_ = name;
  (*wire)->file_ = std::move(listener->file);
  const absl::Status status =
      (*wire)->links_.OpenDoor(std::move(listener->socket));
  if (!status.ok()) return status;
  return wire;
}

Address UnixWire::AddressOf(const SocketName& name) {
  auto server =
      std::find_if(servers_.begin(), servers_.end(), [&](const Server& other) {
        return other.users > 0 && other.name == name;
      });
  if (server == servers_.end()) {
    server = std::find_if(servers_.begin(), servers_.end(),
                          [](const Server& other) { return other.users == 0; });
    if (server == servers_.end()) {
      server = servers_.insert(server, Server{name});
    } else {
      *server = Server{name};
    }
  }
  ++server->users;
  return Address::OfSocket(
      0, static_cast<std::uint32_t>(server - servers_.begin()));
}

void UnixWire::Forget(const Address& address) {
  if (--servers_[address.socket_number()].users == 0) {
    links_.Disconnect(address);
  }
}

const UnixWire::Server* UnixWire::Find(const Address& address) const {
  // At a server there are none.
  const std::uint32_t number = address.socket_number();
  return number < servers_.size() && servers_[number].users > 0
             ? &servers_[number]
             : nullptr;
}

absl::Span<const Datagram> UnixWire::Receive() {
  return {batch_, links_.Receive(absl::MakeSpan(batch_))};
}

void UnixWire::Send(const Address& to, absl::Span<const std::uint8_t> packet) {
  if (links_.Put(to, packet)) return;
  if (links_.Has(to)) {
    (void)links_.PutInSocket(to, packet);
  } else if (Connect(to)) {
    (void)links_.Put(to, packet);
  }
}

bool UnixWire::Connect(const Address& to) {
  if (Find(to) == nullptr) return false;
  Server& server = servers_[to.socket_number()];
  server.error = links_.Connect(server.name, to);
  if (server.error == 0) return true;
  // Whose door is crowded is there.
  if (server.error != EAGAIN && unreachable_.size() < kBatch) {
    unreachable_.push_back(to);
  }
  return false;
}

absl::Span<const Address> UnixWire::Unreachable() {
  if (unreachable_.empty()) return {};
  told_.swap(unreachable_);
  unreachable_.clear();
  return told_;
}

std::string UnixWire::NameOf(const Address& address) const {
  const Server* const server = Find(address);
  return server == nullptr ? address.ToString() : server->name.ToString();
}

std::string UnixWire::WhyUnreachable(const Address& address) const {
  const Server* const server = Find(address);
  if (server == nullptr || server->error == 0) {
    return Wire::WhyUnreachable(address);
  }
  return absl::StrCat("cannot connect to ", server->name.ToString(), ": ",
                      std::strerror(server->error));
}

}  // namespace lauberhorn::nic
