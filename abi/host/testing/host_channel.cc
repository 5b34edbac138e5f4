/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
#include "host_channel.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace lauberhorn::testing {

HostChannel::HostChannel(std::uint8_t* base, const lh_process_layout& process,
                         std::uint32_t endpoint, ChannelOf which) {
  const auto* const info = reinterpret_cast<const lh_info*>(base);
  const auto* const endpoints =
      reinterpret_cast<const lh_endpoint_layout*>(base + process.endpoints);
  const lh_channel_layout& layout = which == ChannelOf::kServe
                                        ? endpoints[endpoint].serve
                                        : endpoints[endpoint].call;
  const auto lane = [&](const lh_lane_layout& at) {
    return lh_lane{.lines = base + at.lines,
                   .overflow = base + at.overflow,
                   .line_stride = info->line_stride,
                   .overflow_size = info->overflow_size,
                   .slots = info->slots,
                   .position = 0,
                   .held = 0,
                   .stalls = 0};
  };
  channel_.out = lane(layout.out);
  channel_.in = lane(layout.in);
  auto* const state = reinterpret_cast<lh_channel_state*>(base + layout.state);
  auto* const bell = reinterpret_cast<lh_bell_line*>(base + process.bell);
  channel_.bell = {
      .watched = &state->watched,
      .asleep = const_cast<__u64*>(&info->asleep),
      .backlog = &state->backlog,
      .bits = &bell[layout.bell / LH_BELL_BITS]
                   .bits[layout.bell % LH_BELL_BITS / 64],
      .mask = std::uint64_t{1} << layout.bell % 64,
      .asymmetric = (info->features & LH_FEATURE_ASYMMETRIC_FENCE) != 0};
}

bool HostChannel::Put(lh_message header, std::string_view payload,
                      bool length_as_given) {
  const std::uint32_t slot = channel_.out.position;
  lh_line* const line = lh_put_begin(&channel_.out);
  if (line == nullptr) return false;
  if (!length_as_given) {
    header.length = static_cast<std::uint32_t>(payload.size());
  }
  // All but the word, which the NIC looks at meanwhile.
  std::memcpy(&line->header.call, &header.call,
              sizeof(header) - offsetof(lh_message, call));
  const std::size_t in_line =
      std::min<std::size_t>(payload.size(), LH_INLINE_SIZE);
  if (in_line > 0) std::memcpy(line->payload, payload.data(), in_line);
  if (payload.size() > in_line) {
    std::memcpy(lh_lane_overflow(&channel_.out, slot), payload.data() + in_line,
                payload.size() - in_line);
  }
  lh_waiter waiter = {};
  waiter.ring = [](void* rings) { ++*static_cast<int*>(rings); };
  waiter.context = counted_ == nullptr ? &rings_ : counted_;
  lh_put(&channel_, line, &waiter);
  return true;
}

void HostChannel::BeforeSleep() {
  if (lh_bell_before_sleep(&channel_.bell)) ++(counted_ ? *counted_ : rings_);
}

void HostChannel::CloseForTheDead() {
  lh_lane at = channel_.in;
  for (at.position = 0; at.position < at.slots; ++at.position) {
    lh_line* const line = lh_lane_next(&at);
    if (lh_state(lh_load_acquire(&line->header.word)) == LH_TAKEN) {
      Release(line);
    }
    lh_close(&at);
  }
}

bool HostChannel::HasMessage() const {
  const lh_line* const line = lh_lane_next(&channel_.in);
  return lh_state(lh_load_acquire(&line->header.word)) == LH_FULL;
}

bool HostChannel::Take(TakenMessage* message, lh_line** held) {
  const std::uint32_t slot = channel_.in.position;
  lh_line* const line = lh_take(&channel_.in);
  if (line == nullptr) return false;
  message->header = line->header;
  const std::size_t length = std::min<std::size_t>(
      message->header.length, LH_INLINE_SIZE + channel_.in.overflow_size);
  const std::size_t in_line = std::min<std::size_t>(length, LH_INLINE_SIZE);
  message->payload.assign(reinterpret_cast<const char*>(line->payload),
                          in_line);
  if (length > in_line) {
    message->payload.append(
        reinterpret_cast<const char*>(lh_lane_overflow(&channel_.in, slot)),
        length - in_line);
  }
  if (held != nullptr) {
    *held = line;
  } else {
    lh_release(&channel_.in, line);
  }
  return true;
}

}  // namespace lauberhorn::testing
