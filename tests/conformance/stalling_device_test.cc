// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/stalling_device.h"

#include <cstdint>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "librpc/endpoint.h"

namespace lauberhorn::conformance {
namespace {

class StallingDeviceTest : public ::testing::Test {
 protected:
  void Open(absl::Duration t_max, bool speculate = false) {
    StallingDeviceOptions options;
    options.embedded.endpoints = 4;
    options.t_max = t_max;
    options.speculate = speculate;
    auto device = StallingDevice::Make(options);
    if (absl::IsPermissionDenied(device.status())) {
      GTEST_SKIP() << "this process may not handle faults: " << device.status();
    }
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
    endpoint_ = std::make_unique<Endpoint>(
        *device_, *device_->Attach().endpoints, absl::ZeroDuration());
  }

  // A word of the next `in` slot of the endpoint's `call` channel, by a load.
  __u64 Load() {
    return lh_load_acquire(&lh_lane_next(&endpoint_->call().in)->header.word);
  }

  // A command without a payload, which the NIC refuses at once.
  void PutCommand() {
    lh_line* const line = endpoint_->PutBegin(endpoint_->call());
    lh_message header = {};
    header.word = line->header.word;
    header.kind = LH_KIND_CONTROL;
    header.code = LH_COMMAND_LISTEN;
    line->header = header;
    endpoint_->Put(endpoint_->call(), line);
  }

  const StallingDevice::Totals& totals() const { return device_->totals(); }

  std::unique_ptr<StallingDevice> device_;
  std::unique_ptr<Endpoint> endpoint_;
};

TEST_F(StallingDeviceTest, SlotsArePagesApart) {
  Open(absl::Milliseconds(1));
  if (IsSkipped()) return;
  EXPECT_EQ(device_->Attach().info->line_stride, 4096u);
  EXPECT_EQ(device_->Attach().info->t_max_ns, 1'000'000u);
  EXPECT_NE(device_->Attach().info->features & LH_FEATURE_NEEDS_KICK, 0u);
}

TEST_F(StallingDeviceTest, ALoadStandsStillUntilTMax) {
  Open(absl::Milliseconds(20));
  if (IsSkipped()) return;
  const absl::Time before = absl::Now();
  EXPECT_EQ(lh_state(Load()), LH_FREE);
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(20));
  // A thread that comes back late finds the page gone, and looks again.
  EXPECT_GE(totals().stalled.load(), 1u);
  EXPECT_EQ(totals().timed_out.load(), totals().stalled.load());
}

TEST_F(StallingDeviceTest, TheNextLookReachesTheNicAgain) {
  Open(absl::Milliseconds(1));
  if (IsSkipped()) return;
  EXPECT_EQ(lh_state(Load()), LH_FREE);
  // Each answer is recalled, whatever the host does. There may be several, as
  // above.
  while (totals().recalled.load() < totals().timed_out.load()) {
    std::this_thread::yield();
  }
  const std::uint64_t loads = totals().loads.load();
  EXPECT_EQ(lh_state(Load()), LH_FREE);
  EXPECT_GT(totals().loads.load(), loads);
}

TEST_F(StallingDeviceTest, ADeliveryEndsTheLoad) {
  Open(absl::Seconds(4));  // the most that T_max can be
  if (IsSkipped()) return;
  std::thread host([&] { EXPECT_EQ(lh_state(Load()), LH_FULL); });
  while (totals().stalled.load() == 0) std::this_thread::yield();
  PutCommand();
  host.join();
  EXPECT_EQ(totals().delivered.load(), 1u);
  EXPECT_EQ(totals().timed_out.load(), 0u);
  // Taken, released and written back: a load of the same slot is heard.
  lh_lane& in = endpoint_->call().in;
  lh_line* const line = lh_take(&in);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(totals().loads.load(), 1u) << "the take is local";
  lh_release(&in, line);
  EXPECT_EQ(totals().written_back.load(), 1u);
  std::thread again([&] { (void)lh_load_acquire(&line->header.word); });
  while (totals().loads.load() < 2) std::this_thread::yield();
  again.join();  // by T_max
}

TEST_F(StallingDeviceTest, WhatWasReleasedWithoutThatIsUnheard) {
  Open(absl::Seconds(4));
  if (IsSkipped()) return;
  PutCommand();
  lh_lane& in = endpoint_->call().in;
  lh_line* line;
  while ((line = lh_take(&in)) == nullptr) {
  }
  in.stalls = 0;  // as if the device were another
  lh_release(&in, line);
  const std::uint64_t loads = totals().loads.load();
  EXPECT_EQ(lh_state(lh_load_acquire(&line->header.word)), LH_FREE);
  EXPECT_EQ(totals().loads.load(), loads);
}

TEST_F(StallingDeviceTest, NobodyIsLeftStandingAtTheEnd) {
  Open(absl::Seconds(4));
  if (IsSkipped()) return;
  const absl::Time before = absl::Now();
  std::thread host([&] { EXPECT_EQ(lh_state(Load()), LH_FREE); });
  while (totals().stalled.load() == 0) std::this_thread::yield();
  device_->AnswerAll();
  host.join();
  EXPECT_EQ(totals().timed_out.load(), 0u) << absl::Now() - before;
}

TEST_F(StallingDeviceTest, LoadsByNobodyChangeNothing) {
  Open(absl::Microseconds(100), /*speculate=*/true);
  if (IsSkipped()) return;
  while (totals().speculated.load() < 300) {
    EXPECT_FALSE(endpoint_->Control(LH_COMMAND_LISTEN, {}).ok());
  }
  EXPECT_GT(totals().stalled.load(), 0u);
}

}  // namespace
}  // namespace lauberhorn::conformance
