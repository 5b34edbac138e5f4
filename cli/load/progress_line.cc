// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/progress_line.h"

#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

namespace lauberhorn::cli {

ProgressLine::ProgressLine(const Progress& progress, double seconds)
    : progress_(progress), seconds_(seconds) {
  if (isatty(STDERR_FILENO) == 1) {
    thread_ = std::thread([this] { Tell(); });
  }
}

ProgressLine::~ProgressLine() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ProgressLine::Tell() {
  std::uint64_t before = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (int second = 1;; ++second) {
    if (changed_.wait_for(lock, std::chrono::seconds(1),
                          [this] { return done_; })) {
      return;
    }
    const std::uint64_t ended = progress_.ended.load(std::memory_order_relaxed);
    const std::uint64_t started =
        progress_.started.load(std::memory_order_relaxed);
    std::fprintf(stderr,
                 "%4d of %.0f s: %" PRIu64 " RPC/s, %" PRIu64
                 " under way, %" PRIu64 " errors\n",
                 second, seconds_, ended - before,
                 started > ended ? started - ended : 0,
                 progress_.failed.load(std::memory_order_relaxed));
    before = ended;
  }
}

}  // namespace lauberhorn::cli
