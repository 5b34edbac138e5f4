// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/server_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {

absl::StatusOr<std::uint64_t> ServerTable::Open() {
  auto unused = std::find_if(
      servers_.begin(), servers_.end(),
      [](const Server& server) { return server.state == Server::kUnused; });
  if (unused == servers_.end()) {
    if (servers_.size() == kMaxServers) {
      return absl::ResourceExhaustedError(
          absl::StrCat("this process has ", kMaxServers,
                       " servers already; shut one down first"));
    }
    unused = servers_.emplace(unused);
  }
  unused->state = Server::kOpen;
  ++unused->generation;
  return lh_handle(unused - servers_.begin(), unused->generation);
}

ServerTable::Server* ServerTable::FindServer(std::uint64_t handle) {
  const std::uint32_t index = lh_handle_index(handle);
  if (index >= servers_.size() || servers_[index].state == Server::kUnused ||
      servers_[index].generation != lh_handle_generation(handle)) {
    return nullptr;
  }
  return &servers_[index];
}

ServerTable::Server* ServerTable::FindOpen(std::uint64_t handle) {
  Server* const server = FindServer(handle);
  const bool open = server != nullptr && server->state == Server::kOpen;
  return open ? server : nullptr;
}

absl::Status ServerTable::AddMethod(std::uint64_t server, std::uint64_t id,
                                    absl::string_view name, std::uint64_t code,
                                    std::uint64_t data, std::uint16_t index) {
  Server* const found = FindOpen(server);
  if (found == nullptr) return absl::NotFoundError("no such server");
  const MethodTarget target = {code, data, index, lh_handle_index(server)};
  const auto [method, inserted] =
      found->methods.try_emplace(id, Method{std::string(name), target});
  if (inserted) {
    method->second.target.counters = counters_.Add(id, name);
    return absl::OkStatus();
  }
  if (method->second.name == name) {
    return absl::AlreadyExistsError(absl::StrCat(name, " is there already"));
  }
  return absl::AlreadyExistsError(absl::StrCat(
      name, " and ", method->second.name, " have the same id; rename one"));
}

absl::StatusOr<Address> ServerTable::Listen(std::uint64_t server,
                                            const Address& address) {
  const absl::StatusOr<Wire*> wire =
      Add(server, [&] { return wires_.Listen(address); });
  if (!wire.ok()) return wire.status();
  return (*wire)->local();
}

absl::Status ServerTable::Listen(std::uint64_t server, const SocketName& name) {
  return Add(server, [&] { return wires_.ListenAtSocket(name); }).status();
}

template <typename Make>
absl::StatusOr<Wire*> ServerTable::Add(std::uint64_t server, Make make) {
  if (FindOpen(server) == nullptr) {
    return absl::NotFoundError("no such server");
  }
  auto unused = std::find_if(
      listeners_.begin(), listeners_.end(),
      [](const Listener& listener) { return listener.wire == nullptr; });
  if (unused == listeners_.end() && listeners_.size() == kMaxListeners) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process listens at ", kMaxListeners,
                     " addresses already; shut a server down first"));
  }
  absl::StatusOr<std::unique_ptr<Wire>> wire = make();
  if (!wire.ok()) return wire.status();
  if (unused == listeners_.end()) unused = listeners_.emplace(unused);
  unused->wire = *std::move(wire);
  unused->server = lh_handle_index(server);
  return unused->wire.get();
}

absl::Status ServerTable::Close(std::uint64_t server, std::uint32_t asker,
                                Nanos deadline) {
  Server* const found = FindServer(server);
  if (found == nullptr) return absl::NotFoundError("no such server");
  if (found->state == Server::kClosing) {
    // One whose deadline has come has none any more.
    if (deadline < found->deadline) SetDeadline(*found, deadline);
    return absl::AlreadyExistsError("the server is being closed already");
  }
  found->state = Server::kClosing;
  found->asker = asker;
  SetDeadline(*found, deadline);
  return absl::OkStatus();
}

void ServerTable::SetDeadline(Server& server, Nanos deadline) {
  server.deadline = deadline;
  next_late_ = kNever;
  for (const Server& each : servers_) {
    next_late_ = std::min(next_late_, each.deadline);
  }
}

std::uint32_t ServerTable::TakeLate(Nanos now) {
  if (now < next_late_) return kNone;
  const auto late = std::find_if(
      servers_.begin(), servers_.end(),
      [now](const Server& server) { return server.deadline <= now; });
  if (late == servers_.end()) return kNone;
  SetDeadline(*late, kNever);
  return static_cast<std::uint32_t>(late - servers_.begin());
}

bool ServerTable::TakeClosed(std::uint32_t* asker,
                             std::vector<std::uint32_t>* listeners) {
  for (std::uint32_t index = 0; index < servers_.size(); ++index) {
    Server& server = servers_[index];
    if (server.state != Server::kClosing || server.calls != 0) continue;
    *asker = server.asker;
    for (std::uint32_t number = 0; number < listeners_.size(); ++number) {
      if (listeners_[number].wire != nullptr &&
          listeners_[number].server == index) {
        listeners->push_back(number);
      }
    }
    server.state = Server::kUnused;
    server.methods.clear();
    SetDeadline(server, kNever);
    return true;
  }
  return false;
}

const ServerTable::Method* ServerTable::Find(std::uint32_t listener,
                                             std::uint64_t method,
                                             bool* closing) const {
  const Server& server = servers_[listeners_[listener].server];
  *closing = server.state != Server::kOpen;
  const auto found = server.methods.find(method);
  return found == server.methods.end() ? nullptr : &found->second;
}

}  // namespace lauberhorn::nic
