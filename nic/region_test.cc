// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The region as a host reads it: every part is inside, aligned, and nobody
// else's.

#include "nic/region.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "nic/packet.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using testing::RegionMemory;

struct Part {
  std::uint64_t begin;
  std::uint64_t size;
  std::string name;
};

class RegionTest : public ::testing::TestWithParam<RegionOptions> {
 protected:
  RegionTest() : memory_(GetParam()), region_(GetParam(), memory_.bytes()) {}

  std::vector<Part> Parts() const {
    const lh_info& info = *region_.info();
    const lh_process_layout& process = *region_.process();
    std::vector<Part> parts = {
        {0, sizeof(lh_info), "information page"},
        {info.processes, sizeof(lh_process_layout), "process"},
        {process.endpoints,
         std::uint64_t{process.endpoint_count} * sizeof(lh_endpoint_layout),
         "endpoints"},
        {process.call_words,
         (std::uint64_t{process.call_first} + process.call_count) *
             sizeof(lh_call_word),
         "call words"},
        {process.bell, process.bell_lines * sizeof(lh_bell_line), "bell"},
    };
    for (std::uint32_t number = 0; number < region_.channels(); ++number) {
      const lh_channel_layout& channel = *region_.channel(number);
      const std::string name = "channel " + std::to_string(number);
      parts.push_back(
          {channel.state, sizeof(lh_channel_state), name + " state"});
      for (const lh_lane_layout& lane : {channel.out, channel.in}) {
        parts.push_back({lane.lines,
                         std::uint64_t{info.slots} * info.line_stride,
                         name + " lines"});
        parts.push_back({lane.overflow,
                         std::uint64_t{info.slots} * info.overflow_size,
                         name + " overflow"});
      }
    }
    for (std::uint32_t index = 0; index < info.endpoints; ++index) {
      parts.push_back(
          {region_.endpoint(index)->hint, sizeof(lh_hint), "hint page"});
    }
    return parts;
  }

  RegionMemory memory_;
  Region region_;
};

INSTANTIATE_TEST_SUITE_P(
    Options, RegionTest,
    ::testing::Values(
        RegionOptions{},
        RegionOptions{
            .endpoints = 1, .slots = 2, .arrived_calls = 1, .own_calls = 1},
        RegionOptions{
            .endpoints = 1, .slots = 2, .arrived_calls = 0, .own_calls = 0},
        RegionOptions{.endpoints = 3,
                      .slots = 3,
                      .arrived_calls = 5,
                      .own_calls = 7,
                      .features = LH_FEATURE_NEEDS_RING},
        // Slots a page apart, whose loads may be left unanswered.
        RegionOptions{.endpoints = 2,
                      .slots = 4,
                      .features = LH_FEATURE_NEEDS_KICK,
                      .line_stride = 4096,
                      .t_max_ns = 15'000'000},
        // As many channels as one bell line has bits, and one endpoint more.
        RegionOptions{.endpoints = LH_BELL_BITS / 2, .slots = 2},
        RegionOptions{.endpoints = LH_BELL_BITS / 2 + 1, .slots = 2}));

TEST_P(RegionTest, PartsAreInsideAndDoNotOverlap) {
  std::vector<Part> parts = Parts();
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.begin < b.begin || (a.begin == b.begin && a.size < b.size);
  });
  std::uint64_t end = 0;
  for (const Part& part : parts) {
    EXPECT_GE(part.begin, end) << part.name << " overlaps what is before it";
    end = part.begin + part.size;
  }
  EXPECT_LE(end, region_.info()->region_size);
  EXPECT_EQ(region_.info()->region_size, Region::Size(GetParam()));
}

TEST_P(RegionTest, PartsAreAligned) {
  const lh_process_layout& process = *region_.process();
  EXPECT_EQ(region_.info()->processes % LH_LINE_SIZE, 0u);
  EXPECT_EQ(process.endpoints % LH_LINE_SIZE, 0u);
  EXPECT_EQ(process.bell % LH_LINE_SIZE, 0u);
  EXPECT_EQ(process.call_words % sizeof(lh_call_word), 0u);
  for (std::uint32_t number = 0; number < region_.channels(); ++number) {
    const lh_channel_layout& channel = *region_.channel(number);
    EXPECT_EQ(channel.state % LH_LINE_SIZE, 0u);
    for (const lh_lane_layout& lane : {channel.out, channel.in}) {
      EXPECT_EQ(lane.lines % region_.info()->line_stride, 0u);
      EXPECT_EQ(lane.overflow % LH_LINE_SIZE, 0u);
    }
  }
  for (std::uint32_t index = 0; index < process.endpoint_count; ++index) {
    EXPECT_EQ(region_.endpoint(index)->hint % 4096, 0u);
  }
}

TEST_P(RegionTest, SaysWhatItWasMadeWith) {
  const RegionOptions& options = GetParam();
  const lh_info& info = *region_.info();
  EXPECT_EQ(info.magic, LH_MAGIC);
  EXPECT_EQ(info.version_major, LH_VERSION_MAJOR);
  EXPECT_EQ(info.version_minor, LH_VERSION_MINOR);
  EXPECT_EQ(info.features, options.features);
  EXPECT_EQ(info.slots, options.slots);
  EXPECT_EQ(info.line_stride, options.line_stride);
  EXPECT_EQ(info.t_max_ns, options.t_max_ns);
  EXPECT_GE(info.overflow_size + LH_INLINE_SIZE, kMaxPayload);
  EXPECT_EQ(info.endpoints, options.endpoints);
  EXPECT_EQ(info.process_count, 1u);
  // Device time is CLOCK_MONOTONIC as it is.
  EXPECT_EQ(info.clock_base, 0u);
  EXPECT_EQ(info.clock_mult, 1u);
  EXPECT_EQ(info.clock_shift, 0u);
  const lh_process_layout& process = *region_.process();
  EXPECT_EQ(process.endpoint_count, options.endpoints);
  EXPECT_EQ(process.call_first, options.arrived_calls);
  EXPECT_EQ(process.call_count, options.own_calls);
  EXPECT_EQ(process.process, 0u);
  EXPECT_LT(process.control_endpoint, options.endpoints);
}

TEST_P(RegionTest, EveryChannelHasABellOfItsOwn) {
  ASSERT_EQ(region_.bell().size(), region_.process()->bell_lines);
  std::vector<bool> taken(region_.bell().size() * LH_BELL_BITS);
  for (std::uint32_t number = 0; number < region_.channels(); ++number) {
    const std::uint32_t bit = region_.channel(number)->bell;
    ASSERT_LT(bit, taken.size());
    EXPECT_FALSE(taken[bit]) << number;
    taken[bit] = true;
    // The engine finds the channel by its bit.
    EXPECT_EQ(bit, number);
  }
}

TEST_P(RegionTest, EndpointsNameThemselves) {
  for (std::uint32_t index = 0; index < GetParam().endpoints; ++index) {
    const lh_endpoint_layout* const endpoint = region_.endpoint(index);
    EXPECT_EQ(endpoint->index, index);
    EXPECT_NE(endpoint->generation, 0u);
    EXPECT_EQ(&endpoint->serve, region_.channel(2 * index));
    EXPECT_EQ(&endpoint->call, region_.channel(2 * index + 1));
  }
}

TEST_P(RegionTest, TheNicSeesWhatTheHostSees) {
  for (std::uint32_t number = 0; number < region_.channels(); ++number) {
    const lh_channel_layout& channel = *region_.channel(number);
    const lh_lane out = region_.OutLane(number);
    const lh_lane in = region_.InLane(number);
    EXPECT_EQ(out.lines, region_.base() + channel.out.lines);
    EXPECT_EQ(out.overflow, region_.base() + channel.out.overflow);
    EXPECT_EQ(in.lines, region_.base() + channel.in.lines);
    EXPECT_EQ(in.overflow, region_.base() + channel.in.overflow);
    EXPECT_EQ(out.slots, GetParam().slots);
    EXPECT_EQ(in.position, 0u);
    EXPECT_EQ(reinterpret_cast<std::uint8_t*>(region_.state(number)),
              region_.base() + channel.state);
  }
  const std::uint64_t calls =
      std::uint64_t{GetParam().arrived_calls} + GetParam().own_calls;
  if (calls > 0) {
    EXPECT_EQ(reinterpret_cast<std::uint8_t*>(
                  region_.call_word(static_cast<std::uint32_t>(calls - 1))),
              region_.base() + region_.process()->call_words +
                  (calls - 1) * sizeof(lh_call_word));
  }
  EXPECT_EQ(reinterpret_cast<std::uint8_t*>(region_.hint(0)),
            region_.base() + region_.endpoint(0)->hint);
}

TEST_P(RegionTest, IsDownUntilItIsReady) {
  const lh_info& info = *region_.info();
  EXPECT_EQ(info.status, LH_STATUS_DOWN);
  region_.Ready();
  EXPECT_EQ(info.status, LH_STATUS_READY);
  EXPECT_EQ(info.device_epoch, 1u);
  EXPECT_EQ(region_.process()->epoch, 1u);
  region_.Down();
  EXPECT_EQ(info.status, LH_STATUS_DOWN);
  region_.Ready();
  EXPECT_EQ(info.device_epoch, 2u);
  EXPECT_EQ(region_.process()->epoch, 2u);
}

TEST_P(RegionTest, HasTheEpochOfItsDevice) {
  region_.Ready(7);
  EXPECT_EQ(region_.info()->status, LH_STATUS_READY);
  EXPECT_EQ(region_.info()->device_epoch, 7u);
  EXPECT_EQ(region_.process()->epoch, 7u);
}

// Where everything lies for the NIC.
std::vector<const void*> Places(const Region& region) {
  std::vector<const void*> places = {
      region.bell().data(), region.bell().data() + region.bell().size(),
      region.call_word(0)};
  for (std::uint32_t number = 0; number < region.channels(); ++number) {
    for (const lh_lane& lane :
         {region.OutLane(number), region.InLane(number)}) {
      places.push_back(lh_lane_line(&lane, lane.slots - 1));
      places.push_back(lh_lane_overflow(&lane, lane.slots - 1));
    }
    places.push_back(region.state(number));
    places.push_back(region.hint(number / 2));
  }
  return places;
}

TEST_P(RegionTest, AProcessMovesNothingByItsTables) {
  const std::vector<const void*> places = Places(region_);
  std::memset(reinterpret_cast<std::uint8_t*>(region_.process()), 0xff,
              region_.process()->endpoints +
                  GetParam().endpoints * sizeof(lh_endpoint_layout) -
                  sizeof(lh_info));
  EXPECT_EQ(Places(region_), places);
}

TEST_P(RegionTest, ADriverResetsItOncePerEpoch) {
  region_.Ready();
  EXPECT_FALSE(region_.ResetWanted());
  const std::string tables(
      reinterpret_cast<const char*>(region_.base()) + sizeof(lh_info),
      region_.process()->endpoints +
          GetParam().endpoints * sizeof(lh_endpoint_layout) - sizeof(lh_info));
  lh_info* const info = region_.info();
  for (std::uint64_t epoch = 1; epoch <= 2; ++epoch) {
    // What must be forgotten.
    region_.bell().front().bits[0] = 1;
    region_.state(0)->quarantine = LH_QUARANTINE_BAD_WORD;
    lh_lane lane = region_.InLane(region_.channels() - 1);
    lh_lane_line(&lane, GetParam().slots - 1)->header.word = 0x12;
    lh_lane_overflow(&lane, GetParam().slots - 1)[0] = 1;
    info->asleep = 1;

    info->driver_epoch = epoch;
    info->request = LH_REQUEST_RESET;
    EXPECT_TRUE(region_.ResetWanted());
    region_.Reset();
    EXPECT_EQ(info->status, LH_STATUS_RESET);
    EXPECT_FALSE(region_.ResetWanted());
    EXPECT_EQ(region_.bell().front().bits[0], 0u);
    EXPECT_EQ(region_.state(0)->quarantine, 0u);
    EXPECT_EQ(lh_lane_line(&lane, GetParam().slots - 1)->header.word, 0u);
    EXPECT_EQ(lh_lane_overflow(&lane, GetParam().slots - 1)[0], 0u);
    EXPECT_EQ(info->asleep, 0u);
    region_.Ready();
    EXPECT_EQ(info->status, LH_STATUS_READY);
    EXPECT_EQ(info->device_epoch, 1 + epoch);
    EXPECT_EQ(info->driver_epoch, epoch);
    // The process's epoch is the first of its fields.
    EXPECT_EQ(region_.process()->epoch, 1 + epoch);
    region_.process()->epoch = 1;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(region_.base()) +
                              sizeof(lh_info),
                          tables.size()),
              tables);
  }
}

TEST(RegionSizeTest, HoldsTheMostThatOptionsAllow) {
  const RegionOptions most = {.endpoints = 65'535, .slots = 8};
  // Four lanes of eight slots: the arithmetic has to be in 64 bits.
  EXPECT_GT(Region::Size(most),
            std::uint64_t{65'535} * 4 * 8 * (LH_LINE_SIZE + 1312));
}

}  // namespace
}  // namespace lauberhorn::nic
