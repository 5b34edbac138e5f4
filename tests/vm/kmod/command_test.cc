// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Kernel channels: commands that CPUs execute.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/endpoint.h"
#include "abi/host/message.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

class KernelChannel : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(nic_->features(),
              LH_DEVICE_STATE_WORDS | LH_DEVICE_KERNEL_CHANNELS);
  }

  // A process whose thread parks again and again, and may run on `cpu` only.
  void StartParker(int cpu) {
    child_ = std::make_unique<Child>([cpu](const Parent& test) {
      PinTo(cpu);
      Device device;
      EXPECT_EQ(device.Attach(), 0);
      EXPECT_EQ(device.Map(), 0);
      EXPECT_EQ(device.Bind(0), 0);
      while (device.Park(0) == 0) test.Say('w');
    });
    part_ = nic_->Accept();
    ASSERT_TRUE(Parked());
  }

  bool Parked() const {
    return nic_->Becomes(part_.event.first_endpoint, LH_ENDPOINT_PARKED);
  }

  // Its word says PARKED until it is awake, so that is no sign by itself.
  bool WokeAndParked() const { return child_->Says('w') && Parked(); }

  nic::KernelCommand Run() const { return nic_->Run(part_, 0); }

  // What a CPU answers to a command.
  lh_kernel_answer Answer(std::uint32_t cpu,
                          const nic::KernelCommand& command) {
    nic_->Command(cpu, command);
    const std::optional<nic::KernelAnswer> answer = nic_->CommandAnswer(cpu);
    EXPECT_TRUE(answer.has_value());
    if (!answer.has_value()) return LH_ANSWER_OFFLINE;
    EXPECT_EQ(answer->number, command.number);
    return static_cast<lh_kernel_answer>(answer->code);
  }

  const std::unique_ptr<Nic> nic_ = Nic::Started();
  std::unique_ptr<Child> child_;
  Part part_;
};

TEST_F(KernelChannel, RunWakesWhoParks) {
  StartParker(1);
  for (std::uint32_t round = 0; round < 50; ++round) {
    nic::KernelCommand run = Run();
    run.number = round;
    ASSERT_EQ(Answer(round % 2, run), LH_ANSWER_DONE);
    ASSERT_TRUE(WokeAndParked());
  }
}

TEST_F(KernelChannel, PreemptIsRunAndALookAround) {
  StartParker(0);
  nic::KernelCommand preempt = Run();
  preempt.kind = LH_KIND_PREEMPT;
  preempt.cpu = 0;
  EXPECT_EQ(Answer(0, preempt), LH_ANSWER_DONE);
  EXPECT_TRUE(WokeAndParked());
}

TEST_F(KernelChannel, WhatIsNotOfThisEpochOrGenerationIsStale) {
  StartParker(1);
  nic::KernelCommand run = Run();
  run.epoch -= 1;
  EXPECT_EQ(Answer(0, run), LH_ANSWER_STALE);
  run = Run();
  run.endpoint =
      lh_handle(part_.event.first_endpoint, part_.event.generation + 1);
  EXPECT_EQ(Answer(0, run), LH_ANSWER_STALE);
  run = Run();
  run.kind = LH_KIND_CALL;  // no command
  EXPECT_EQ(Answer(0, run), LH_ANSWER_STALE);
  run = Run();
  run.endpoint = lh_handle(~0U, 1);
  EXPECT_EQ(Answer(0, run), LH_ANSWER_DEAD);
  EXPECT_EQ(nic_->State(part_.event.first_endpoint), LH_ENDPOINT_PARKED);
}

TEST_F(KernelChannel, NobodyIsWokenWhereHeMayNotRun) {
  StartParker(1);
  nic::KernelCommand run = Run();
  run.cpu = 0;
  EXPECT_EQ(Answer(0, run), LH_ANSWER_NOT_ALLOWED);
  // The first answer of its channel, and that of the call, name his CPUs.
  const lh_lane out = nic_->region().OutLane(0);
  lh_nic_wake wake = {};
  wake.endpoint = part_.event.first_endpoint;
  wake.generation = part_.event.generation;
  wake.cpu = 1;
  ASSERT_EQ(nic_->Wake(&wake), 0);
  EXPECT_EQ(wake.answer, __u32{LH_ANSWER_NOT_ALLOWED});
  EXPECT_EQ(lh_lane_next(&out)->header.data, wake.mask);
  ASSERT_GT(wake.mask, 0U);
  ASSERT_LE(wake.mask, nic_->attached().cpu_masks);
  EXPECT_EQ(nic_->region().mask(wake.mask - 1)->bits[0], 2U);
  EXPECT_EQ(nic_->State(part_.event.first_endpoint), LH_ENDPOINT_PARKED);
}

TEST_F(KernelChannel, ACpuThatWentAnswersThatItDid) {
  StartParker(0);
  std::ofstream("/sys/devices/system/cpu/cpu1/online") << "0" << std::flush;
  ASSERT_EQ(sysconf(_SC_NPROCESSORS_ONLN), 1);
  nic::KernelCommand run = Run();
  run.cpu = 1;
  EXPECT_EQ(Answer(1, run), LH_ANSWER_OFFLINE);
  run.cpu = kAnyCpu;
  EXPECT_EQ(Answer(1, run), LH_ANSWER_DONE);
  std::ofstream("/sys/devices/system/cpu/cpu1/online") << "1" << std::flush;
  ASSERT_EQ(sysconf(_SC_NPROCESSORS_ONLN), 2);
  EXPECT_TRUE(WokeAndParked());
  EXPECT_EQ(Answer(1, Run()), LH_ANSWER_DONE);
  EXPECT_TRUE(WokeAndParked());
}

TEST_F(KernelChannel, ANicThatTakesNoAnswersIsNotServedAnyMore) {
  StartParker(1);
  // Where an interrupt has been served when its call returns.
  PinTo(0);
  const std::uint32_t slots = nic_->info()->slots;
  nic::KernelCommand run = Run();
  run.endpoint = lh_handle(~0U, 1);
  for (std::uint32_t number = 0; number < slots; ++number) {
    nic_->Command(0, run);
  }
  // All were executed, and nobody takes the answers: one more breaks it.
  ASSERT_TRUE(Eventually([&] { return nic_->HasRoom(0); }));
  nic_->Command(0, run);
  for (std::uint32_t number = 0; number < slots; ++number) {
    EXPECT_TRUE(nic_->CommandAnswer(0).has_value());
  }
  // CPU 1 is as before.
  EXPECT_EQ(Answer(1, Run()), LH_ANSWER_DONE);
  EXPECT_EQ(nic_->Interrupt(0), 0);
  EXPECT_EQ(Answer(1, run), LH_ANSWER_DEAD);
  EXPECT_FALSE(nic_->AnswerNow(0).has_value());
  PinToAny();
}

TEST_F(KernelChannel, InterruptsMayMeet) {
  StartParker(1);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (std::uint32_t round = 0; round < 3000; ++round) {
        EXPECT_EQ(nic_->Interrupt(round % 2), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::uint32_t cpu : {0U, 1U}) {
    EXPECT_EQ(Answer(cpu, Run()), LH_ANSWER_DONE);
    EXPECT_TRUE(WokeAndParked());
  }
}

TEST_F(KernelChannel, InterruptsMayMeetTheEndOfTheirDevice) {
  std::atomic<int> begun{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      ++begun;
      while (nic_->Interrupt(1) == 0) continue;
    });
  }
  while (begun < 3) std::this_thread::yield();
  EXPECT_TRUE(Unbind());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(nic_->Interrupt(1), ENODEV);
  EXPECT_TRUE(Bind());
}

TEST_F(KernelChannel, InterruptsThatNameNoCpuAreRefused) {
  EXPECT_EQ(nic_->Interrupt(nic_->attached().cpus), EINVAL);
  EXPECT_EQ(nic_->Interrupt(~0U), EINVAL);
  lh_nic_interrupt interrupt = {0, 1};
  EXPECT_EQ(Call(nic_->file(), LH_NIC_INTERRUPT, &interrupt), EINVAL);
  EXPECT_EQ(nic_->Interrupt(0), 0);  // nothing is there
}

TEST_F(KernelChannel, AnswersRingANicThatSleeps) {
  StartParker(1);
  nic_->info()->asleep = 1;
  nic_->Command(0, Run());
  nic_->Next(LH_NIC_EVENT_RING);
  EXPECT_TRUE(nic_->AnswerNow(0).has_value());
}

}  // namespace
}  // namespace lauberhorn::kmod
