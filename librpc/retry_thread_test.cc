// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/retry_thread.h"

#include <atomic>
#include <latch>
#include <semaphore>

#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

TEST(RetryThreadTest, TriesUntilItSucceeds) {
  std::atomic<int> attempts = 0;
  std::latch done(1);
  RetryThread retry([&] {
    if (++attempts < 3) return false;
    done.count_down();
    return true;
  });
  retry.Start();
  done.wait();
  retry.Stop();
  EXPECT_EQ(attempts, 3);
}

TEST(RetryThreadTest, EachStartIsFollowedByAnAttempt) {
  std::counting_semaphore<> attempts(0);
  RetryThread retry([&] {
    attempts.release();
    return true;
  });
  for (int time = 0; time < 5; ++time) {
    retry.Start();
    attempts.acquire();
  }
}

TEST(RetryThreadTest, AStartDuringAnAttemptIsFollowedByAnother) {
  std::latch done(2);
  RetryThread* self;
  std::atomic<int> attempts = 0;
  RetryThread retry([&] {
    if (++attempts == 1) self->Start();
    done.count_down();
    return true;
  });
  self = &retry;
  retry.Start();
  done.wait();
  retry.Stop();
  EXPECT_EQ(attempts, 2);
}

TEST(RetryThreadTest, NothingBeginsAfterTheEnd) {
  std::atomic<int> attempts = 0;
  RetryThread retry([&] {
    ++attempts;
    return false;
  });
  retry.Start();
  retry.Stop();
  const int before = attempts;
  retry.Start();
  retry.Stop();
  EXPECT_EQ(attempts, before);
}

}  // namespace
}  // namespace lauberhorn
