// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "lauberhorn/cancellation.h"

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kCall = 0x100000007;

// Keeps the calls that it is told to cancel.
void Record(void* calls, std::uint64_t call) {
  static_cast<std::vector<std::uint64_t>*>(calls)->push_back(call);
}

TEST(CancellationTest, BeforeTheCallThereIsNone) {
  std::vector<std::uint64_t> cancelled;
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_FALSE(cancellation.Begin(&Record, &cancelled, kCall));
  EXPECT_THAT(cancelled, IsEmpty());
}

TEST(CancellationTest, WhileTheCallRunsItIsCancelledOnce) {
  std::vector<std::uint64_t> cancelled;
  Cancellation cancellation;
  ASSERT_TRUE(cancellation.Begin(&Record, &cancelled, kCall));
  cancellation.Cancel();
  cancellation.Cancel();
  EXPECT_THAT(cancelled, ElementsAre(kCall));
  cancellation.End();
  cancellation.Cancel();
  EXPECT_THAT(cancelled, ElementsAre(kCall));
}

TEST(CancellationTest, AfterTheCallNothingHappens) {
  std::vector<std::uint64_t> cancelled;
  Cancellation cancellation;
  ASSERT_TRUE(cancellation.Begin(&Record, &cancelled, kCall));
  cancellation.End();
  cancellation.Cancel();
  EXPECT_THAT(cancelled, IsEmpty());
}

TEST(CancellationTest, EndWaitsForACancelThatIsAtIt) {
  for (int round = 0; round < 500; ++round) {
    Cancellation cancellation;
    // Gone as soon as End() has returned.
    auto cancelled = std::make_unique<std::vector<std::uint64_t>>();
    ASSERT_TRUE(cancellation.Begin(&Record, cancelled.get(), kCall));
    std::latch start(3);
    const auto cancel = [&] {
      start.arrive_and_wait();
      cancellation.Cancel();
    };
    std::thread first(cancel);
    std::thread second(cancel);
    start.arrive_and_wait();
    cancellation.End();
    EXPECT_LE(cancelled->size(), 1u);
    cancelled.reset();
    first.join();
    second.join();
  }
}

TEST(CancellationTest, WhoWaitsBeforeTheCallIsWoken) {
  Cancellation cancellation;
  EXPECT_FALSE(cancellation.WaitFor(absl::ZeroDuration()));
  std::thread canceller([&] { cancellation.Cancel(); });
  EXPECT_TRUE(cancellation.WaitFor(absl::Hours(1)));
  EXPECT_TRUE(cancellation.WaitFor(absl::ZeroDuration()));
  canceller.join();
}

}  // namespace
}  // namespace lauberhorn
