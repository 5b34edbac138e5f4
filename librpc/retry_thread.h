// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/retry_thread.h
//
// A thread that tries something until it succeeds, with pauses that grow from
// 10 ms to a second. There is none while there is nothing to be done.
//
// Thread-safety: safe from any thread, also from the attempt itself.
#ifndef LAUBERHORN_LIBRPC_RETRY_THREAD_H_
#define LAUBERHORN_LIBRPC_RETRY_THREAD_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/base/thread_annotations.h"

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
  void Main();

  const std::function<bool()> attempt_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;   // an attempt
  bool running_ ABSL_GUARDED_BY(mutex_) = false;  // the thread
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_RETRY_THREAD_H_
