// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/engine_lock.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

TEST(EngineLockTest, IsOnesOnly) {
  EngineLock lock;
  EXPECT_TRUE(lock.TryLock());
  EXPECT_FALSE(lock.TryLock());
  EXPECT_TRUE(lock.Unlock());
  EXPECT_TRUE(lock.TryLockOrMark());
  EXPECT_FALSE(lock.TryLock());
  EXPECT_TRUE(lock.Unlock());
}

TEST(EngineLockTest, WhoeverHasItLooksOnceMoreForAllMarks) {
  EngineLock lock;
  ASSERT_TRUE(lock.TryLock());
  EXPECT_FALSE(lock.TryLockOrMark());
  EXPECT_FALSE(lock.TryLockOrMark());
  EXPECT_FALSE(lock.Unlock());
  EXPECT_FALSE(lock.TryLock()) << "it is still held";
  EXPECT_TRUE(lock.Unlock());
  EXPECT_TRUE(lock.TryLock());
}

TEST(EngineLockTest, WhoHasItKnowsThatOthersWantIt) {
  EngineLock lock;
  ASSERT_TRUE(lock.TryLock());
  EXPECT_FALSE(lock.IsWanted());
  EXPECT_FALSE(lock.TryLockOrMark());
  EXPECT_TRUE(lock.IsWanted());
  EXPECT_FALSE(lock.Unlock());
  EXPECT_FALSE(lock.IsWanted());
  std::thread waiter([&] {
    lock.Lock();
    EXPECT_TRUE(lock.Unlock());
  });
  while (!lock.IsWanted()) std::this_thread::yield();
  EXPECT_TRUE(lock.Unlock());
  waiter.join();
}

TEST(EngineLockTest, AMarkOutlivesAWaiter) {
  EngineLock lock;
  lock.Lock();
  EXPECT_FALSE(lock.TryLockOrMark());
  std::thread waiter([&] {
    lock.Lock();
    EXPECT_TRUE(lock.Unlock());
  });
  EXPECT_FALSE(lock.Unlock());
  EXPECT_TRUE(lock.Unlock());
  waiter.join();
}

// Threads put, and ring as FusedDriver::Ring() does: whoever has the lock
// collects. Others sleep until they have it. What was put is collected when all
// have returned, and by one thread at a time.
TEST(EngineLockTest, NothingThatIsPutStaysBehind) {
  constexpr std::size_t kPutters = 3;
  constexpr int kSleepers = 2;
  constexpr int kPuts = 20'000;
  EngineLock lock;
  const std::unique_ptr<std::atomic<int>[]> put(
      new std::atomic<int>[kPutters]());
  int collected[kPutters] = {};
  int total = 0;  // not atomic: the lock's
  const auto collect = [&] {
    for (std::size_t lane = 0; lane < kPutters; ++lane) {
      const int now = put[lane].load(std::memory_order_relaxed);
      total += now - collected[lane];
      collected[lane] = now;
    }
  };
  const auto release = [&] {
    while (!lock.Unlock()) collect();
  };
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < kPutters; ++lane) {
    threads.emplace_back([&, lane] {
      for (int count = 1; count <= kPuts; ++count) {
        put[lane].store(count, std::memory_order_relaxed);
        if (!lock.TryLockOrMark()) continue;
        collect();
        release();
      }
    });
  }
  for (int sleeper = 0; sleeper < kSleepers; ++sleeper) {
    threads.emplace_back([&] {
      for (int count = 0; count < kPuts / 10; ++count) {
        // Does not collect: a mark is not to be lost with it.
        lock.Lock();
        release();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, static_cast<int>(kPutters) * kPuts);
  EXPECT_TRUE(lock.TryLock());
}

}  // namespace
}  // namespace lauberhorn::nic
