// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device_layout.h"

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "abi/host/channel_user.h"
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kEndpoints = 3, kSlots = 4, kCalls = 10;

// A part as small as one can be; tests break it.
struct Part {
  lh_info info;
  lh_process_layout process;
  lh_endpoint_layout endpoints[kEndpoints];
  lh_channel_state states[2 * kEndpoints];
  lh_bell_line bell;
  lh_line lines[4 * kEndpoints][kSlots];
  std::uint8_t overflow[4 * kEndpoints][kSlots][1408];
  lh_call_word words[kCalls];
  alignas(4096) lh_hint hints[kEndpoints];

  std::uint64_t Offset(const void* of) const {
    return static_cast<std::uint64_t>(reinterpret_cast<const char*>(of) -
                                      reinterpret_cast<const char*>(this));
  }
};

class DeviceLayoutTest : public ::testing::Test {
 protected:
  DeviceLayoutTest() : memory_(sizeof(Part) / 4096 + 1) {
    part_ = reinterpret_cast<Part*>(memory_.data());
    Fill();
  }

  void Fill() {
    std::memset(static_cast<void*>(part_), 0, sizeof(Part));
    lh_info& info = part_->info;
    info.magic = LH_MAGIC;
    info.version_major = LH_VERSION_MAJOR;
    info.status = LH_STATUS_READY;
    info.slots = kSlots;
    info.line_stride = sizeof(lh_line);
    info.overflow_size = sizeof(part_->overflow[0][0]);
    info.processes = part_->Offset(&part_->process);
    lh_process_layout& process = part_->process;
    process.endpoints = part_->Offset(part_->endpoints);
    process.endpoint_count = kEndpoints;
    process.call_words = part_->Offset(part_->words);
    process.call_first = kCalls / 2;
    process.call_count = kCalls - kCalls / 2;
    process.bell = part_->Offset(&part_->bell);
    process.bell_lines = 1;
    std::uint32_t lane = 0;
    for (std::uint32_t index = 0; index < kEndpoints; ++index) {
      lh_endpoint_layout& endpoint = part_->endpoints[index];
      endpoint.index = index;
      endpoint.generation = 1;
      endpoint.hint = part_->Offset(&part_->hints[index]);
      std::uint32_t bit = 2 * index;
      for (lh_channel_layout* channel : {&endpoint.serve, &endpoint.call}) {
        for (lh_lane_layout* each : {&channel->out, &channel->in}) {
          each->lines = part_->Offset(part_->lines[lane]);
          each->overflow = part_->Offset(part_->overflow[lane++]);
        }
        channel->state = part_->Offset(&part_->states[bit]);
        channel->bell = bit++;
      }
    }
  }

  absl::StatusOr<DeviceLayout> Read() const {
    return ReadDeviceLayout(
        {reinterpret_cast<const std::uint8_t*>(part_), sizeof(Part)});
  }

  struct alignas(4096) Page {
    char bytes[4096];
  };
  std::vector<Page> memory_;
  Part* part_;
};

TEST_F(DeviceLayoutTest, AGoodOneIsCopied) {
  const absl::StatusOr<DeviceLayout> layout = Read();
  ASSERT_TRUE(layout.ok()) << layout.status();
  part_->info.slots = 0;
  part_->process.endpoint_count = 0;
  part_->endpoints[1].index = 7;
  EXPECT_EQ(layout->info.slots, kSlots);
  EXPECT_EQ(layout->process.endpoint_count, kEndpoints);
  ASSERT_EQ(layout->endpoints.size(), kEndpoints);
  EXPECT_EQ(layout->endpoints[1].index, 1u);
}

TEST_F(DeviceLayoutTest, EachFieldIsChecked) {
  const std::uint64_t size = sizeof(Part);
  const struct {
    std::function<void(Part&)> breaks;
    const char* what;
  } cases[] = {
      {[](Part& part) { part.info.status = LH_STATUS_DOWN; }, "not ready"},
      {[](Part& part) { part.info.magic = 0; }, "no NIC"},
      {[](Part& part) { part.info.slots = 1; }, "slots"},
      {[](Part& part) { part.info.slots = 1 << 20; }, "slots"},
      {[](Part& part) { part.info.line_stride = 64; }, "stride"},
      {[](Part& part) { part.info.line_stride = 130; }, "stride"},
      {[](Part& part) { part.info.line_stride = 1 << 20; }, "endpoint 0"},
      {[](Part& part) { part.info.overflow_size = 1304; }, "overflow"},
      {[](Part& part) { part.info.overflow_size = 1409; }, "overflow"},
      {[](Part& part) { part.info.overflow_size = ~0u - 7; }, "endpoint 0"},
      {[](Part& part) { part.info.processes = 0; }, "process"},
      {[=](Part& part) { part.info.processes = size - 8; }, "process"},
      {[](Part& part) { part.info.processes = ~0ull - 7; }, "process"},
      {[](Part& part) { part.process.endpoint_count = 0; }, "endpoints"},
      {[](Part& part) { part.process.endpoint_count = ~0u; }, "endpoints"},
      {[](Part& part) { part.process.control_endpoint = 3; }, "endpoints"},
      {[](Part& part) { part.process.endpoints = 8; }, "endpoints"},
      {[](Part& part) { part.process.endpoints += 4; }, "endpoints"},
      {[](Part& part) { part.process.bell_lines = ~0u; }, "bell"},
      {[](Part& part) { part.process.bell_lines = 0; }, "endpoint 0"},
      {[](Part& part) { part.process.call_first = ~0u; }, "calls"},
      {[](Part& part) { part.process.call_count = ~0u; }, "calls"},
      {[](Part& part) { part.process.call_words = 0; }, "calls"},
      {[](Part& part) { part.endpoints[1].index = 2; }, "endpoint 1"},
      {[](Part& part) { part.endpoints[1].hint = 4096 + 8; }, "endpoint 1"},
      {[=](Part& part) { part.endpoints[1].hint = size; }, "endpoint 1"},
      {[](Part& part) { part.endpoints[2].serve.bell = 1024; }, "endpoint 2"},
      {[](Part& part) { part.endpoints[2].call.state = 8; }, "endpoint 2"},
      {[](Part& part) { part.endpoints[0].call.in.lines = 0; }, "endpoint 0"},
      {[](Part& part) { part.endpoints[0].call.out.lines += 8; }, "endpoint 0"},
      {[=](Part& part) { part.endpoints[0].serve.in.lines = size - 128; },
       "endpoint 0"},
      {[=](Part& part) { part.endpoints[0].serve.out.overflow = size; },
       "endpoint 0"},
  };
  for (const auto& each : cases) {
    Fill();
    each.breaks(*part_);
    const absl::Status status = Read().status();
    EXPECT_FALSE(status.ok()) << each.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(each.what));
  }
}

// Whatever stands there, what is accepted can be used.
TEST_F(DeviceLayoutTest, WhatIsAcceptedLiesInThePart) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    Fill();
    auto* const words = reinterpret_cast<std::uint64_t*>(part_);
    const std::size_t tables = part_->Offset(part_->states) / 8;
    for (std::uint64_t changes = random() % 3 + 1; changes > 0; --changes) {
      std::uint64_t& word = words[random() % tables];
      switch (random() % 3) {
        case 0:
          word = random() >> random() % 64;
          break;
        case 1:
          word ^= std::uint64_t{1} << random() % 64;
          break;
        default:
          word += random() % 4096;
          break;
      }
    }
    const absl::StatusOr<DeviceLayout> layout = Read();
    if (!layout.ok()) continue;
    ++accepted;
    const auto lies = [](std::uint64_t offset, std::uint64_t size) {
      ASSERT_GE(offset, sizeof(lh_info));
      ASSERT_LE(size, sizeof(Part));
      ASSERT_LE(offset, sizeof(Part) - size);
    };
    for (const lh_endpoint_layout& endpoint : layout->endpoints) {
      for (const lh_channel_layout& channel : {endpoint.serve, endpoint.call}) {
        lies(channel.state, sizeof(lh_channel_state));
        lies(layout->process.bell +
                 channel.bell / LH_BELL_BITS * sizeof(lh_bell_line),
             sizeof(lh_bell_line));
        for (const lh_lane_layout& lane : {channel.out, channel.in}) {
          lies(lane.lines,
               std::uint64_t{layout->info.slots} * layout->info.line_stride);
          lies(lane.overflow,
               std::uint64_t{layout->info.slots} * layout->info.overflow_size);
        }
      }
      if (endpoint.hint != 0) lies(endpoint.hint, sizeof(lh_hint));
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace lauberhorn
