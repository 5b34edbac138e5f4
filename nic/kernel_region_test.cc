// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/kernel_region.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nic/testing/kernel_side.h"

namespace lauberhorn::nic {
namespace {

constexpr KernelRegionOptions kOptions = {
    .cpus = 3, .endpoints = 5, .masks = 2, .slots = 4, .overflow_size = 256};

TEST(KernelRegionTest, NothingOverlapsAndAllLiesWithin) {
  testing::KernelMemory memory(kOptions);
  const KernelRegion& region = memory.region();
  lh_info info = {};
  region.Describe(&info);
  EXPECT_EQ(info.cpus, 3u);
  EXPECT_EQ(info.endpoints, 5u);
  EXPECT_EQ(info.cpu_mask_count, 2u);
  EXPECT_EQ(info.cpu_stride, sizeof(lh_cpu_lines));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> parts = {
      {info.cpu_lines, 3 * sizeof(lh_cpu_lines)},
      {info.endpoint_words, 5 * sizeof(lh_endpoint_word)},
      {info.cpu_masks, 2 * sizeof(lh_cpu_mask)}};
  for (std::uint32_t cpu = 0; cpu < 3; ++cpu) {
    const lh_channel_layout& channel = region.cpu(cpu)->channel;
    for (const lh_lane_layout& lane : {channel.out, channel.in}) {
      parts.push_back({lane.lines, 4u * LH_LINE_SIZE});
      parts.push_back({lane.overflow, 4u * 256});
    }
    EXPECT_EQ(channel.state, info.cpu_lines + cpu * sizeof(lh_cpu_lines) +
                                 offsetof(lh_cpu_lines, nic));
  }
  std::sort(parts.begin(), parts.end());
  std::uint64_t end = LH_LINE_SIZE;  // where it was put
  for (const auto& [offset, size] : parts) {
    EXPECT_GE(offset, end);
    EXPECT_EQ(offset % LH_LINE_SIZE, 0u);
    end = offset + size;
  }
  EXPECT_LE(end, LH_LINE_SIZE + KernelRegion::Size(kOptions));
}

TEST(KernelRegionTest, AResetZeroesWhatWasSaidAndKeepsTheTables) {
  testing::KernelMemory memory(kOptions);
  KernelRegion& region = memory.region();
  testing::KernelSide kernel(region);
  KernelChannel nic(region.OutLane(1), region.InLane(1));
  kernel.Bound(1, 2);
  kernel.SetState(2, LH_ENDPOINT_PARKED);
  kernel.SetMask(1, 7);
  region.cpu(1)->kick.kick = 4;
  region.cpu(1)->seen.kick_seen = 3;
  ASSERT_TRUE(kernel.Answer(1, 9, LH_ANSWER_DONE));
  ASSERT_TRUE(nic.Put({LH_KIND_RUN, 1, 1, 1, 1}));
  const lh_channel_layout before = region.cpu(1)->channel;
  region.Reset();
  EXPECT_EQ(region.cpu(1)->state.word, 0u);
  EXPECT_EQ(region.cpu(1)->state.count, 0u);
  EXPECT_EQ(region.cpu(1)->kick.kick, 0u);
  EXPECT_EQ(region.cpu(1)->seen.kick_seen, 0u);
  EXPECT_EQ(region.endpoint_word(2)->word, 0u);
  EXPECT_EQ(region.mask(1)->bits[0], 0u);
  EXPECT_EQ(region.cpu(1)->channel.in.lines, before.in.lines);
  EXPECT_EQ(region.cpu(1)->channel.out.lines, before.out.lines);
  testing::KernelSide anew(region);
  EXPECT_FALSE(anew.HasCommand(1));
  KernelAnswer answer;
  KernelChannel fresh(region.OutLane(1), region.InLane(1));
  EXPECT_FALSE(fresh.Collect(&answer));
}

}  // namespace
}  // namespace lauberhorn::nic
