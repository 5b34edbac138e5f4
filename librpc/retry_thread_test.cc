// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/retry_thread.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <semaphore>

#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

// Whether `body` comes to its end in the child of a fork.
bool EndsInChild(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // it would wait for ever
    body();
    _exit(0);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

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

// A child whose parent's thread waits for its next attempt, as it does mostly.
TEST(RetryThreadTest, AChildOfAForkHasAThreadOfItsOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a child's thread may get the number of one of its parent, "
                  "whom ThreadSanitizer believes to be there still";
#endif
  std::counting_semaphore<> attempts(0);
  RetryThread retry([&] {
    attempts.release();
    return false;
  });
  retry.Start();
  attempts.acquire();
  EXPECT_TRUE(EndsInChild([&] {
    while (attempts.try_acquire()) {
    }
    retry.Start();
    attempts.acquire();
    attempts.acquire();
    // And its child.
    if (!EndsInChild([&] {
          while (attempts.try_acquire()) {
          }
          retry.Start();
          attempts.acquire();
        })) {
      _exit(1);
    }
    retry.Stop();
  }));
  // The parent's goes on.
  attempts.acquire();
}

TEST(RetryThreadTest, AChildOfAForkCanEndIt) {
  std::counting_semaphore<> attempts(0);
  auto retry = std::make_unique<RetryThread>([&] {
    attempts.release();
    return false;
  });
  retry->Start();
  attempts.acquire();
  EXPECT_TRUE(EndsInChild([&] { retry = nullptr; }));
}

// Whoever forks is at the attempt itself.
TEST(RetryThreadTest, AnAttemptMayFork) {
  std::latch done(1);
  bool child_ends = false;
  RetryThread* self;
  RetryThread retry([&] {
    child_ends = EndsInChild([&] { self->Stop(); });
    done.count_down();
    return true;
  });
  self = &retry;
  retry.Start();
  done.wait();
  EXPECT_TRUE(child_ends);
}

// What has ended does not begin anew there.
TEST(RetryThreadTest, NothingBeginsInAChildAfterTheEnd) {
  std::atomic<int> attempts = 0;
  RetryThread retry([&] {
    ++attempts;
    return true;
  });
  retry.Start();
  retry.Stop();
  const int before = attempts;
  EXPECT_TRUE(EndsInChild([&] {
    retry.Start();
    retry.Stop();
    if (attempts != before) _exit(1);
  }));
}

}  // namespace
}  // namespace lauberhorn
