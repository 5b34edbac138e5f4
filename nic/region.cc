// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/region.h"

#include <cstring>

#include "nic/packet.h"

namespace lauberhorn::nic {
namespace {

constexpr std::uint64_t kPage = 4096;

// A slot's overflow block: what a packet can carry beyond the line, in whole
// lines.
constexpr std::uint32_t kOverflow =
    (kMaxPayload - LH_INLINE_SIZE + LH_LINE_SIZE - 1) / LH_LINE_SIZE *
    LH_LINE_SIZE;

std::uint64_t RoundUp(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

}  // namespace

struct Region::Plan {
  std::uint64_t process;
  std::uint64_t endpoints;
  std::uint64_t states;
  std::uint64_t bell;
  std::uint32_t bell_lines;
  std::uint64_t call_words;
  std::uint64_t lines;
  std::uint64_t overflow;
  std::uint64_t hints;
  std::uint64_t size;
};

Region::Plan Region::MakePlan(const RegionOptions& options) {
  const std::uint64_t endpoints = options.endpoints;
  const std::uint64_t lanes = 4 * endpoints;
  Plan plan;
  plan.process = sizeof(lh_info);
  plan.endpoints = plan.process + sizeof(lh_process_layout);
  plan.states = plan.endpoints + endpoints * sizeof(lh_endpoint_layout);
  plan.bell = plan.states + 2 * endpoints * sizeof(lh_channel_state);
  plan.bell_lines = static_cast<std::uint32_t>(
      RoundUp(2 * endpoints, LH_BELL_BITS) / LH_BELL_BITS);
  plan.call_words = plan.bell + plan.bell_lines * sizeof(lh_bell_line);
  const std::uint64_t calls =
      std::uint64_t{options.arrived_calls} + options.own_calls;
  plan.lines = RoundUp(plan.call_words + calls * sizeof(lh_call_word), kPage);
  plan.overflow = plan.lines + lanes * options.slots * options.line_stride;
  plan.hints =
      RoundUp(plan.overflow + lanes * options.slots * kOverflow, kPage);
  plan.size = plan.hints + endpoints * sizeof(lh_hint);
  return plan;
}

std::size_t Region::Size(const RegionOptions& options) {
  return MakePlan(options).size;
}

Region::Region(const RegionOptions& options, absl::Span<std::uint8_t> memory)
    : options_(options), base_(memory.data()) {
  const Plan plan = MakePlan(options);
  info_ = At<lh_info>(0);
  process_ = At<lh_process_layout>(plan.process);
  endpoints_ = At<lh_endpoint_layout>(plan.endpoints);

  std::uint64_t lines = plan.lines;
  std::uint64_t overflow = plan.overflow;
  const auto next_lane = [&] {
    const lh_lane_layout lane = {lines, overflow};
    lines += std::uint64_t{options.slots} * options.line_stride;
    overflow += std::uint64_t{options.slots} * kOverflow;
    return lane;
  };
  for (std::uint32_t index = 0; index < options.endpoints; ++index) {
    lh_endpoint_layout* const endpoint = endpoints_ + index;
    endpoint->index = index;
    endpoint->generation = 1;
    endpoint->hint = plan.hints + std::uint64_t{index} * sizeof(lh_hint);
    std::uint32_t number = 2 * index;
    for (lh_channel_layout* channel : {&endpoint->serve, &endpoint->call}) {
      channel->out = next_lane();
      channel->in = next_lane();
      channel->state =
          plan.states + std::uint64_t{number} * sizeof(lh_channel_state);
      channel->bell = number++;
    }
  }

  process_->endpoints = plan.endpoints;
  process_->call_words = plan.call_words;
  process_->bell = plan.bell;
  process_->endpoint_count = options.endpoints;
  process_->bell_lines = plan.bell_lines;
  process_->call_first = options.arrived_calls;
  process_->call_count = options.own_calls;

  info_->version_major = LH_VERSION_MAJOR;
  info_->version_minor = LH_VERSION_MINOR;
  info_->features = options.features;
  info_->region_size = plan.size;
  info_->slots = options.slots;
  info_->line_stride = options.line_stride;
  info_->t_max_ns = options.t_max_ns;
  info_->overflow_size = kOverflow;
  info_->endpoints = options.endpoints;
  info_->processes = plan.process;
  info_->process_count = 1;
  info_->clock_mult = 1;  // device time is CLOCK_MONOTONIC
  NameLanes();
  lh_store_release(&info_->status, LH_STATUS_DOWN);
  lh_store_release(&info_->magic, LH_MAGIC);
}

void Region::Ready() {
  const __u64 epoch = info_->device_epoch + 1;
  process_->epoch = epoch;
  lh_store_release(&info_->device_epoch, epoch);
  lh_store_release(&info_->status, LH_STATUS_READY);
}

void Region::Reset() {
  reset_for_ = lh_load_acquire(&info_->driver_epoch);
  lh_store_release(&info_->status, LH_STATUS_RESET);
  lh_store_release(&info_->asleep, 0);
  // Tables stay, and all that they point to is zeroed.
  const Plan plan = MakePlan(options_);
  std::memset(base_ + plan.states, 0, plan.size - plan.states);
  NameLanes();
}

void Region::NameLanes() const {
  for (std::uint32_t number = 0; number < channels(); ++number) {
    LH_ON_LANE(LH_LANE_OUT, OutLane(number).lines, options_.line_stride,
               options_.slots);
    LH_ON_LANE(LH_LANE_IN, InLane(number).lines, options_.line_stride,
               options_.slots);
  }
}

void Region::Down() { lh_store_release(&info_->status, LH_STATUS_DOWN); }

lh_channel_layout* Region::channel(std::uint32_t number) const {
  lh_endpoint_layout* const endpoint = endpoints_ + number / 2;
  return number % 2 == 0 ? &endpoint->serve : &endpoint->call;
}

lh_lane Region::Lane(const lh_lane_layout& layout) const {
  lh_lane lane = {};
  lane.lines = base_ + layout.lines;
  lane.overflow = base_ + layout.overflow;
  lane.line_stride = info_->line_stride;
  lane.overflow_size = info_->overflow_size;
  lane.slots = options_.slots;
  return lane;
}

lh_lane Region::OutLane(std::uint32_t number) const {
  return Lane(channel(number)->out);
}

lh_lane Region::InLane(std::uint32_t number) const {
  return Lane(channel(number)->in);
}

lh_channel_state* Region::state(std::uint32_t number) const {
  return At<lh_channel_state>(channel(number)->state);
}

lh_hint* Region::hint(std::uint32_t endpoint) const {
  return At<lh_hint>(endpoints_[endpoint].hint);
}

lh_call_word* Region::call_word(std::uint32_t index) const {
  return At<lh_call_word>(process_->call_words) + index;
}

absl::Span<lh_bell_line> Region::bell() const {
  return {At<lh_bell_line>(process_->bell), process_->bell_lines};
}

}  // namespace lauberhorn::nic
