// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "librpc/call_numbers.h"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "abi/host/types.h"
#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

TEST(CallNumbersTest, OpenCallsHaveDifferentIndicesOfTheRange) {
  CallNumbers numbers(100, 3);
  std::set<std::uint32_t> indices;
  for (int count = 0; count < 3; ++count) {
    indices.insert(lh_handle_index(numbers.Take()));
  }
  EXPECT_EQ(indices, (std::set<std::uint32_t>{100, 101, 102}));
  EXPECT_EQ(numbers.Take(), 0u);
}

TEST(CallNumbersTest, AnIndexComesBackWithAnotherGeneration) {
  CallNumbers numbers(0, 1);
  const std::uint64_t first = numbers.Take();
  numbers.Give(first);
  const std::uint64_t second = numbers.Take();
  EXPECT_EQ(lh_handle_index(second), lh_handle_index(first));
  EXPECT_EQ(lh_handle_generation(second), lh_handle_generation(first) + 1);
}

TEST(CallNumbersTest, NoNumberIsHeldTwiceAtATime) {
  constexpr std::uint32_t kCount = 3;
  constexpr int kThreads = 4;
  constexpr int kRounds = 20000;
  CallNumbers numbers(0, kCount);
  std::atomic<int> holders[kCount] = {};
  std::atomic<int> clashes{0};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const std::uint64_t number = numbers.Take();
        if (number == 0) continue;
        ++taken;
        std::atomic<int>& holder = holders[lh_handle_index(number)];
        if (holder.fetch_add(1) != 0) ++clashes;
        holder.fetch_sub(1);
        numbers.Give(number);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(clashes, 0);
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace lauberhorn
