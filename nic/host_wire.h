// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/host_wire.h
//
// A wire that reaches peers on this host through memory, and all others by UDP.
// Its addresses are those of its UDP socket, whichever way packets take;
// whoever uses it cannot tell but by the time that they take, and by Gone().
//
// A client's wire asks for a link when it opens a session with an address of
// this host; until there is one, and when it has no room, packets go by UDP.
#ifndef LAUBERHORN_NIC_HOST_WIRE_H_
#define LAUBERHORN_NIC_HOST_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nic/local_links.h"
#include "nic/udp_wire.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class HostWire final : public Wire {
 public:
  // RESOURCE_EXHAUSTED if the system refuses.
  static absl::StatusOr<std::unique_ptr<HostWire>> Make(
      std::unique_ptr<UdpWire> udp);

  absl::Span<const Datagram> Receive() override;
  bool IsQuiet() const override { return !udp_next_ && links_.AreQuiet(); }
  void Send(const Address& to, absl::Span<const std::uint8_t> packet) override;
  void Flush() override;
  absl::Span<const Address> Unreachable() override {
    return udp_->Unreachable();
  }
  absl::Span<const Address> Gone() override { return links_.Gone(); }
  bool TryToSleep() override;
  void Awake() override { links_.Awake(); }
  Address local() const override { return udp_->local(); }
  Checksum checksum(const Address& to) const override {
    return links_.Has(to) ? Checksum::kNone : Checksum::kCrc32c;
  }

  // To sleep on, beside that of the UDP socket: readable when somebody knocks
  // or rings; and, once there was a link, when that is.
  int links_descriptor() const { return links_.descriptor(); }

  // How many peers are reached through memory.
  std::size_t links() const { return links_.count(); }

 private:
  explicit HostWire(std::unique_ptr<UdpWire> udp) : udp_(std::move(udp)) {}

  absl::Span<const Datagram> ReceiveUdp();
  bool TakeDoorPacket(const Datagram& datagram);
  void SendDoor(const Address& to, const LocalLinks::DoorMessage& message);

  const std::unique_ptr<UdpWire> udp_;
  LocalLinks links_;
  bool udp_next_ = false;   // the next turn is for it alone
  bool udp_came_ = false;   // something, when it was looked at last
  bool udp_empty_ = false;  // when it was looked at last, since TryToSleep()
  Datagram batch_[kBatch];
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_HOST_WIRE_H_
