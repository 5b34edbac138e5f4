// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The module on a kernel whose scheduler tells nothing.
#include <cerrno>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

TEST(WithoutHooks, ItSaysWhatItCannotDoAndDoesTheRest) {
  const auto nic = Nic::Started();
  EXPECT_EQ(nic->attached().features, 0U);
  EXPECT_EQ(nic->features(), 0U);
  EXPECT_EQ(nic->attached().cpu_masks, 0U);
  EXPECT_EQ(Shown("missing"), "CONFIG_LAUBERHORN_SCHED");
  EXPECT_EQ(nic->Interrupt(0), EOPNOTSUPP);
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.attached().features, 0U);
    EXPECT_EQ(device.Bind(0), EOPNOTSUPP);
    EXPECT_EQ(device.Unbind(), ENOENT);
    EXPECT_EQ(device.Park(0), 0);
    test.Say('w');
    EXPECT_EQ(device.Park(0), ENODEV);
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(child.Parks());
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
  ASSERT_TRUE(child.Says('w'));
  ASSERT_TRUE(child.Parks());
  nic->Close();
  EXPECT_TRUE(child.EndsWell());
}

}  // namespace
}  // namespace lauberhorn::kmod
