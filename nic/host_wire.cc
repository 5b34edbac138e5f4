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

// A system call that finds nothing costs as much as twenty looks at a link, or
// a whole call. So while links are looked at, the socket, and who knocks or
// rings, are looked at in every 32nd turn: ten microseconds. What comes there
// ends a sleep at once.
constexpr unsigned kUdpPeriod = 32;
constexpr unsigned kEventPeriod = 32;

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
  return wire;
}

absl::Span<const Datagram> HostWire::Receive() {
  links_.Release();
  if (std::exchange(look_at_events_, false) || ++since_look_ >= kEventPeriod) {
    since_look_ = 0;
    links_.LookAtEvents();
  }
  if (!std::exchange(udp_next_, false)) {
    const std::size_t count = links_.Take(absl::MakeSpan(batch_));
    udp_next_ = links_.looks() && ++since_udp_ >= kUdpPeriod;
    if (count > 0) return {batch_, count};
    if (links_.looks() && !std::exchange(udp_next_, false)) return {};
  }
  return ReceiveUdp();
}

absl::Span<const Datagram> HostWire::ReceiveUdp() {
  since_udp_ = 0;
  const absl::Span<const Datagram> came = udp_->Receive();
  udp_empty_ = came.empty();
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
  // A ring must have said that nothing is there, or what comes ends no sleep. A
  // socket is readable as long as something is in it.
  if (udp_->input() == UdpWire::Input::kRing &&
      !std::exchange(udp_empty_, false)) {
    udp_next_ = true;
    return false;
  }
  return links_.Sleep();
}

}  // namespace lauberhorn::nic
