// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/channel_table.h
//
// The NIC's side of all channels of a region: which of them it watches,
// messages in both directions, and who must be woken.
//
// Memory ordering is that of abi/host/channel.h and bell.h: a watched channel
// is looked at in every turn; before one is left, `watched` is cleared, the
// heavy fence is passed, and its lane is looked at once more.
//
// Everything that comes from a process is copied once and checked in the copy.
// Not thread-safe; never allocates after construction.
#ifndef LAUBERHORN_NIC_CHANNEL_TABLE_H_
#define LAUBERHORN_NIC_CHANNEL_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "abi/host/channel_user.h"
#include "absl/types/span.h"
#include "nic/body.h"
#include "nic/counters.h"
#include "nic/packet.h"
#include "nic/process_cpus.h"
#include "nic/region.h"
#include "nic/time.h"

namespace lauberhorn::nic {

// A message of the process, copied out of its lane: this side's own.
struct HostMessage {
  lh_message header;
  std::uint8_t payload[kMaxPayload];

  absl::Span<const std::uint8_t> bytes() const {
    return {payload, header.length};
  }

  // The same as metadata and bytes. False if LH_FLAG_META lies.
  bool Split(Body* body) const;
};

// Wakes the thread that sleeps on a word, at this endpoint.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void Wake(std::uint32_t endpoint, __u64* word) = 0;
};

class ChannelTable {
 public:
  // All outlive the table. With `cpus` a thread is woken by RUN, and by where
  // it is; without, by its word.
  ChannelTable(Region& region, Counters& counters, ProcessCpus* cpus = nullptr);

  // Whether there is a message on channel `number`: a look without the call.
  bool HasMessage(std::uint32_t number) const {
    const lh_line* const line = lh_lane_next(&channels_[number].out);
    return lh_state(lh_load_acquire(&line->header.word)) == LH_FULL;
  }

  // Copies the next message of channel `number` to `message`. False if there is
  // none. A message that breaks the contract is refused, counted, and skipped;
  // too many of them quarantine the channel, whose messages are dropped then.
  bool Collect(std::uint32_t number, HostMessage* message, Nanos now);

  // Gives the process a message on channel `number`; the length is
  // that of the payload, which has at most kMaxPayload bytes. False if the lane
  // has no room or is closed or quarantined: then nothing was given. `woken`,
  // if not null, says whether the thread was parked; with `cpus`, to wake it is
  // then the caller's.
  bool Deliver(std::uint32_t number, const lh_message& header,
               absl::Span<const std::uint8_t> payload, bool* woken = nullptr);

  // The same for what may have metadata: it fits a message.
  bool DeliverBody(std::uint32_t number, const lh_message& header,
                   const Body& body, bool* woken = nullptr) {
    if (body.meta.empty()) return Deliver(number, header, body.payload, woken);
    return DeliverWithMeta(number, header, body, woken);
  }

  // Takes the newest message back. False: it has been taken, or there is none.
  bool Revoke(std::uint32_t number) {
    if (channels_[number].quarantined) return false;
    const bool revoked = lh_revoke(&channels_[number].in);
    (revoked ? edges_[number].revoked : edges_[number].taken).Add();
    return revoked;
  }

  // Takes back all that has not been taken.
  void RevokeAll(std::uint32_t number) {
    while (NewestWaits(number) && Revoke(number)) {
    }
  }

  // Whether the newest message that was delivered has not been taken.
  bool NewestWaits(std::uint32_t number) const {
    return lh_newest_waits(&channels_[number].in);
  }

  // Whether the thread sleeps that the next message would go to.
  bool IsParked(std::uint32_t number) const {
    const lh_line* const line = lh_lane_next(&channels_[number].in);
    return lh_state(lh_load_acquire(&line->header.word)) == LH_PARKED;
  }

  // Whether its last thread has left.
  bool IsClosed(std::uint32_t number) const {
    return lh_is_closed(&channels_[number].in) != 0;
  }

  // Whether nobody will ever take a message from it.
  bool IsGone(std::uint32_t number) const {
    return channels_[number].quarantined || IsClosed(number);
  }

  // Whether a message could be delivered now.
  bool HasRoom(std::uint32_t number) const {
    const lh_line* const line = lh_lane_next(&channels_[number].in);
    const unsigned state = lh_state(lh_load_acquire(&line->header.word));
    return !channels_[number].quarantined &&
           (state == LH_FREE || state == LH_PARKED);
  }

  // Says to the host whether messages wait for room in its `in` lane.
  void SetBacklog(std::uint32_t number, bool backlog) {
    lh_store_release(&channels_[number].state->backlog, backlog ? 1 : 0);
  }

  // Opens the slots again that the lane's last thread closed, or the kernel for
  // it: the one where that waited, or all that were empty when it died. False
  // if none is closed.
  bool Reopen(std::uint32_t number) {
    lh_lane in = channels_[number].in;
    bool reopened = false;
    for (std::uint32_t slot = 0; slot < in.slots; ++slot) {
      if (lh_reopen(&in)) {
        edges_[number].reopened.Add();
        reopened = true;
      }
      lh_lane_advance(&in);
    }
    return reopened;
  }

  // What happened on the channel; may be read by any thread.
  const ChannelCounters& edges(std::uint32_t number) const {
    return edges_[number];
  }

  // The host broke a rule that only the engine can see.
  void Refuse(std::uint32_t number);

  // A channel that was quarantined since the last call; false if there is none.
  bool TakeQuarantined(std::uint32_t* number) {
    if (quarantined_.empty()) return false;
    *number = quarantined_.back();
    quarantined_.pop_back();
    return true;
  }

  // Watches the channels whose bits are set in the bell lines; whether any are.
  bool TakeBells(Nanos now) {
    if (!HasBells()) return false;
    TakeSetBells(now);
    return true;
  }

  // The channels that are watched; valid until the next call that is not const.
  absl::Span<const std::uint32_t> watched() const { return watched_; }

  // Watches the channel; or, its thread having left its CPU, not for long.
  void Watch(std::uint32_t number, Nanos now);
  void WatchNoMore(std::uint32_t number);

  // Stops watching what has been quiet for a while; one heavy fence for all.
  void UnwatchQuiet(Nanos now);

  // Says that the NIC sleeps, and looks once more. True: nothing is there, it
  // may sleep; Awake() must follow. False: it is awake, and there is work.
  bool TryToSleep();
  void Awake();

  // Whether there is anybody to wake. A channel that is quarantined has
  // somebody.
  bool HasWakes() const { return !wakes_.empty(); }

  // Wakes whom the deliveries since the last call found parked, or, with
  // `cpus`, not on a CPU.
  void FlushWakes(Waker& waker);

 private:
  bool DeliverWithMeta(std::uint32_t number, lh_message header,
                       const Body& body, bool* woken);

  struct Channel {
    lh_lane out;
    lh_lane in;
    lh_channel_state* state;
    Nanos active;  // when a message last came
    std::uint32_t refused;
    bool watched;
    bool quarantined;
  };

  // A plain look: the lines stay shared while nobody rings. Bits of no channel
  // count, so that they are cleared. Some words a step: who waits looks here in
  // each turn.
  bool HasBells() const {
    constexpr std::size_t kStep = 4;
    static_assert(LH_BELL_WORDS % kStep == 0);
    std::uint64_t any = 0;
    for (const lh_bell_line& line : bell_) {
      for (std::size_t at = 0; at < LH_BELL_WORDS; at += kStep) {
        any |= lh_load_acquire(&line.bits[at]) |
               lh_load_acquire(&line.bits[at + 1]) |
               lh_load_acquire(&line.bits[at + 2]) |
               lh_load_acquire(&line.bits[at + 3]);
      }
    }
    return any != 0;
  }
  void TakeSetBells(Nanos now);

  void Quarantine(std::uint32_t number, std::uint64_t reason);
  static bool Discard(Channel& channel);

  // Somebody sleeps on the word, or may: to be woken with the next flush.
  struct Wanted {
    __u64* word;
    std::uint32_t endpoint;
  };

  Region& region_;
  Counters& counters_;
  ProcessCpus* const cpus_;
  const bool asymmetric_;
  const absl::Span<lh_bell_line> bell_;
  std::vector<Channel> channels_;
  const std::unique_ptr<ChannelCounters[]> edges_;  // of channels_
  std::vector<std::uint32_t> watched_;
  Nanos first_quiet_ = kNever;  // no channel of watched_ is quiet before
  std::vector<Wanted> wakes_;
  std::vector<std::uint32_t> quarantined_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_CHANNEL_TABLE_H_
