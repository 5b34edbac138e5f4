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
    : options_(options), plan_(MakePlan(options)), base_(memory.data()) {
  info_ = At<lh_info>(0);
  process_ = At<lh_process_layout>(plan_.process);
  endpoints_ = At<lh_endpoint_layout>(plan_.endpoints);

  for (std::uint32_t index = 0; index < options.endpoints; ++index) {
    lh_endpoint_layout* const endpoint = endpoints_ + index;
    endpoint->index = index;
    endpoint->generation = 1;
    endpoint->hint = plan_.hints + std::uint64_t{index} * sizeof(lh_hint);
    std::uint32_t number = 2 * index;
    for (lh_channel_layout* channel : {&endpoint->serve, &endpoint->call}) {
      channel->out = LaneLayout(2 * number);
      channel->in = LaneLayout(2 * number + 1);
      channel->state =
          plan_.states + std::uint64_t{number} * sizeof(lh_channel_state);
      channel->bell = number++;
    }
  }

  process_->endpoints = plan_.endpoints;
  process_->call_words = plan_.call_words;
  process_->bell = plan_.bell;
  process_->endpoint_count = options.endpoints;
  process_->bell_lines = plan_.bell_lines;
  process_->call_first = options.arrived_calls;
  process_->call_count = options.own_calls;

  info_->version_major = LH_VERSION_MAJOR;
  info_->version_minor = LH_VERSION_MINOR;
  info_->features = options.features;
  info_->region_size = plan_.size;
  info_->slots = options.slots;
  info_->line_stride = options.line_stride;
  info_->t_max_ns = options.t_max_ns;
  info_->overflow_size = kOverflow;
  info_->endpoints = options.endpoints;
  info_->processes = plan_.process;
  info_->process_count = 1;
  info_->clock_mult = 1;  // device time is CLOCK_MONOTONIC
  NameLanes();
  lh_store_release(&info_->status, LH_STATUS_DOWN);
  lh_store_release(&info_->magic, LH_MAGIC);
}

void Region::Ready(std::uint64_t epoch) {
  epoch_ = epoch;
  process_->epoch = epoch;
  lh_store_release(&info_->device_epoch, epoch);
  lh_store_release(&info_->status, LH_STATUS_READY);
}

void Region::Reset() {
  reset_for_ = lh_load_acquire(&info_->driver_epoch);
  lh_store_release(&info_->status, LH_STATUS_RESET);
  lh_store_release(&info_->asleep, 0);
  // Tables stay, and all that they point to is zeroed.
  std::memset(base_ + plan_.states, 0, plan_.size - plan_.states);
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

lh_lane_layout Region::LaneLayout(std::uint32_t lane) const {
  const std::uint64_t first = std::uint64_t{lane} * options_.slots;
  return {plan_.lines + first * options_.line_stride,
          plan_.overflow + first * kOverflow};
}

lh_lane Region::Lane(std::uint32_t number) const {
  const lh_lane_layout layout = LaneLayout(number);
  lh_lane lane = {};
  lane.lines = base_ + layout.lines;
  lane.overflow = base_ + layout.overflow;
  lane.line_stride = options_.line_stride;
  lane.overflow_size = kOverflow;
  lane.slots = options_.slots;
  return lane;
}

lh_lane Region::OutLane(std::uint32_t number) const { return Lane(2 * number); }

lh_lane Region::InLane(std::uint32_t number) const {
  return Lane(2 * number + 1);
}

lh_channel_state* Region::state(std::uint32_t number) const {
  return At<lh_channel_state>(plan_.states) + number;
}

lh_hint* Region::hint(std::uint32_t endpoint) const {
  return At<lh_hint>(plan_.hints) + endpoint;
}

lh_call_word* Region::call_word(std::uint32_t index) const {
  return At<lh_call_word>(plan_.call_words) + index;
}

absl::Span<lh_bell_line> Region::bell() const {
  return {At<lh_bell_line>(plan_.bell), plan_.bell_lines};
}

}  // namespace lauberhorn::nic
