// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// How ClientTransport tells a server that a call was given up: until there is
// an answer, so that no handler works for nobody because one packet was lost.

#include <algorithm>

#include "nic/backoff.h"
#include "nic/client_transport.h"

namespace lauberhorn::nic {

void ClientTransport::GiveUp(std::uint32_t call, Nanos now) {
  const std::uint32_t index = calls_[call].peer;
  const std::uint16_t number = calls_[call].slot;
  Peer& peer = peers_[index];
  SendCancel(index, number, now);
  if (peer.state != kReady) return;  // its CLOSE says so, too
  Slot& slot = SlotOf(index, number);
  slot.cancels = 1;
  slot.attention = now + kFirstRetry;
  slot.previous_cancel = kNoSlot;
  slot.next_cancel = peer.cancelling;
  if (peer.cancelling != kNoSlot) {
    SlotOf(index, peer.cancelling).previous_cancel = number;
  }
  peer.cancelling = number;
  SetCancelTimer(index, std::min(peer.cancel_at, slot.attention));
}

void ClientTransport::SendCancel(std::uint32_t index, std::uint16_t number,
                                 Nanos now) {
  const Peer& peer = peers_[index];
  OutgoingPacket packet;
  lh_packet& header = packet.header;
  header.type = LH_PACKET_CANCEL;
  header.token = peer.token;
  header.slot = number;
  header.sequence = SlotOf(index, number).sequence;
  header.sent_us = ToPacketTime(now);
  Send(peer, packet, {});
}

void ClientTransport::SetCancelTimer(std::uint32_t index, Nanos when) {
  peers_[index].cancel_at = when;
  if (when == kNever) {
    timers_.Clear(CancelTimer(index));
  } else {
    timers_.Set(CancelTimer(index), when);
  }
}

void ClientTransport::OnCancelTimer(std::uint32_t index, Nanos now) {
  Peer& peer = peers_[index];
  bool lost = false;
  Nanos next = kNever;
  for (std::uint16_t at = peer.cancelling; at != kNoSlot;) {
    const std::uint16_t number = at;
    Slot& slot = SlotOf(index, number);
    at = slot.next_cancel;
    if (slot.attention <= now) {
      if (slot.cancels == kTransmissions) {
        lost = true;
        StopCancelling(index, number);
        continue;
      }
      slot.attention = now + Backoff(kFirstRetry, slot.cancels);
      ++slot.cancels;
      counters_.retransmissions.Add();
      SendCancel(index, number, now);
    }
    next = std::min(next, slot.attention);
  }
  SetCancelTimer(index, next);
  if (lost && peer.in_flight == 0) {
    SendClose(peer);
    OnSessionLost(index, now, "is lost");
  }
}

void ClientTransport::StopCancelling(std::uint32_t index,
                                     std::uint16_t number) {
  Slot& slot = SlotOf(index, number);
  slot.cancels = 0;
  (slot.previous_cancel == kNoSlot
       ? peers_[index].cancelling
       : SlotOf(index, slot.previous_cancel).next_cancel) = slot.next_cancel;
  if (slot.next_cancel != kNoSlot) {
    SlotOf(index, slot.next_cancel).previous_cancel = slot.previous_cancel;
  }
  if (peers_[index].cancelling == kNoSlot) SetCancelTimer(index, kNever);
}

bool ClientTransport::EndsCancel(const lh_packet& reply, std::uint32_t index) {
  if (reply.type != LH_PACKET_REPLY || reply.slot >= peers_[index].granted) {
    return false;
  }
  const Slot& slot = SlotOf(index, reply.slot);
  if (slot.cancels == 0 || slot.sequence != reply.sequence) return false;
  StopCancelling(index, reply.slot);
  return true;
}

}  // namespace lauberhorn::nic
