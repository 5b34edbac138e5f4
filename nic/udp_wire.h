// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/udp_wire.h
//
// The wire over UDP sockets, one packet a system call: recvmsg and sendmsg.
#ifndef LAUBERHORN_NIC_UDP_WIRE_H_
#define LAUBERHORN_NIC_UDP_WIRE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class UdpWire final : public Wire {
 public:
  // A non-blocking socket bound to `address`. Errors as WireFactory::Listen().
  static absl::StatusOr<std::unique_ptr<UdpWire>> Bind(const Address& address);

  // A non-blocking socket on any port that reaches IPv6 and IPv4, or only IPv4
  // where this host has no IPv6.
  static absl::StatusOr<std::unique_ptr<UdpWire>> Open();

  ~UdpWire() override;
  UdpWire(const UdpWire&) = delete;
  UdpWire& operator=(const UdpWire&) = delete;

  std::size_t Receive(absl::Span<std::uint8_t> buffer, Address* from) override;
  void Send(const Address& to, absl::Span<const std::uint8_t> packet) override;
  Address local() const override { return local_; }

  // To sleep on.
  int descriptor() const { return descriptor_; }

 private:
  UdpWire(int descriptor, int family)
      : descriptor_(descriptor), family_(family) {}

  static absl::StatusOr<std::unique_ptr<UdpWire>> BindFamily(
      const Address& address, int family);

  const int descriptor_;
  const int family_;  // AF_INET or AF_INET6
  Address local_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_UDP_WIRE_H_
