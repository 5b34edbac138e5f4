// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What a user may have of a device: processes, and memory.
// tests/vm/kmod_test loads the module with max_processes_per_user=3 and
// max_memory_per_user=8. Each test has users of its own: what they had is free
// a moment after they have gone.
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"
#include "tests/vm/kmod/user.h"

namespace lauberhorn::kmod {
namespace {

class Quota : public ::testing::Test {
 protected:
  void Start(std::uint32_t processes, std::uint64_t part_size = 0) {
    NicOptions options;
    options.processes = processes;
    options.part_size = part_size;
    nic_ = Nic::Started(options);
  }

  // A process of this user that attaches, and stays until it is told.
  std::unique_ptr<Child> Attached(uid_t user) {
    auto child = std::make_unique<Child>([user](const Parent& test) {
      BecomeUser(user);
      Device device;
      EXPECT_EQ(device.Attach(), 0);
      EXPECT_EQ(device.Map(), 0);
      test.Say('a');
      test.Await('q');
    });
    const lh_nic_event event = nic_->Next(LH_NIC_EVENT_ATTACH);
    EXPECT_EQ(event.uid, user);
    nic_->Accept(event);
    EXPECT_TRUE(child->Says('a'));
    return child;
  }

  // What a process of this user gets that the NIC is not told of.
  static int Refused(uid_t user) {
    int error = 0;
    Child child([user](const Parent& test) {
      BecomeUser(user);
      Device device;
      const int why = device.Attach();
      EXPECT_EQ(device.Attach(), why);  // it may try again
      EXPECT_EQ(write(test.socket(), &why, sizeof(why)),
                static_cast<ssize_t>(sizeof(why)));
    });
    EXPECT_EQ(read(child.socket(), &error, sizeof(error)),
              static_cast<ssize_t>(sizeof(error)));
    EXPECT_TRUE(child.EndsWell());
    return error;
  }

  void EndsWell(Child* child) {
    child->Say('q');
    EXPECT_TRUE(child->EndsWell());
  }

  const OpenToAll open_to_all_;
  std::unique_ptr<Nic> nic_;
};

TEST_F(Quota, AUserHasProcessesAndTheNicHasPlaces) {
  Start(4);
  std::vector<std::unique_ptr<Child>> children;
  for (int number = 0; number < 3; ++number) {
    children.push_back(Attached(1000));
  }
  EXPECT_EQ(Refused(1000), EDQUOT);
  children.push_back(Attached(1001));
  EXPECT_EQ(Refused(1001), ENOSPC);
  // A place that is not forgotten yet is still its user's.
  EndsWell(children.front().get());
  const lh_nic_event left = nic_->Next(LH_NIC_EVENT_LEFT);
  EXPECT_EQ(Refused(1000), EDQUOT);
  EXPECT_EQ(nic_->End(left), 0);
  children.push_back(Attached(1000));
}

constexpr std::uint64_t kPart = 4 << 20;  // of which a user may have two

TEST_F(Quota, AUserHasMemory) {
  Start(4, kPart);
  const auto first = Attached(1002);
  const auto second = Attached(1002);
  EXPECT_EQ(Refused(1002), EDQUOT);
  const auto other = Attached(1003);
  // It is the user's as long as anybody has it.
  EndsWell(first.get());
  const lh_nic_event left = nic_->Next(LH_NIC_EVENT_LEFT);
  EXPECT_EQ(Refused(1002), EDQUOT);
  EXPECT_EQ(nic_->End(left), 0);
  EXPECT_EQ(Refused(1002), EDQUOT);  // the NIC still maps it
  nic_->Forget(left);
  Child next([](const Parent&) {
    BecomeUser(1002);
    Device device;
    // It goes a moment after the last who had it.
    EXPECT_TRUE(Eventually([&] { return device.Attach() != EDQUOT; }));
    EXPECT_EQ(device.Attach(), 0);
  });
  nic_->Accept();
  EXPECT_TRUE(next.EndsWell());
}

TEST_F(Quota, MemoryOfANicThatWentCounts) {
  Start(4, kPart);
  const auto first = Attached(1004);
  const auto second = Attached(1004);
  nic_.reset();
  Start(4, kPart);
  EXPECT_EQ(Refused(1004), EDQUOT);
  const auto other = Attached(1005);
}

TEST_F(Quota, APartMayBeTooLargeForAnyUser) {
  Start(1, 3 * kPart);
  EXPECT_EQ(Refused(1006), EDQUOT);
  EXPECT_EQ(Refused(0), EDQUOT);
}

}  // namespace
}  // namespace lauberhorn::kmod
