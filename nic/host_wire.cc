// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/host_wire.h"

#include <cstring>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "nic/packet.h"

namespace lauberhorn::nic {
namespace {

std::uint8_t TypeOf(absl::Span<const std::uint8_t> packet) {
  return packet.size() < sizeof(lh_packet) ? 0
                                           : packet[offsetof(lh_packet, type)];
}

bool IsDoorPacket(const Datagram& datagram) {
  const std::uint8_t type = TypeOf(datagram.bytes);
  return type == LH_PACKET_LOCAL || type == LH_PACKET_DOOR;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HostWire>> HostWire::Make(
    std::unique_ptr<UdpWire> udp) {
  auto wire = absl::WrapUnique(new HostWire(std::move(udp)));
  const absl::Status status = wire->links_.Open();
  if (!status.ok()) return status;
  wire->links_.Watch(wire->udp_->descriptor());
  return wire;
}

absl::Span<const Datagram> HostWire::Receive() {
  links_.Release();
  if (std::exchange(udp_next_, false)) return ReceiveUdp();
  const std::size_t count = links_.Receive(absl::MakeSpan(batch_));
  // While links are looked at, the socket is only if there may be something.
  const bool udp = links_.OtherIsReady() || udp_came_ || !links_.looks();
  if (count > 0) {
    udp_next_ = udp;
    return {batch_, count};
  }
  if (!udp) return {};
  return ReceiveUdp();
}

absl::Span<const Datagram> HostWire::ReceiveUdp() {
  const absl::Span<const Datagram> came = udp_->Receive();
  udp_empty_ = came.empty();
  udp_came_ = !came.empty();
  std::size_t first = 0;
  while (first < came.size() && !IsDoorPacket(came[first])) ++first;
  if (first == came.size()) return came;
  // What is about doors is for nobody else.
  std::size_t count = 0;
  for (const Datagram& datagram : came) {
    if (!TakeDoorPacket(datagram)) batch_[count++] = datagram;
  }
  return {batch_, count};
}

bool HostWire::TakeDoorPacket(const Datagram& datagram) {
  if (!IsDoorPacket(datagram)) return false;
  const std::optional<Packet> packet = ParsePacket(datagram.bytes);
  if (!packet) return false;  // to be counted as malformed
  if (packet->header.type == LH_PACKET_DOOR) {
    links_.OnDoor(*packet, datagram.from);
  } else if (const auto answer = links_.OnAsk(*packet, datagram.from)) {
    SendDoor(datagram.from, *answer);
    udp_->Flush();
  }
  return true;
}

void HostWire::SendDoor(const Address& to,
                        const LocalLinks::DoorMessage& message) {
  OutgoingPacket packet;
  packet.header.type = message.type;
  packet.header.ack_bits = message.number;
  udp_->Send(
      to, packet.Seal({.payload = absl::MakeConstSpan(
                           reinterpret_cast<const std::uint8_t*>(&message.door),
                           sizeof(message.door))}));
}

void HostWire::Send(const Address& to, absl::Span<const std::uint8_t> packet) {
  if (links_.Put(to, packet)) return;
  if (links_.Has(to)) {
    // No room; and it has no checksum yet.
    std::uint8_t copy[LH_PACKET_MAX];
    if (packet.size() < sizeof(lh_packet) || packet.size() > sizeof(copy)) {
      return;
    }
    std::memcpy(copy, packet.data(), packet.size());
    AddChecksum(absl::MakeSpan(copy, packet.size()));
    return udp_->Send(to, absl::MakeConstSpan(copy, packet.size()));
  }
  if (TypeOf(packet) == LH_PACKET_HELLO) {
    if (const auto question = links_.Ask(to)) SendDoor(to, *question);
  }
  udp_->Send(to, packet);
}

void HostWire::Flush() {
  links_.Ring();
  udp_->Flush();
}

bool HostWire::TryToSleep() {
  if (!links_.Sleep()) return false;
  // A ring must have said that nothing is there, or what comes ends no sleep. A
  // socket is readable as long as something is in it.
  if (udp_->input() == UdpWire::Input::kRing &&
      !std::exchange(udp_empty_, false)) {
    udp_next_ = true;
    return false;
  }
  return true;
}

}  // namespace lauberhorn::nic
