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
  State& state = *state_;
  const std::lock_guard<std::mutex> lock(state.mutex);
  state.wanted = true;
  if (state.running || state.stopping) return;
  // The last one has nothing more to do.
  if (state.thread.joinable()) state.thread.join();
  // Once in each process: before its first thread.
  if (!state.fork_watch) state.fork_watch.emplace([this] { BeginInChild(); });
  try {
    state.thread = std::thread([this, &state] { Main(state); });
    state.running = true;
  } catch (const std::system_error&) {
    // The machine refuses threads, now: the next who calls tries again.
  }
}

void RetryThread::Stop() {
  State& state = *state_;
  std::thread last;
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.stopping = true;
    last.swap(state.thread);
  }
  state.stopped.notify_all();
  if (last.joinable()) last.join();
}

// Who had the parent's mutex is not in this process.
void RetryThread::BeginInChild() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const bool stopping = state_->stopping;
  (void)state_.release();
  state_ = std::make_unique<State>();
  state_->stopping = stopping;
}

void RetryThread::Main(State& state) {
  pthread_setname_np(pthread_self(), "lh-retry");
  std::chrono::milliseconds pause = kFirstPause;
  std::unique_lock<std::mutex> lock(state.mutex);
  while (state.wanted) {
    // Also before the first: what fails again and again must not be tried
    // without end.
    const bool stopping = state.stopped.wait_for(
        lock, pause,
        [&state]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return state.stopping; });
    if (stopping) break;
    state.wanted = false;
    lock.unlock();
    const bool succeeded = attempt_();
    lock.lock();
    pause = succeeded ? kFirstPause : std::min(2 * pause, kLongestPause);
    if (!succeeded) state.wanted = true;
  }
  state.running = false;
}

}  // namespace lauberhorn
