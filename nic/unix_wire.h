// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/unix_wire.h
//
// A wire between processes of one host that find each other by the name of a
// Unix socket. Packets go through the memory of links (nic/local_links.h)
// alone: there is no UDP, so neither a network nor a port is needed, and who
// may connect is said by the permissions of the socket's file. A packet for
// which neither the link nor its socket has room is lost.
//
// At a server a client has one address for as long as it is connected. At a
// client a server has one for as long as it is not forgotten: a link to whoever
// listens there is opened by a packet, when there is none.
#ifndef LAUBERHORN_NIC_UNIX_WIRE_H_
#define LAUBERHORN_NIC_UNIX_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nic/local_links.h"
#include "nic/socket_listener.h"
#include "nic/socket_name.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class UnixWire final : public SocketWire {
 public:
  // Errors: those of ListenAtName(), and RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<UnixWire>> Listen(
      const SocketName& name);
  // A wire to call others by. RESOURCE_EXHAUSTED if the system refuses.
  static absl::StatusOr<std::unique_ptr<UnixWire>> Open();

  Address AddressOf(const SocketName& name) override;
  void Forget(const Address& address) override;

  absl::Span<const Datagram> Receive() override;
  bool IsQuiet() const override {
    return unreachable_.empty() && links_.AreQuiet();
  }
  void Send(const Address& to, absl::Span<const std::uint8_t> packet) override;
  void Flush() override { links_.Ring(); }
  absl::Span<const Address> Unreachable() override;
  absl::Span<const Address> Gone() override { return links_.Gone(); }
  bool TryToSleep() override { return unreachable_.empty() && links_.Sleep(); }
  void Awake() override { links_.Awake(); }
  Address local() const override { return Address::OfSocket(0, 0); }
  Checksum checksum(const Address& /*to*/) const override {
    return Checksum::kNone;
  }
  const SocketName* socket_name() const override {
    return name_ ? &*name_ : nullptr;
  }
  std::string NameOf(const Address& address) const override;
  std::string WhyUnreachable(const Address& address) const override;

  // To sleep on.
  int descriptor() const { return links_.descriptor(); }

  // How many peers are connected.
  std::size_t links() const { return links_.count(); }

 private:
  // A server that is called.
  struct Server {
    SocketName name;
    std::uint32_t users = 0;  // AddressOf() without Forget()
    int error = 0;            // of the last attempt to connect
  };

  UnixWire() : links_(LocalLinks::Way::kSocket) {}
  bool Connect(const Address& to);
  const Server* Find(const Address& address) const;

  LocalLinks links_;
  std::optional<SocketName> name_;
  SocketFile file_;              // goes before the socket does
  std::vector<Server> servers_;  // by Address::socket_number()
  std::vector<Address> unreachable_;
  std::vector<Address> told_;
  Datagram batch_[kBatch];
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_UNIX_WIRE_H_
