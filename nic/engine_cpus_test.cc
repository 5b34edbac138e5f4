// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// An engine that is told of its threads and CPUs by what the kernel publishes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "nic/engine.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/testing/kernel_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/node.h"

namespace lauberhorn::nic {
namespace {

using testing::HostChannel;
using testing::KernelMemory;
using testing::KernelSide;
using testing::TakenMessage;

constexpr std::uint64_t kNobodysMethod = 7;

class EngineCpusTest : public ::testing::Test, private Interrupter {
 protected:
  static constexpr std::uint32_t kFirst = 2;
  static constexpr KernelRegionOptions kKernel = {.cpus = 2, .endpoints = 8};
  static constexpr RegionOptions kRegion = {
      .endpoints = 3, .arrived_calls = 8, .own_calls = 16};

  EngineCpusTest() {
    for (std::uint32_t cpu = 0; cpu < kKernel.cpus; ++cpu) {
      kernel_.Publish(cpu, {.mode = LH_CPU_OTHER});
    }
    Turn();
  }

  EngineOptions Options() {
    EngineOptions options;
    options.processors = &processors_;
    options.attachment = {.process = 0,
                          .first = kFirst,
                          .count = kRegion.endpoints,
                          .generation = 1,
                          .weight = 1};
    return options;
  }
  void Turn() {
    now_ += kMicrosecond;
    processors_.Look(now_);
    node_->engine.Poll(now_);
    processors_.Flush(now_);
  }
  // A call to nobody, which is answered at once.
  bool PutCall(HostChannel& channel, std::uint32_t index) {
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(kRegion.arrived_calls + index, 1);
    call.code = kNobodysMethod;
    return channel.Put(call);
  }
  bool Asked(std::uint32_t cpu) { return kernel_.TakeCommand(cpu, &command_); }
  // The thread of an endpoint sleeps on its `call` channel.
  void Sleep(std::uint32_t cpu, std::uint32_t endpoint) {
    kernel_.Idle(cpu);
    kernel_.SetState(kFirst + endpoint, LH_ENDPOINT_PARKED);
  }

  testing::MemoryNetwork network_{1};
  const std::unique_ptr<WireFactory> wires_ =
      network_.Host(testing::TestAddress(1));
  KernelMemory memory_{kKernel};
  KernelSide kernel_{memory_.region()};
  Processors processors_{memory_.region(), 1, 1, *this};
  std::unique_ptr<testing::Node> node_ =
      std::make_unique<testing::Node>(kRegion, Options(), 1, *wires_);
  HostChannel call_{node_->region.base(), 1, Which::kCall};
  KernelCommand command_ = {};
  TakenMessage message_ = {};
  Nanos now_ = kSecond;

 private:
  void Interrupt(std::uint32_t) override {}
};

TEST_F(EngineCpusTest, WhatAThreadPutsIsReadWhenItHasLeftWithoutABell) {
  kernel_.Bound(0, kFirst + 1);
  Turn();
  // As one that is watched: it sets no bit, and is gone.
  lh_store_release(&node_->region.state(3)->watched, 1);
  ASSERT_TRUE(PutCall(call_, 0));
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  Turn();
  EXPECT_TRUE(call_.Take(&message_));
}

TEST_F(EngineCpusTest, AnAnswerWakesAThreadThatSleeps) {
  kernel_.Bound(0, kFirst + 1);
  Turn();
  ASSERT_TRUE(PutCall(call_, 0));
  ASSERT_TRUE(call_.Park());
  Sleep(0, 1);
  Turn();
  ASSERT_TRUE(Asked(0));
  EXPECT_EQ(command_.kind, LH_KIND_RUN);
  EXPECT_EQ(command_.endpoint, lh_handle(kFirst + 1, 1));
  EXPECT_TRUE(call_.Take(&message_));
  EXPECT_THAT(node_->waker.words, ::testing::IsEmpty()) << "by no futex";
}

TEST_F(EngineCpusTest, AlsoIfItsSlotDoesNotSaySo) {
  ASSERT_TRUE(PutCall(call_, 0));  // with a bell
  Sleep(0, 1);
  Turn();
  EXPECT_TRUE(Asked(0));
}

TEST_F(EngineCpusTest, AThreadOnACpuNeedsNoRun) {
  kernel_.Bound(0, kFirst + 1);
  Turn();
  ASSERT_TRUE(PutCall(call_, 0));
  Turn();
  EXPECT_TRUE(call_.HasMessage());
  EXPECT_FALSE(Asked(0) || Asked(1));
  // It leaves before it looks: it may have gone to sleep.
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  Turn();
  EXPECT_TRUE(Asked(0) || Asked(1));
}

TEST_F(EngineCpusTest, ChannelsOfThreadsThatLeftAreWatchedNoMore) {
  const auto watched = [&](std::uint32_t channel) {
    return node_->region.state(channel)->watched != 0;
  };
  kernel_.Bound(0, kFirst + 1);
  Turn();
  ASSERT_TRUE(PutCall(call_, 0));
  Turn();
  ASSERT_TRUE(call_.Take(&message_));
  EXPECT_TRUE(watched(2) && watched(3));
  kernel_.Publish(0, {.mode = LH_CPU_OTHER});
  Turn();
  Turn();
  EXPECT_FALSE(watched(2) || watched(3));
  // A put that comes all the same is found by its bell.
  ASSERT_TRUE(PutCall(call_, 1));
  Turn();
  EXPECT_TRUE(call_.Take(&message_));
}

TEST_F(EngineCpusTest, AProcessThatEndsIsToldNothingMore) {
  kernel_.Bound(0, kFirst + 1);
  Turn();
  node_.reset();
  kernel_.Idle(0);
  processors_.Wake(kFirst + 1);
  processors_.Look(now_);
  processors_.Flush(now_);
  EXPECT_FALSE(Asked(0) || Asked(1));
}

}  // namespace
}  // namespace lauberhorn::nic
