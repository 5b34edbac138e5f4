// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/kernel_region.h"

#include <cstring>
#include <initializer_list>

namespace lauberhorn::nic {
namespace {

// Both lanes of a kernel channel.
std::size_t ChannelSize(const KernelRegionOptions& options) {
  return std::size_t{2} * options.slots *
         (options.line_stride + options.overflow_size);
}

}  // namespace

std::size_t KernelRegion::Size(const KernelRegionOptions& options) {
  return options.cpus * (sizeof(lh_cpu_lines) + ChannelSize(options)) +
         options.endpoints * sizeof(lh_endpoint_word) +
         options.masks * sizeof(lh_cpu_mask);
}

KernelRegion::KernelRegion(const KernelRegionOptions& options,
                           std::uint8_t* base, std::size_t offset)
    : options_(options), base_(base) {
  const auto take = [&offset](std::size_t size) {
    const std::size_t at = offset;
    offset += size;
    return at;
  };
  cpus_ = reinterpret_cast<lh_cpu_lines*>(
      base + take(options.cpus * sizeof(lh_cpu_lines)));
  words_ = reinterpret_cast<lh_endpoint_word*>(
      base + take(options.endpoints * sizeof(lh_endpoint_word)));
  masks_ = reinterpret_cast<lh_cpu_mask*>(
      base + take(options.masks * sizeof(lh_cpu_mask)));
  const std::size_t lines = std::size_t{options.slots} * options.line_stride;
  const std::size_t blocks = std::size_t{options.slots} * options.overflow_size;
  for (std::uint32_t index = 0; index < options.cpus; ++index) {
    lh_cpu_lines* const cpu = cpus_ + index;
    for (lh_lane_layout* const lane : {&cpu->channel.out, &cpu->channel.in}) {
      lane->lines = take(lines);
      lane->overflow = take(blocks);
    }
    cpu->channel.state = static_cast<std::uint64_t>(
        reinterpret_cast<std::uint8_t*>(&cpu->nic) - base);
  }
  NameLanes();
}

void KernelRegion::Describe(lh_info* info) const {
  const auto offset = [this](const void* at) {
    return static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(at) -
                                      base_);
  };
  info->cpus = options_.cpus;
  info->cpu_lines = offset(cpus_);
  info->cpu_stride = sizeof(lh_cpu_lines);
  info->endpoints = options_.endpoints;
  info->endpoint_words = offset(words_);
  info->cpu_masks = offset(masks_);
  info->cpu_mask_count = options_.masks;
}

void KernelRegion::Reset() {
  for (std::uint32_t index = 0; index < options_.cpus; ++index) {
    lh_cpu_lines* const cpu = cpus_ + index;
    cpu->state = {};
    cpu->kick = {};
    cpu->seen = {};
    cpu->nic = {};
    std::memset(base_ + cpu->channel.out.lines, 0, ChannelSize(options_));
  }
  std::memset(static_cast<void*>(words_), 0,
              options_.endpoints * sizeof(lh_endpoint_word));
  std::memset(static_cast<void*>(masks_), 0,
              options_.masks * sizeof(lh_cpu_mask));
  NameLanes();
}

// The words of both lanes have one writer per state, as those of an `out` lane.
void KernelRegion::NameLanes() const {
  for (std::uint32_t cpu = 0; cpu < options_.cpus; ++cpu) {
    LH_ON_LANE(LH_LANE_OUT, OutLane(cpu).lines, options_.line_stride,
               options_.slots);
    LH_ON_LANE(LH_LANE_OUT, InLane(cpu).lines, options_.line_stride,
               options_.slots);
  }
}

lh_lane KernelRegion::Lane(const lh_lane_layout& layout) const {
  lh_lane lane = {};
  lane.lines = base_ + layout.lines;
  lane.overflow = base_ + layout.overflow;
  lane.line_stride = options_.line_stride;
  lane.overflow_size = options_.overflow_size;
  lane.slots = options_.slots;
  return lane;
}

lh_lane KernelRegion::OutLane(std::uint32_t cpu) const {
  return Lane(cpus_[cpu].channel.out);
}

lh_lane KernelRegion::InLane(std::uint32_t cpu) const {
  return Lane(cpus_[cpu].channel.in);
}

}  // namespace lauberhorn::nic
