// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/channel_table.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace lauberhorn::nic {
namespace {

// A channel that has been quiet this long is found by its bell.
constexpr Nanos kQuiet = 10 * kMillisecond;

// So many messages that break the contract are a mistake; more are an attack.
constexpr std::uint32_t kRefusedBeforeQuarantine = 1000;

// Whether the rest of a message may be read: all that can be said of a header
// without knowing what it is about.
bool IsSane(const lh_message& header) {
  return header.length <= kMaxPayload && header.kind != LH_KIND_NONE &&
         (header.flags & ~unsigned{LH_FLAGS}) == 0 &&
         (header.flags & (LH_FLAG_BULK | LH_FLAG_GROW)) == 0 &&
         ((header.flags & LH_FLAG_META) == 0 || header.kind == LH_KIND_CALL ||
          header.kind == LH_KIND_REPLY);
}

}  // namespace

bool HostMessage::Split(Body* body) const {
  if ((header.flags & LH_FLAG_META) == 0) {
    *body = bytes();
    return true;
  }
  MetaSize size;
  if (header.length < sizeof(size)) return false;
  std::memcpy(&size, payload, sizeof(size));
  const absl::Span<const std::uint8_t> rest = bytes().subspan(sizeof(size));
  if (size > rest.size()) return false;
  *body = {rest.first(size), rest.subspan(size)};
  return true;
}

ChannelTable::ChannelTable(Region& region, Counters& counters,
                           ProcessCpus* cpus)
    : region_(region),
      counters_(counters),
      cpus_(cpus),
      asymmetric_((region.info()->features & LH_FEATURE_ASYMMETRIC_FENCE) != 0),
      bell_(region.bell()),
      channels_(region.channels()),
      edges_(new ChannelCounters[region.channels()]) {
  for (std::uint32_t number = 0; number < region.channels(); ++number) {
    channels_[number] = {.out = region.OutLane(number),
                         .in = region.InLane(number),
                         .state = region.state(number),
                         .active = 0,
                         .refused = 0,
                         .watched = false,
                         .quarantined = false};
  }
  watched_.reserve(channels_.size());
  wakes_.reserve(channels_.size());
  quarantined_.reserve(channels_.size());
}

bool ChannelTable::Collect(std::uint32_t number, HostMessage* message,
                           Nanos now) {
  Channel& channel = channels_[number];
  while (lh_line* const line = lh_collect_begin(&channel.out)) {
    if (channel.quarantined) return Discard(channel);
    channel.active = now;
    message->header = line->header;
    // What is checked below is the copy: it is not read from the line again.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const std::uint32_t slot = channel.out.position;
    const bool sane = IsSane(message->header);
    if (sane) {
      const std::size_t length = message->header.length;
      const std::size_t in_line = std::min<std::size_t>(length, LH_INLINE_SIZE);
      std::memcpy(message->payload, line->payload, in_line);
      if (length > in_line) {
        std::memcpy(message->payload + in_line,
                    lh_lane_overflow(&channel.out, slot), length - in_line);
      }
    }
    lh_collect_end(&channel.out, line);
    edges_[number].collected.Add();
    if (sane) return true;
    Refuse(number);
  }
  return false;
}

// Whoever puts is not to wait for room.
bool ChannelTable::Discard(Channel& channel) {
  for (std::uint32_t slot = 0; slot < channel.out.slots; ++slot) {
    lh_line* const line = lh_collect_begin(&channel.out);
    if (line == nullptr) break;
    lh_collect_end(&channel.out, line);
  }
  return false;
}

bool ChannelTable::Deliver(std::uint32_t number, const lh_message& header,
                           absl::Span<const std::uint8_t> payload,
                           bool* woken) {
  Channel& channel = channels_[number];
  ChannelCounters& edges = edges_[number];
  if (channel.quarantined) return false;
  lh_line* const line = lh_deliver_begin(&channel.in);
  if (line == nullptr) {
    const lh_line* const next = lh_lane_next(&channel.in);
    const unsigned state = lh_state(lh_load_acquire(&next->header.word));
    (state == LH_CLOSED ? edges.closed : edges.full).Add();
    if (state >= LH_STATES) Quarantine(number, LH_QUARANTINE_BAD_WORD);
    return false;
  }
  const std::uint32_t slot = channel.in.position;
  // All but the word, which the delivery itself moves. Field by field, as they
  // were just written: a wide load of narrow stores would wait for them.
  line->header.call = header.call;
  line->header.code = header.code;
  line->header.data = header.data;
  line->header.deadline = header.deadline;
  line->header.length = static_cast<std::uint32_t>(payload.size());
  line->header.kind = header.kind;
  line->header.flags = header.flags;
  line->header.aux = header.aux;
  const std::size_t in_line =
      std::min<std::size_t>(payload.size(), LH_INLINE_SIZE);
  if (in_line > 0) std::memcpy(line->payload, payload.data(), in_line);
  if (payload.size() > in_line) {
    std::memcpy(lh_lane_overflow(&channel.in, slot), payload.data() + in_line,
                payload.size() - in_line);
  }
  switch (lh_deliver_end(&channel.in, line)) {
    case LH_DELIVERED:
      edges.delivered.Add();
      if (woken != nullptr) {
        *woken = false;
      } else if (cpus_ != nullptr && !cpus_->IsOnCpu(number / 2)) {
        // A revoke does not give PARKED back: whoever sleeps has such a word.
        wakes_.push_back({&line->header.word, number / 2});
      }
      return true;
    case LH_DELIVERED_WAKE:
      // The compare-and-swap was a full fence; the wake comes after it.
      if (woken == nullptr || cpus_ == nullptr) {
        wakes_.push_back({&line->header.word, number / 2});
      }
      edges.delivered.Add();
      edges.parked.Add();
      if (woken != nullptr) *woken = true;
      return true;
    case LH_NOT_EMPTY:
      edges.full.Add();
      return false;
    case LH_LANE_CLOSED:
      edges.closed.Add();
      return false;
    case LH_CONTENDED:
      Quarantine(number, LH_QUARANTINE_CONTENDED);
      return false;
    case LH_BAD_WORD:
      Quarantine(number, LH_QUARANTINE_BAD_WORD);
      return false;
  }
  return false;
}

bool ChannelTable::DeliverWithMeta(std::uint32_t number, lh_message header,
                                   const Body& body, bool* woken) {
  std::uint8_t bytes[kMaxPayload];
  const auto size = static_cast<MetaSize>(body.meta.size());
  std::uint8_t* to = bytes;
  const auto write = [&to](const void* from, std::size_t length) {
    if (length > 0) std::memcpy(to, from, length);
    to += length;
  };
  write(&size, sizeof(size));
  write(body.meta.data(), body.meta.size());
  write(body.payload.data(), body.payload.size());
  header.flags |= LH_FLAG_META;
  return Deliver(number, header, {bytes, static_cast<std::size_t>(to - bytes)},
                 woken);
}

void ChannelTable::Refuse(std::uint32_t number) {
  counters_.messages_refused.Add();
  if (++channels_[number].refused > kRefusedBeforeQuarantine) {
    Quarantine(number, LH_QUARANTINE_BAD_MESSAGE);
  }
}

void ChannelTable::Quarantine(std::uint32_t number, std::uint64_t reason) {
  Channel& channel = channels_[number];
  if (channel.quarantined) return;
  lh_store_release(&channel.state->quarantine, reason);
  // Its thread is told, if there is room: else it is awake, and looks there
  // before it sleeps.
  lh_message last = {};
  last.kind = LH_KIND_QUARANTINED;
  last.code = reason;
  if (reason == LH_QUARANTINE_BAD_MESSAGE) {
    lh_bell_leave(asymmetric_);
    Deliver(number, last, {});
  }
  // Whatever the word says: somebody may sleep on what it was.
  wakes_.push_back({&lh_lane_next(&channel.in)->header.word, number / 2});
  channel.quarantined = true;
  quarantined_.push_back(number);
  counters_.channels_quarantined.Add();
}

void ChannelTable::Watch(std::uint32_t number, Nanos now) {
  Channel& channel = channels_[number];
  channel.active = now;
  if (channel.watched) return;
  channel.watched = true;
  watched_.push_back(number);
  first_quiet_ = std::min(first_quiet_, now + kQuiet);
  lh_store_release(&channel.state->watched, 1);
}

void ChannelTable::WatchNoMore(std::uint32_t number) {
  if (!channels_[number].watched) return;
  channels_[number].active = 0;
  first_quiet_ = 0;
}

void ChannelTable::TakeSetBells(Nanos now) {
  std::uint32_t first = 0;
  for (lh_bell_line& line : bell_) {
    for (__u64& word : line.bits) {
      std::uint64_t bits =
          lh_load_acquire(&word) == 0 ? 0 : lh_bell_take(&word);
      while (bits != 0) {
        const std::uint32_t number =
            first + static_cast<std::uint32_t>(__builtin_ctzll(bits));
        bits &= bits - 1;
        // Bits beyond the last channel mean nothing.
        if (number < channels_.size()) Watch(number, now);
      }
      first += 64;
    }
  }
}

void ChannelTable::UnwatchQuiet(Nanos now) {
  if (now < first_quiet_) return;
  first_quiet_ = kNever;
  for (const std::uint32_t number : watched_) {
    first_quiet_ = std::min(first_quiet_, channels_[number].active + kQuiet);
  }
  const auto quiet = [&](std::uint32_t number) {
    return channels_[number].active + kQuiet <= now;
  };
  if (now < first_quiet_) return;
  for (const std::uint32_t number : watched_) {
    if (quiet(number)) {
      lh_store_release(&channels_[number].state->watched, 0);
    }
  }
  lh_bell_leave(asymmetric_);
  std::size_t kept = 0;
  for (const std::uint32_t number : watched_) {
    Channel& channel = channels_[number];
    if (!quiet(number)) {
      watched_[kept++] = number;
    } else if (HasMessage(number)) {
      // It spoke just now and may not have seen the flag.
      channel.active = now;
      lh_store_release(&channel.state->watched, 1);
      watched_[kept++] = number;
    } else {
      channel.watched = false;
    }
  }
  watched_.resize(kept);
}

bool ChannelTable::TryToSleep() {
  lh_store_release(&region_.info()->asleep, 1);
  lh_bell_leave(asymmetric_);
  for (const std::uint32_t number : watched_) {
    if (HasMessage(number)) {
      Awake();
      return false;
    }
  }
  if (HasBells()) {
    Awake();
    return false;
  }
  counters_.sleeps.Add();
  return true;
}

void ChannelTable::Awake() { lh_store_release(&region_.info()->asleep, 0); }

void ChannelTable::FlushWakes(Waker& waker) {
  for (const Wanted& wanted : wakes_) {
    if (cpus_ != nullptr) {
      cpus_->Wake(wanted.endpoint);
    } else {
      waker.Wake(wanted.endpoint, wanted.word);
    }
  }
  counters_.wakes.Add(wakes_.size());
  wakes_.clear();
}

}  // namespace lauberhorn::nic
