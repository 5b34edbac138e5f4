// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/retry_thread.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace lauberhorn {
namespace {

constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{1000};

}  // namespace

RetryThread::RetryThread(std::function<bool()> attempt)
    : attempt_(std::move(attempt)) {}

void RetryThread::Start() {
  const std::lock_guard<std::mutex> lock(mutex_);
  wanted_ = true;
  if (running_ || stopping_) return;
  // The last one has nothing more to do.
  if (thread_.joinable()) thread_.join();
  try {
    thread_ = std::thread([this] { Main(); });
    running_ = true;
  } catch (const std::system_error&) {
    // The machine refuses threads, now: the next who calls tries again.
  }
}

void RetryThread::Stop() {
  std::thread last;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    last.swap(thread_);
  }
  stopped_.notify_all();
  if (last.joinable()) last.join();
}

void RetryThread::Main() {
  pthread_setname_np(pthread_self(), "lh-retry");
  std::chrono::milliseconds pause = kFirstPause;
  std::unique_lock<std::mutex> lock(mutex_);
  while (wanted_) {
    // Also before the first: what fails again and again must not be tried
    // without end.
    const bool stopping = stopped_.wait_for(
        lock, pause,
        [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
    if (stopping) break;
    wanted_ = false;
    lock.unlock();
    const bool succeeded = attempt_();
    lock.lock();
    pause = succeeded ? kFirstPause : std::min(2 * pause, kLongestPause);
    if (!succeeded) wanted_ = true;
  }
  running_ = false;
}

}  // namespace lauberhorn
