// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/retry_thread.h
//
// A thread that tries something until it succeeds, with pauses that grow from
// 10 ms to a second. There is none while there is nothing to be done.
//
// In the child of a fork there is none, and nothing to be done until somebody
// says so there. What the parent's thread may have been at is left alone: its
// mutex, and the condition where it waits.
//
// Thread-safety: safe from any thread, also from the attempt itself.
#ifndef LAUBERHORN_LIBRPC_RETRY_THREAD_H_
#define LAUBERHORN_LIBRPC_RETRY_THREAD_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "librpc/fork_watch.h"

namespace lauberhorn {

class RetryThread {
 public:
  // `attempt` returns whether it succeeded.
  explicit RetryThread(std::function<bool()> attempt);
  ~RetryThread() { Stop(); }

  RetryThread(const RetryThread&) = delete;
  RetryThread& operator=(const RetryThread&) = delete;

  // There is something to be done: an attempt begins after this, soon. One that
  // is under way does not count.
  void Start();

  // Ends the thread; waits only for an attempt that is under way. There will be
  // no other one.
  void Stop();

 private:
  // Of one process.
  struct State {
    std::mutex mutex;
    std::condition_variable stopped;
    bool wanted ABSL_GUARDED_BY(mutex) = false;   // an attempt
    bool running ABSL_GUARDED_BY(mutex) = false;  // the thread
    bool stopping ABSL_GUARDED_BY(mutex) = false;
    std::thread thread ABSL_GUARDED_BY(mutex);
    std::optional<ForkWatch> fork_watch ABSL_GUARDED_BY(mutex);
  };

  void BeginInChild();
  void Main(State& state);

  const std::function<bool()> attempt_;
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_RETRY_THREAD_H_
