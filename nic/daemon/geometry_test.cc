// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/geometry.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kPage = 4096;
// Of the module, for each part.
constexpr std::uint64_t kLargest = std::uint64_t{256} << 20;

TEST(GeometryTest, AsksForWholePagesWithRoomForAll) {
  for (const Geometry& geometry :
       {Geometry{}, Geometry{.processes = 1, .endpoints = 1, .slots = 2},
        Geometry{.processes = 1024, .endpoints = 256, .cpus = 64}}) {
    const lh_nic_attach attach = AttachOf(geometry);
    EXPECT_EQ(attach.processes, geometry.processes);
    EXPECT_EQ(attach.endpoints, geometry.endpoints);
    EXPECT_EQ(attach.part_size % kPage, 0u);
    EXPECT_EQ(attach.device_size % kPage, 0u);
    EXPECT_GE(attach.part_size, Region::Size(PartOptions(geometry)));
    EXPECT_GE(attach.device_size,
              sizeof(lh_info) + KernelRegion::Size(KernelOptions(geometry)));
    EXPECT_LE(attach.part_size, kLargest);
    EXPECT_LE(attach.device_size, kLargest);
    EXPECT_EQ(KernelOptions(geometry).endpoints,
              geometry.processes * geometry.endpoints);
  }
}

TEST(GeometryTest, OneThatSpinsNeedsNoRing) {
  EXPECT_EQ(PartOptions({}).features,
            LH_FEATURE_CHECK_CODE | LH_FEATURE_NEEDS_RING);
  EXPECT_EQ(PartOptions({.spin = true}).features, LH_FEATURE_CHECK_CODE);
}

TEST(GeometryTest, SaysWhatItLaysOutAndByWhichOption) {
  const std::string text = Describe({.processes = 3, .endpoints = 5});
  EXPECT_THAT(text, HasSubstr("3 processes (--processes)"));
  EXPECT_THAT(text, HasSubstr("5 endpoints (--endpoints)"));
}

TEST(GeometryTest, CountsCpusThatMayBe) {
  EXPECT_EQ(PossibleCpus("0"), 1u);
  EXPECT_EQ(PossibleCpus("0-7"), 8u);
  EXPECT_EQ(PossibleCpus("0-3,8-11"), 12u);
  EXPECT_EQ(PossibleCpus("0-3,8"), 9u);
  for (const char* wrong : {"", "x", "0-", "0-1-2", "-1"}) {
    EXPECT_EQ(PossibleCpus(wrong), 0u) << wrong;
  }
  EXPECT_GE(PossibleCpus(), 1u);
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
