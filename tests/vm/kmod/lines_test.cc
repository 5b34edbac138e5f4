// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The lines of CPUs: what a NIC reads there of who runs, who waits, and who
// left, whichever way the kernel finds it out.
#include <sched.h>

#include <cstdint>
#include <fstream>
#include <memory>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "nic/cpu_line.h"
#include "nic/state_words.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

constexpr int kCpu = 1;

class Lines : public ::testing::Test {
 protected:
  // This test runs on the other CPU.
  void SetUp() override { PinTo(0); }
  void TearDown() override { PinToAny(); }

  nic::CpuWord Word() const {
    return nic::CpuLine(nic_->region().cpu(kCpu)->state).ReadWord();
  }
  bool Idle() const {
    return Eventually([&] {
      const nic::CpuWord word = Word();
      return word.mode == LH_CPU_IDLE && word.nr == 0 && word.endpoint == 0 &&
             word.scheduling_class == LH_CPU_CLASS_IDLE;
    });
  }

  const std::unique_ptr<Nic> nic_ = Nic::Started();
};

TEST_F(Lines, SayWhoRunsAndWhoLeft) {
  Child child([](const Parent& test) {
    PinTo(kCpu);
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Map(), 0);
    EXPECT_EQ(device.Bind(1), 0);
    while (!test.Asks()) {
    }
    EXPECT_EQ(device.Park(1), 0);
    EXPECT_EQ(device.Unbind(), 0);
    test.Say('u');
    test.Await('q');
  });
  const Part part = nic_->Accept();
  const std::uint32_t endpoint = part.event.first_endpoint + 1;
  ASSERT_TRUE(Eventually([&] { return Word().mode == LH_CPU_BOUND; }));
  EXPECT_EQ(Word().endpoint, endpoint + 1);
  EXPECT_GE(Word().nr, 1U);
  EXPECT_EQ(Word().scheduling_class, std::uint32_t{LH_CPU_CLASS_FAIR});
  EXPECT_EQ(nic_->State(endpoint), LH_ENDPOINT_RUNNABLE);
  nic::CpuLine line(nic_->region().cpu(kCpu)->state);
  (void)line.Look();

  child.Say('p');
  ASSERT_TRUE(nic_->Becomes(endpoint, LH_ENDPOINT_PARKED));
  // The line said so before.
  EXPECT_TRUE(line.HasNews());
  ASSERT_TRUE(line.Look());
  ASSERT_GE(line.left().size(), 1U);
  EXPECT_EQ(line.left().back(), endpoint + 1);
  EXPECT_TRUE(Idle());

  EXPECT_EQ(nic_->Wake(part, 1), LH_ANSWER_DONE);
  ASSERT_TRUE(child.Says('u'));
  EXPECT_EQ(nic_->State(endpoint), LH_ENDPOINT_UNBOUND);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
}

TEST_F(Lines, CountWhoCouldRun) {
  const auto spins = [](const Parent& test) {
    PinTo(kCpu);
    while (!test.Asks()) {
    }
  };
  ASSERT_TRUE(Idle());
  Child first(spins);
  ASSERT_TRUE(Eventually([&] { return Word().mode == LH_CPU_OTHER; }));
  EXPECT_GE(Word().nr, 1U);
  Child second(spins);
  EXPECT_TRUE(Eventually([&] { return Word().nr >= 2; }));
  first.Say('q');
  EXPECT_TRUE(first.EndsWell());
  second.Say('q');
  EXPECT_TRUE(second.EndsWell());
  EXPECT_TRUE(Idle());
}

TEST_F(Lines, ACpuGoesAndComes) {
  std::ofstream("/sys/devices/system/cpu/cpu1/online") << "0" << std::flush;
  EXPECT_EQ(Word().mode, std::uint32_t{LH_CPU_OFFLINE});
  std::ofstream("/sys/devices/system/cpu/cpu1/online") << "1" << std::flush;
  EXPECT_TRUE(Idle());
}

}  // namespace
}  // namespace lauberhorn::kmod
