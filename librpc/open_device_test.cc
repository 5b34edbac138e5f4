// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/open_device.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "librpc/kernel_device.h"

namespace lauberhorn {
namespace {

using ::testing::HasSubstr;

TEST(DevicePathTest, TheOptionCountsMoreThanTheEnvironment) {
  EXPECT_EQ(*DevicePath("", ""), "");
  EXPECT_EQ(*DevicePath("", "embedded"), "");
  EXPECT_EQ(*DevicePath("embedded", "kernel"), "");
  EXPECT_EQ(*DevicePath("", "kernel"), kKernelDevicePath);
  EXPECT_EQ(*DevicePath("kernel", "embedded"), kKernelDevicePath);
  EXPECT_EQ(*DevicePath("/dev/lauberhorn7", ""), "/dev/lauberhorn7");
}

TEST(DevicePathTest, WhatIsNoDeviceIsRefusedByTheNameOfWhoSaidIt) {
  const absl::Status option = DevicePath("hardware", "").status();
  EXPECT_EQ(option.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(option.message()),
              HasSubstr("RuntimeOptions::device is 'hardware'"));
  EXPECT_THAT(std::string(DevicePath("", "dev/x").status().message()),
              HasSubstr("LAUBERHORN_DEVICE is 'dev/x'"));
}

TEST(KernelDeviceTest, ANodeThatIsNotThereSaysWhatToDo) {
  RuntimeOptions options;
  options.device = "/dev/lauberhorn-none";
  const absl::Status status = Runtime::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("/dev/lauberhorn-none: load the module"));
}

TEST(KernelDeviceTest, AnotherNodeIsNoDevice) {
  EXPECT_EQ(MakeKernelDevice("/dev/null").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace lauberhorn
