// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What is said where there is no device. With one tests/vm/daemon_test is.
#include "nic/daemon/kernel_node.h"

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon {
namespace {

using ::testing::HasSubstr;

TEST(KernelNodeTest, SaysWhatToDoWhereThereIsNoNode) {
  const auto node = KernelNode::Open("/dev/lauberhorn-none-nic");
  EXPECT_EQ(node.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(node.status().message()),
              HasSubstr("modprobe lauberhorn"));
}

TEST(KernelNodeTest, AFileIsNoNode) {
  const auto node = KernelNode::Open("/proc/self/comm");
  EXPECT_EQ(node.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KernelNodeTest, AnotherDeviceAnswersNothing) {
  const auto opened = KernelNode::Open("/dev/null");
  ASSERT_TRUE(opened.ok()) << opened.status();
  KernelNode& node = **opened;
  lh_nic_attach attach = {};
  lh_nic_start start = {};
  lh_nic_wake wake = {};
  EXPECT_EQ(node.Attach(&attach), ENOTTY);
  EXPECT_EQ(node.Start(&start), ENOTTY);
  EXPECT_EQ(node.Answer({}), ENOTTY);
  EXPECT_EQ(node.End({}), ENOTTY);
  EXPECT_EQ(node.Wake(&wake), ENOTTY);
  EXPECT_EQ(node.Interrupt(0), ENOTTY);
  std::uint8_t* base = nullptr;
  EXPECT_EQ(node.Map(0, 4096, &base), ENODEV);
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
