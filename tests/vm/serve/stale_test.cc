// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Commands that come too late: of a NIC that was here before. lauberhornd lives
// no longer than what it sends, so the test plays it.

#include <cstdint>
#include <cstdio>
#include <memory>

#include "abi/host/cpu.h"
#include "abi/host/message.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "nic/daemon/kernel_node.h"
#include "nic/daemon/kernel_part.h"
#include "nic/kernel_channel.h"
#include "tests/vm/serve/process.h"

namespace lauberhorn::serve {
namespace {

using nic::KernelAnswer;
using nic::KernelChannel;
using nic::daemon::KernelNode;
using nic::daemon::KernelPart;

constexpr nic::daemon::Geometry kGeometry = {
    .processes = 2, .endpoints = 4, .cpus = 2};

TEST(Stale, ACommandOfAnotherEpochIsAnswered) {
  ASSERT_TRUE(DeviceComesToShow("status", "down"));
  const auto node = KernelNode::Open("/dev/lauberhorn0-nic");
  ASSERT_TRUE(node.ok()) << node.status();
  lh_nic_attach attached = nic::daemon::AttachOf(kGeometry);
  ASSERT_EQ((*node)->Attach(&attached), 0);
  const auto part = KernelPart::Make(**node, kGeometry, attached);
  ASSERT_TRUE(part.ok()) << part.status();
  lh_nic_start start = {};
  ASSERT_EQ((*node)->Start(&start), 0);
  ASSERT_TRUE(DeviceComesToShow("status", "ready"));
  nic::KernelRegion& region = (*part)->region();
  std::uint64_t number = 0;
  int stale = 0;
  for (std::uint32_t cpu = 0; cpu < kGeometry.cpus; ++cpu) {
    KernelChannel channel(region.OutLane(cpu), region.InLane(cpu));
    for (const std::uint64_t epoch : {attached.epoch - 1, attached.epoch + 1}) {
      ASSERT_TRUE(channel.Put({.kind = LH_KIND_RUN,
                               .number = ++number,
                               .epoch = epoch,
                               .endpoint = lh_handle(0, 1),
                               .cpu = cpu}));
      ASSERT_EQ((*node)->Interrupt(cpu), 0);
      KernelAnswer answer = {};
      while (!channel.Collect(&answer)) absl::SleepFor(absl::Milliseconds(1));
      EXPECT_EQ(answer.number, number);
      EXPECT_EQ(answer.code, LH_ANSWER_STALE);
      stale += answer.code == LH_ANSWER_STALE ? 1 : 0;
    }
  }
  std::printf("FIGURE vm_stale_commands %d commands\n", stale);
}

}  // namespace
}  // namespace lauberhorn::serve
