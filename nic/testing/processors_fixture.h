// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/processors_fixture.h
//
// Three CPUs, two processes, and a test that plays their kernel.
#ifndef LAUBERHORN_NIC_TESTING_PROCESSORS_FIXTURE_H_
#define LAUBERHORN_NIC_TESTING_PROCESSORS_FIXTURE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nic/processors.h"
#include "nic/testing/kernel_side.h"

namespace lauberhorn::nic::testing {

class Listener final : public Processors::Process {
 public:
  void OnCame(std::uint32_t endpoint, Nanos) override {
    Add("came ", endpoint);
  }
  void OnLeft(std::uint32_t endpoint, Nanos) override {
    Add("left ", endpoint);
  }
  void OnRefused(std::uint32_t endpoint, Nanos) override {
    Add("refused ", endpoint);
  }
  std::vector<std::string> Heard() { return std::exchange(heard_, {}); }

 private:
  void Add(absl::string_view what, std::uint32_t endpoint) {
    heard_.push_back(absl::StrCat(what, endpoint));
  }
  std::vector<std::string> heard_;
};

class ProcessorsTest : public ::testing::Test, private Interrupter {
 public:
  static constexpr std::uint64_t kEpoch = 77;

 protected:
  static constexpr KernelRegionOptions kOptions = {
      .cpus = 3, .endpoints = 8, .masks = 2, .slots = 2};
  static constexpr Processors::Attachment kOne = {
      .process = 0, .first = 0, .count = 3, .generation = 1, .weight = 1};
  static constexpr Processors::Attachment kTwo = {
      .process = 1, .first = 3, .count = 2, .generation = 1, .weight = 1};

  ProcessorsTest() {
    processors_.Attach(kOne, one_, counters_);
    processors_.Attach(kTwo, two_, other_counters_);
    for (std::uint32_t cpu = 0; cpu < kOptions.cpus; ++cpu) {
      kernel_.Publish(cpu, {.mode = LH_CPU_OTHER});
    }
    Look();
  }

  bool Look() { return processors_.Look(now_); }

  // The endpoint's thread sleeps, and the NIC knows all that came before.
  void Park(std::uint32_t endpoint) {
    kernel_.SetState(endpoint, LH_ENDPOINT_PARKED);
    ASSERT_TRUE(processors_.MayRun(endpoint, false));
  }
  KernelCommand Run(std::uint32_t endpoint, std::uint32_t cpu,
                    std::uint8_t kind = LH_KIND_RUN) {
    processors_.Ask(kind, endpoint, cpu, now_);
    KernelCommand command = {};
    EXPECT_TRUE(kernel_.TakeCommand(cpu, &command));
    return command;
  }

  KernelMemory memory_{kOptions};
  KernelSide kernel_{memory_.region()};
  Counters counters_;
  Counters other_counters_;
  Listener one_;
  Listener two_;
  std::vector<std::uint32_t> interrupted_;
  std::vector<std::uint32_t> called_;
  bool call_wakes_ = true;
  Processors processors_{memory_.region(), 2, kEpoch, *this};
  Nanos now_ = kSecond;

 private:
  void Interrupt(std::uint32_t cpu) override { interrupted_.push_back(cpu); }
  bool RunByCall(std::uint32_t endpoint, std::uint32_t generation) override {
    EXPECT_EQ(generation, 1u);
    called_.push_back(endpoint);
    return call_wakes_;
  }
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_PROCESSORS_FIXTURE_H_
