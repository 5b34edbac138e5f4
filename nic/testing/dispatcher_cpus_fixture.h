// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/dispatcher_cpus_fixture.h
//
// DispatcherTest on a machine with two CPUs and another process; what the
// kernel says does the test.
#ifndef LAUBERHORN_NIC_TESTING_DISPATCHER_CPUS_FIXTURE_H_
#define LAUBERHORN_NIC_TESTING_DISPATCHER_CPUS_FIXTURE_H_

#include <cstdint>

#include "gtest/gtest.h"
#include "nic/process_cpus.h"
#include "nic/processors.h"
#include "nic/testing/dispatcher_fixture.h"
#include "nic/testing/kernel_side.h"

namespace lauberhorn::nic::testing {

// What the dispatcher is built with.
class MachineForTest : protected Interrupter, protected Processors::Process {
 protected:
  static constexpr std::uint32_t kFirst = 4;  // endpoint 0 of the process
  static constexpr std::uint32_t kOther = 1;  // one of the other process
  static constexpr std::uint32_t kGeneration = 3;
  static constexpr KernelSide::Thread kThread = {.generation = kGeneration};
  static constexpr KernelRegionOptions kOptions = {
      .cpus = 2, .endpoints = 8, .slots = 4};

  void Interrupt(std::uint32_t) override {}

  KernelMemory kernel_memory_{kOptions};
  KernelSide kernel_{kernel_memory_.region()};
  Processors processors_{kernel_memory_.region(), 2, 9, *this};
  ProcessCpus cpus_{processors_, 0, kFirst};
};

class DispatcherCpusTest : public MachineForTest, public DispatcherTest {
 protected:
  DispatcherCpusTest() : DispatcherTest(&cpus_) {
    processors_.Attach({.process = 0,
                        .first = kFirst,
                        .count = kEndpoints,
                        .generation = kGeneration,
                        .weight = 1},
                       *this, counters_);
    processors_.Attach({.process = 1,
                        .first = 0,
                        .count = kFirst,
                        .generation = 1,
                        .weight = 1},
                       other_, other_counters_);
    for (std::uint32_t cpu = 0; cpu < kOptions.cpus; ++cpu) {
      kernel_.Publish(cpu, {.mode = LH_CPU_OTHER});
    }
    Look();
  }

  // A turn.
  void Look() {
    processors_.Look(now_);
    dispatcher_.Dispatch();
  }
  // The thread of an endpoint waits for its first call.
  void Begin(std::uint32_t endpoint) {
    kernel_.SetState(kFirst + endpoint, LH_ENDPOINT_RUNNABLE, kThread);
    ASSERT_TRUE(Empty(endpoint));
  }
  // And is seen on that CPU.
  void BeginOn(std::uint32_t endpoint, std::uint32_t cpu) {
    Begin(endpoint);
    kernel_.Bound(cpu, kFirst + endpoint);
    Look();
  }
  // It goes to sleep.
  void Sleep(std::uint32_t endpoint, bool parked = true) {
    EXPECT_TRUE(!parked || hosts_[endpoint]->Park());
    kernel_.SetState(kFirst + endpoint, LH_ENDPOINT_PARKED, kThread);
  }
  // Whether the kernel is asked for something on this CPU: command_.
  bool Asked(std::uint32_t cpu) { return kernel_.TakeCommand(cpu, &command_); }
  void Answer(std::uint32_t cpu, lh_kernel_answer answer) {
    ASSERT_TRUE(kernel_.Answer(cpu, command_.number, answer));
    Look();
  }
  // Its thread runs a method that is known to be short; the call's handle.
  std::uint64_t RunShort(std::uint32_t endpoint) {
    handler_time_ = kMicrosecond;
    std::uint64_t handle = 0;
    Accept(101);
    EXPECT_EQ(Take(endpoint, &handle), 101u);
    EXPECT_TRUE(Reply(endpoint, handle));
    Accept(102);
    EXPECT_EQ(Take(endpoint, &handle), 102u);
    return handle;
  }

  KernelCommand command_ = {};

 private:
  class Nobody final : public Processors::Process {
    void OnCame(std::uint32_t, Nanos) override {}
    void OnLeft(std::uint32_t, Nanos) override {}
    void OnRefused(std::uint32_t, Nanos) override {}
  };

  void OnCame(std::uint32_t endpoint, Nanos) override {
    dispatcher_.OnCame(endpoint - kFirst);
  }
  void OnLeft(std::uint32_t endpoint, Nanos) override {
    dispatcher_.OnLeft(endpoint - kFirst);
  }
  void OnRefused(std::uint32_t endpoint, Nanos) override {
    dispatcher_.OnRefused(endpoint - kFirst);
  }

  Nobody other_;
  Counters other_counters_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_DISPATCHER_CPUS_FIXTURE_H_
