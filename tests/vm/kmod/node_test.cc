// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The two nodes: who may open them, and what is refused there.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

// The calling process loses CAP_SYS_ADMIN, and nothing else.
void DropAdmin() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(syscall(SYS_capget, &header, data), 0);
  data[0].effective &= ~(1U << CAP_SYS_ADMIN);
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
}

TEST(Nodes, ServicesMayGetTheirsAndTheNicsIsRoots) {
  struct stat node;
  ASSERT_EQ(stat(kNode, &node), 0);
  EXPECT_EQ(node.st_mode & 0777, 0660U);
  ASSERT_EQ(stat(kNicNode, &node), 0);
  EXPECT_EQ(node.st_mode & 0777, 0600U);
}

TEST(Nodes, SysfsSaysWhatThereIs) {
  EXPECT_EQ(Shown("abi"), std::to_string(LH_VERSION_MAJOR) + "." +
                              std::to_string(LH_VERSION_MINOR));
  EXPECT_EQ(Shown("status"), "down");
  EXPECT_EQ(Shown("features"), "0x0");
  EXPECT_EQ(Shown("processes"), "0");
  Nic nic;
  ASSERT_EQ(nic.Attach(), 0);
  EXPECT_EQ(Shown("status"), "reset");
  nic.LayOut();
  ASSERT_EQ(nic.Start(), 0);
  EXPECT_EQ(Shown("status"), "ready");
  EXPECT_EQ(Shown("epoch"), std::to_string(nic.attached().epoch));
  EXPECT_EQ(std::stoull(Shown("features"), nullptr, 16), nic.features());
  Child child([](const Parent&) { EXPECT_EQ(Device().Attach(), 0); });
  const lh_nic_event event = nic.Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(Shown("processes"), "1");
  nic.Accept(event);
  EXPECT_TRUE(child.EndsWell());
  EXPECT_EQ(nic.End(nic.Next(LH_NIC_EVENT_LEFT)), 0);
  EXPECT_EQ(Shown("processes"), "0");
}

TEST(Nodes, InfoSaysTheSame) {
  Device device;
  lh_device_info info;
  ASSERT_EQ(device.Info(&info), 0);
  EXPECT_EQ(info.version_major, __u32{LH_VERSION_MAJOR});
  EXPECT_EQ(info.status, __u32{LH_STATUS_DOWN});
  EXPECT_EQ(info.features, 0U);
  const auto nic = Nic::Started();
  ASSERT_EQ(device.Info(&info), 0);
  EXPECT_EQ(info.status, __u32{LH_STATUS_READY});
  EXPECT_EQ(info.epoch, nic->attached().epoch);
  EXPECT_EQ(info.features, nic->features());
}

TEST(Nodes, ThereIsOneNicAtATime) {
  Nic nic;
  EXPECT_EQ(open(kNicNode, O_RDWR), -1);
  EXPECT_EQ(errno, EBUSY);
  nic.Close();
  Nic another;
}

TEST(Nodes, TheNicIsPrivileged) {
  Child child([](const Parent&) {
    DropAdmin();
    EXPECT_EQ(open(kNicNode, O_RDWR), -1);
    EXPECT_EQ(errno, EPERM);
  });
  EXPECT_TRUE(child.EndsWell());
}

TEST(Nodes, WhatTheyDoNotKnowTheyRefuse) {
  Device device;
  Nic nic;
  char buffer[128] = {};
  for (const int file : {device.file(), nic.file()}) {
    EXPECT_EQ(Call(file, _IO(LH_DEVICE_IOCTL, 0x3f), buffer), ENOTTY);
    EXPECT_EQ(Call(file, _IO(0xbd, 0), buffer), ENOTTY);
  }
  EXPECT_EQ(Call(device.file(), LH_NIC_ATTACH, buffer), ENOTTY);
  EXPECT_EQ(Call(nic.file(), LH_DEVICE_ATTACH, buffer), ENOTTY);
  for (const unsigned long command :
       {LH_DEVICE_INFO, LH_DEVICE_ATTACH, LH_DEVICE_BIND, LH_DEVICE_PARK}) {
    EXPECT_EQ(Call(device.file(), command, nullptr), EFAULT) << command;
  }
  EXPECT_EQ(Call(nic.file(), LH_NIC_ATTACH, nullptr), EFAULT);
}

TEST(Nodes, WithoutANicNothingAttaches) {
  Device device;
  EXPECT_EQ(device.Attach(), ENODEV);
  EXPECT_EQ(device.Bind(0), ENOTCONN);
  EXPECT_EQ(device.Unbind(), ENOENT);
  EXPECT_EQ(device.Park(0), ENOTCONN);
  EXPECT_EQ(device.Ring(), ENOTCONN);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, device.file(), 0),
            MAP_FAILED);
  EXPECT_EQ(errno, ENOTCONN);
  Nic nic;
  ASSERT_EQ(nic.Attach(), 0);
  EXPECT_EQ(device.Attach(), ENODEV);  // not started
}

TEST(Nodes, ANicThatHasNotAttachedGetsNothing) {
  Nic nic;
  lh_nic_event event;
  EXPECT_EQ(nic.Start(), EINVAL);
  EXPECT_EQ(nic.Answer(0, 1, 0), ENODEV);
  EXPECT_EQ(nic.End(0, 1), ENODEV);
  EXPECT_EQ(nic.Interrupt(0), ENODEV);
  EXPECT_EQ(read(nic.file(), &event, sizeof(event)), -1);
  EXPECT_EQ(errno, ENODEV);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, nic.file(), 0),
            MAP_FAILED);
  EXPECT_EQ(errno, ENODEV);
}

TEST(Nodes, BadGeometriesAreRefused) {
  Nic nic;
  const std::vector<std::function<void(lh_nic_attach&)>> mistakes = {
      [](lh_nic_attach& attach) { attach.flags = 1; },
      [](lh_nic_attach& attach) { attach.reserved = 1; },
      [](lh_nic_attach& attach) { attach.device_size = 0; },
      [](lh_nic_attach& attach) { attach.device_size += 1; },
      [](lh_nic_attach& attach) { attach.device_size = 1ULL << 40; },
      [](lh_nic_attach& attach) { attach.part_size = 0; },
      [](lh_nic_attach& attach) { attach.part_size -= 8; },
      [](lh_nic_attach& attach) { attach.part_size = ~0xfffULL; },
      [](lh_nic_attach& attach) { attach.processes = 0; },
      [](lh_nic_attach& attach) { attach.processes = ~0U; },
      [](lh_nic_attach& attach) { attach.endpoints = 0; },
      [](lh_nic_attach& attach) { attach.endpoints = ~0U; },
  };
  for (std::size_t number = 0; number < mistakes.size(); ++number) {
    lh_nic_attach attach = nic.Geometry();
    mistakes[number](attach);
    EXPECT_EQ(nic.Attach(&attach), EINVAL) << "mistake " << number;
  }
  EXPECT_EQ(nic.Attach(), 0);
  EXPECT_EQ(nic.Attach(), EALREADY);
}

TEST(Nodes, BadLayoutsAreRefused) {
  Nic nic;
  ASSERT_EQ(nic.Attach(), 0);
  EXPECT_EQ(nic.Start(), EINVAL);  // nothing is laid out
  EXPECT_EQ(nic.info()->request, __u64{LH_REQUEST_RESET});
  EXPECT_EQ(nic.info()->driver_epoch, nic.attached().epoch);
  nic.LayOut();
  const std::vector<std::function<void(lh_info&)>> mistakes = {
      [](lh_info& info) { info.magic ^= 1; },
      [](lh_info& info) { info.version_major += 1; },
      [](lh_info& info) { info.features = LH_FEATURES + 1; },
      [](lh_info& info) { info.status = LH_STATUS_RESET; },
      [](lh_info& info) { info.device_epoch += 1; },
      [](lh_info& info) { info.cpu_stride = 64; },
      [](lh_info& info) { info.cpu_stride += 8; },
      [](lh_info& info) { info.cpu_stride = 1U << 20; },
      [](lh_info& info) { info.cpu_lines += 8; },
      [](lh_info& info) { info.cpu_lines = ~0ULL - 127; },
      [](lh_info& info) { info.endpoints += 1; },
      [](lh_info& info) { info.endpoint_words = 1ULL << 40; },
      [](lh_info& info) { info.cpu_masks = 1ULL << 63; },
      [](lh_info& info) { info.cpu_mask_count = ~0U; },
      [](lh_info& info) { info.slots = 1; },
      [](lh_info& info) { info.slots = ~0U; },
      [](lh_info& info) { info.line_stride = 0; },
      [](lh_info& info) { info.line_stride = ~0U & ~127U; },
  };
  const lh_info good = *nic.info();
  for (std::size_t number = 0; number < mistakes.size(); ++number) {
    mistakes[number](*nic.info());
    EXPECT_EQ(nic.Start(), EINVAL) << "mistake " << number;
    *nic.info() = good;
  }
  const __u64 lines = nic.region().cpu(1)->channel.out.lines;
  nic.region().cpu(1)->channel.out.lines = nic.attached().device_size - 128;
  EXPECT_EQ(nic.Start(), EINVAL);
  nic.region().cpu(1)->channel.out.lines = lines;
  EXPECT_EQ(nic.Start(), 0);
  EXPECT_EQ(nic.Start(), EALREADY);
}

TEST(Nodes, EachEpochIsANewOne) {
  __u64 before = 0;
  for (int round = 0; round < 3; ++round) {
    const auto nic = Nic::Started();
    EXPECT_GT(nic->attached().epoch, before);
    before = nic->attached().epoch;
  }
}

}  // namespace
}  // namespace lauberhorn::kmod
