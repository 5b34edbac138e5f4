// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/schedule.h
//
// Which thread each CPU ran, as the kernel's tracing says (tracefs), to be
// shown beside the requests of a trace: both count CLOCK_MONOTONIC.
#ifndef LAUBERHORN_CLI_SCHEDULE_H_
#define LAUBERHORN_CLI_SCHEDULE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::cli {

// A thread was on a CPU for that time.
struct CpuSpan {
  int cpu;
  int thread;
  std::string name;
  double begin;  // ns
  double end;
};

// The spans in the text of tracefs's file `trace`; lines of other events, and
// such as are none, are passed over. Idle time is no span.
std::vector<CpuSpan> ParseSchedule(absl::string_view text);

// Records the scheduler's switches in an instance of its own, which is gone
// with this: nobody else's tracing is touched.
class ScheduleRecorder {
 public:
  // `tracefs` is where that is mounted. PERMISSION_DENIED for who is not root,
  // UNAVAILABLE where this kernel does not trace switches.
  static absl::StatusOr<std::unique_ptr<ScheduleRecorder>> Start(
      const std::string& tracefs = "/sys/kernel/tracing");
  ~ScheduleRecorder();

  ScheduleRecorder(const ScheduleRecorder&) = delete;
  ScheduleRecorder& operator=(const ScheduleRecorder&) = delete;

  // Ends the recording, and says what was.
  std::vector<CpuSpan> Stop();

 private:
  explicit ScheduleRecorder(std::string folder) : folder_(std::move(folder)) {}

  const std::string folder_;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_SCHEDULE_H_
