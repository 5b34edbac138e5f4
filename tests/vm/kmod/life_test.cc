// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// How a NIC ends, a device is unbound, and the module unloaded, each while
// processes use it.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>

#include "abi/host/device.h"
#include "abi/host/endpoint.h"
#include "abi/host/region.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

// A process with a thread that parks bound, one that parks in a queue, and one
// that looks at the information page, until the NIC is gone.
std::unique_ptr<Child> User() {
  return std::make_unique<Child>([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Map(), 0);
    const lh_info& info = device.region();
    EXPECT_EQ(lh_load_acquire(&info.status), __u64{LH_STATUS_READY});
    std::thread bound([&] {
      EXPECT_EQ(device.Bind(0), 0);
      EXPECT_EQ(device.Park(0), ENODEV);
      EXPECT_EQ(device.Park(0), ENODEV);
      EXPECT_EQ(device.Bind(1), ENODEV);
    });
    std::thread queued([&] { EXPECT_EQ(device.Park(2), ENODEV); });
    std::thread looks([&] {
      while (lh_load_acquire(&info.status) != LH_STATUS_DOWN) {
      }
    });
    bound.join();
    queued.join();
    looks.join();
    EXPECT_EQ(device.Ring(), ENODEV);
    EXPECT_EQ(device.Attach(), ENODEV);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, device.file(), 0),
              MAP_FAILED);
    EXPECT_EQ(errno, ENODEV);
    // What it had is still there, and harms nobody.
    for (std::size_t at = 4096; at < device.attached().size; at += 64) {
      device.base()[at] = 1;
    }
    test.Say('d');
    test.Await('q');
  });
}

// Waits until both park.
void ExpectParked(const Nic& nic, const Part& part, const Child& child) {
  ASSERT_TRUE(nic.Becomes(part.event.first_endpoint, LH_ENDPOINT_PARKED));
  ASSERT_TRUE(child.Parks(2));
}

TEST(Life, WhenTheNicClosesAllWakeUp) {
  auto nic = Nic::Started();
  const auto user = User();
  ExpectParked(*nic, nic->Accept(), *user);
  const __u64 epoch = nic->attached().epoch;
  nic->Close();
  EXPECT_TRUE(user->Says('d'));
  // Another comes while the process still has what it had.
  nic = Nic::Started();
  EXPECT_EQ(nic->attached().epoch, epoch + 1);
  EXPECT_TRUE(nic->Quiet());
  Child again([](const Parent&) { EXPECT_EQ(Device().Attach(), 0); });
  const Part part = nic->Accept();
  EXPECT_EQ(part.event.process, 0U);
  EXPECT_EQ(part.event.generation, 1U);
  EXPECT_TRUE(again.EndsWell());
  user->Say('q');
  EXPECT_TRUE(user->EndsWell());
}

TEST(Life, WhenTheNicIsKilledAllWakeUp) {
  Child killed([](const Parent& test) {
    const auto nic = Nic::Started();
    test.Say('s');
    const Part part = nic->Accept();
    EXPECT_TRUE(nic->Becomes(part.event.first_endpoint, LH_ENDPOINT_PARKED));
    test.Say('p');
    test.Await('q');
  });
  ASSERT_TRUE(killed.Says('s'));
  const auto user = User();
  ASSERT_TRUE(killed.Says('p'));
  ASSERT_TRUE(user->Parks(2));
  killed.Kill();
  EXPECT_TRUE(user->Says('d'));
  user->Say('q');
  EXPECT_TRUE(user->EndsWell());
}

TEST(Life, WhoWaitsForAnAnswerIsToldThatNoneComes) {
  const auto nic = Nic::Started();
  Child told([](const Parent&) { EXPECT_EQ(Device().Attach(), ENODEV); });
  nic->Next(LH_NIC_EVENT_ATTACH);
  Child untold([](const Parent&) { EXPECT_EQ(Device().Attach(), ENODEV); });
  ASSERT_TRUE(Eventually([&] { return !nic->Quiet(); }));
  nic->Close();
  EXPECT_TRUE(told.EndsWell());
  EXPECT_TRUE(untold.EndsWell());
}

TEST(Life, AProcessThatLeavesAfterTheNicIsNoNews) {
  auto nic = Nic::Started();
  const auto user = User();
  ExpectParked(*nic, nic->Accept(), *user);
  nic->Close();
  ASSERT_TRUE(user->Says('d'));
  nic = Nic::Started();
  user->Say('q');
  EXPECT_TRUE(user->EndsWell());
  EXPECT_TRUE(nic->Quiet());
}

TEST(Life, TheDeviceMayBeUnboundWhileItServes) {
  const auto nic = Nic::Started();
  const auto user = User();
  ExpectParked(*nic, nic->Accept(), *user);
  ASSERT_TRUE(Unbind());
  EXPECT_TRUE(user->Says('d'));
  EXPECT_NE(access(kNode, F_OK), 0);
  EXPECT_NE(access(kNicNode, F_OK), 0);
  // The NIC is told so, too.
  pollfd wait = {nic->file(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 0), 1);
  EXPECT_TRUE((wait.revents & POLLHUP) != 0);
  lh_nic_event event;
  EXPECT_EQ(read(nic->file(), &event, sizeof(event)), -1);
  EXPECT_EQ(errno, ENODEV);
  EXPECT_EQ(nic->End(0, 1), ENODEV);
  EXPECT_EQ(nic->Interrupt(0), ENODEV);
  nic->info()->asleep = 1;  // its memory is still there
  // It comes back, under the same name, while both are still open.
  ASSERT_TRUE(Bind());
  const auto next = Nic::Started();
  user->Say('q');
  EXPECT_TRUE(user->EndsWell());
}

TEST(Life, AReadThatWaitsEndsWithTheDevice) {
  const auto nic = Nic::Started();
  ASSERT_EQ(fcntl(nic->file(), F_SETFL, 0), 0);
  std::thread reader([&] {
    lh_nic_event event;
    EXPECT_EQ(read(nic->file(), &event, sizeof(event)), -1);
    EXPECT_EQ(errno, ENODEV);
  });
  ASSERT_TRUE(Unbind());
  reader.join();
  nic->Close();
  ASSERT_TRUE(Bind());
}

TEST(Life, TheModuleIsUnloadedWhenNobodyHasItOpen) {
  auto nic = Nic::Started();
  const auto user = User();
  ExpectParked(*nic, nic->Accept(), *user);
  EXPECT_EQ(Unload(), EAGAIN);
  ASSERT_TRUE(Unbind());
  ASSERT_TRUE(user->Says('d'));
  nic->Close();
  EXPECT_EQ(Unload(), EAGAIN);
  user->Say('q');
  EXPECT_TRUE(user->EndsWell());
  ASSERT_EQ(Unload(), 0);
  ASSERT_EQ(Load(), 0);
  nic = Nic::Started();
  EXPECT_EQ(nic->attached().epoch, 1U);
}

TEST(Life, ASecondNicThatWantsToBeToldIsNot) {
  const auto first = Nic::Started();
  NicOptions options;
  options.node = "/dev/lauberhorn1-nic";
  const auto second = Nic::Started(options);
  EXPECT_NE(first->features(), 0U);
  EXPECT_EQ(second->features(), 0U);
  EXPECT_EQ(second->Interrupt(0), EOPNOTSUPP);
  // The first goes: the next gets it.
  first->Close();
  const auto next = Nic::Started();
  EXPECT_NE(next->features(), 0U);
}

}  // namespace
}  // namespace lauberhorn::kmod
