// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/udp_wires.h
//
// The wires of an engine, over UDP and to others on this host through memory,
// opened by UDP or by Unix sockets, made at the request of its control
// commands, and watched by what its thread sleeps on.
//
// Not thread-safe.
#ifndef LAUBERHORN_NIC_UDP_WIRES_H_
#define LAUBERHORN_NIC_UDP_WIRES_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "nic/host_wire.h"
#include "nic/poll_set.h"
#include "nic/udp_wire.h"
#include "nic/unix_wire.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class UdpWires : public WireFactory {
 public:
  // All of them wake `poll`, which outlives this, with the same tag.
  // With `local` off they speak UDP to all, and there are no Unix sockets.
  UdpWires(PollSet& poll, std::uint64_t tag,
           UdpWire::Input input = UdpWire::kDefaultInput, bool local = false)
      : poll_(poll), tag_(tag), input_(input), local_(local) {}

  absl::StatusOr<std::unique_ptr<Wire>> Listen(
      const Address& address) override {
    return Watched(UdpWire::Bind(address, input_));
  }
  absl::StatusOr<std::unique_ptr<Wire>> Open() override {
    return Watched(UdpWire::Open(input_));
  }
  absl::StatusOr<std::unique_ptr<Wire>> ListenAtSocket(
      const SocketName& name) override {
    if (!local_) return Off();
    return WatchedSockets<Wire>(UnixWire::Listen(name));
  }
  absl::StatusOr<std::unique_ptr<SocketWire>> OpenSockets() override {
    if (!local_) return Off();
    return WatchedSockets<SocketWire>(UnixWire::Open());
  }

 private:
  static absl::Status Off() {
    return absl::FailedPreconditionError(
        "Unix sockets need memory between processes, which is switched off by "
        "LAUBERHORN_LOCAL or RuntimeOptions::local; leave that on, or use an "
        "address with a port");
  }

  template <typename As>
  absl::StatusOr<std::unique_ptr<As>> WatchedSockets(
      absl::StatusOr<std::unique_ptr<UnixWire>> wire) {
    if (!wire.ok()) return wire.status();
    absl::Status status = poll_.Add((*wire)->descriptor(), tag_);
    if (!status.ok()) return status;
    return std::unique_ptr<As>(*std::move(wire));
  }

  absl::StatusOr<std::unique_ptr<Wire>> Watched(
      absl::StatusOr<std::unique_ptr<UdpWire>> wire) {
    if (!wire.ok()) return wire.status();
    absl::Status status = poll_.Add((*wire)->descriptor(), tag_);
    if (!status.ok()) return status;
    if (!local_) return std::unique_ptr<Wire>(*std::move(wire));
    absl::StatusOr<std::unique_ptr<HostWire>> host =
        HostWire::Make(*std::move(wire));
    if (!host.ok()) return host.status();
    status = poll_.Add((*host)->links_descriptor(), tag_);
    if (!status.ok()) return status;
    return std::unique_ptr<Wire>(*std::move(host));
  }

  PollSet& poll_;
  const std::uint64_t tag_;
  const UdpWire::Input input_;
  const bool local_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_UDP_WIRES_H_
