// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/fork_watch.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace lauberhorn {

class ForkWatch::All {
 public:
  void Add(ForkWatch* watch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Once. Refused only if there is no memory.
    static const int kWatched = pthread_atfork(&Before, &InParent, &InChild);
    (void)kWatched;
    all_.push_back(watch);
  }
  void Remove(ForkWatch* watch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    all_.erase(std::remove(all_.begin(), all_.end(), watch), all_.end());
  }

  // Never destroyed: there may be threads when the process exits.
  static All& Get() {
    static auto& all = *new All;
    return all;
  }

 private:
  static void Before() { Get().mutex_.lock(); }
  static void InParent() { Get().mutex_.unlock(); }
  static void InChild() {
    for (const ForkWatch* const watch : Get().all_) watch->in_child_();
    Get().all_.clear();
    Get().mutex_.unlock();
  }

  std::mutex mutex_;
  std::vector<ForkWatch*> all_;
};

ForkWatch::ForkWatch(std::function<void()> in_child)
    : in_child_(std::move(in_child)) {
  All::Get().Add(this);
}

ForkWatch::~ForkWatch() { All::Get().Remove(this); }

}  // namespace lauberhorn
