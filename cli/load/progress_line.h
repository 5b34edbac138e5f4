// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/progress_line.h
//
// Says on stderr each second how far a load is, if that is a terminal: by a
// thread of its own, so that a terminal that is slow delays no call.
#ifndef LAUBERHORN_CLI_LOAD_PROGRESS_LINE_H_
#define LAUBERHORN_CLI_LOAD_PROGRESS_LINE_H_

#include <condition_variable>
#include <mutex>
#include <thread>

#include "cli/load/load_run.h"

namespace lauberhorn::cli {

class ProgressLine {
 public:
  // Looks at `progress` until it is destroyed. `seconds` is what all will take.
  ProgressLine(const Progress& progress, double seconds);
  ~ProgressLine();

  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  void Tell();

  const Progress& progress_;
  const double seconds_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;   // guarded by mutex_
  std::thread thread_;  // last: uses all of them
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_PROGRESS_LINE_H_
