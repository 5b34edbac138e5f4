// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/server_table.h
//
// The servers of the process: their methods, their listeners, and how many of
// their calls are in work. Changed by control commands only; looked at once per
// call. Not thread-safe.
#ifndef LAUBERHORN_NIC_SERVER_TABLE_H_
#define LAUBERHORN_NIC_SERVER_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nic/address.h"
#include "nic/dispatcher.h"
#include "nic/keyed_hash.h"
#include "nic/method_counters.h"
#include "nic/time.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class ServerTable {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // At a time. The engine looks at all listeners in each turn.
  static constexpr std::uint32_t kMaxServers = 64;
  static constexpr std::uint32_t kMaxListeners = 64;

  explicit ServerTable(WireFactory& wires) : wires_(wires) {}

  // What the methods of all servers count, by their names: the same name in two
  // servers is one method. May be read by any thread.
  const MethodCounterTable& counters() const { return counters_; }

  ServerTable(const ServerTable&) = delete;
  ServerTable& operator=(const ServerTable&) = delete;

  // A new server; its handle. RESOURCE_EXHAUSTED if there are too many.
  absl::StatusOr<std::uint64_t> Open();

  absl::Status AddMethod(std::uint64_t server, std::uint64_t id,
                         absl::string_view name, std::uint64_t code,
                         std::uint64_t data, std::uint16_t index);

  // Starts to listen; returns where. RESOURCE_EXHAUSTED if the process listens
  // at too many places.
  absl::StatusOr<Address> Listen(std::uint64_t server, const Address& address);
  absl::Status Listen(std::uint64_t server, const SocketName& name);

  // No new calls. The server is gone as soon as none is in work, see
  // TakeClosed(), which gives `asker` back. `deadline` is when those that still
  // are in work are to be ended, see TakeLate(). ALREADY_EXISTS if it is being
  // closed already; then only an earlier deadline counts.
  absl::Status Close(std::uint64_t server, std::uint32_t asker, Nanos deadline);

  // The index of a server whose deadline has come, once for each; kNone if
  // there is none. NextLate() is when to ask.
  std::uint32_t TakeLate(Nanos now);
  Nanos NextLate() const { return next_late_; }

  // A server whose closing is done, if there is one: tells who asked for it and
  // appends to `listeners` the numbers that RemoveListener() is to be called
  // for.
  bool TakeClosed(std::uint32_t* asker, std::vector<std::uint32_t>* listeners);
  void RemoveListener(std::uint32_t listener) { listeners_[listener] = {}; }

  // Listeners are numbered from 0; some may be gone (null).
  std::uint32_t listener_count() const {
    return static_cast<std::uint32_t>(listeners_.size());
  }
  Wire* wire(std::uint32_t listener) const {
    return listeners_[listener].wire.get();
  }

  struct Method {
    std::string name;
    MethodTarget target;
  };

  // What a call that came over this listener is for. Null if there is no such
  // method; `closing` says whether the server takes no calls any more.
  const Method* Find(std::uint32_t listener, std::uint64_t method,
                     bool* closing) const;

  void CallStarted(std::uint32_t server) { ++servers_[server].calls; }
  // Whether the server is closed with that.
  bool CallEnded(std::uint32_t server) {
    Server& entry = servers_[server];
    return --entry.calls == 0 && entry.state == Server::kClosing;
  }

 private:
  struct Server {
    enum State { kUnused, kOpen, kClosing };
    State state = kUnused;
    std::uint32_t generation = 0;
    std::uint32_t calls = 0;
    std::uint32_t asker = 0;  // that it be closed
    Nanos deadline = kNever;  // of that
    absl::flat_hash_map<std::uint64_t, Method, HashItself> methods;
  };
  struct Listener {
    std::unique_ptr<Wire> wire;
    std::uint32_t server = kNone;
  };

  // The server of this handle, if it is there; the open one; or null.
  Server* FindServer(std::uint64_t handle);
  Server* FindOpen(std::uint64_t handle);

  void SetDeadline(Server& server, Nanos deadline);

  // Lets the server listen by the wire that `make` returns.
  template <typename Make>
  absl::StatusOr<Wire*> Add(std::uint64_t server, Make make);

  WireFactory& wires_;
  MethodCounterTable counters_;
  std::vector<Server> servers_;
  std::vector<Listener> listeners_;
  Nanos next_late_ = kNever;  // the earliest deadline
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SERVER_TABLE_H_
