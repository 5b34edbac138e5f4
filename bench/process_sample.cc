// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/process_sample.h"

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace lauberhorn::bench {
namespace {

// The number after "<name>:" in a status file of /proc; 0 if there is none.
std::uint64_t NumberIn(const std::string& path, absl::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, name) || !absl::ConsumePrefix(&rest, ":")) {
      continue;
    }
    rest = absl::StripPrefix(rest, "\t");
    for (const absl::string_view word :
         absl::StrSplit(rest, ' ', absl::SkipEmpty())) {
      std::uint64_t number;
      if (absl::SimpleAtoi(word, &number)) return number;
    }
  }
  return 0;
}

}  // namespace

absl::StatusOr<ProcessSample> SampleProcess(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  ProcessSample sample;
  // Counts nanoseconds, where /proc/<pid>/stat counts hundredths of a second.
  clockid_t clock;
  timespec used;
  if (clock_getcpuclockid(pid, &clock) != 0 ||
      clock_gettime(clock, &used) != 0) {
    return absl::NotFoundError(absl::StrCat("cannot see process ", pid));
  }
  sample.cpu_seconds = static_cast<double>(used.tv_sec) +
                       static_cast<double>(used.tv_nsec) / 1e9;
  std::error_code error;
  std::filesystem::directory_iterator tasks(folder + "/task", error);
  const std::filesystem::directory_iterator end;
  for (; !error && tasks != end; tasks.increment(error)) {
    const std::string status = tasks->path().string() + "/status";
    sample.switches += NumberIn(status, "voluntary_ctxt_switches") +
                       NumberIn(status, "nonvoluntary_ctxt_switches");
    ++sample.threads;
  }
  if (sample.threads == 0) {
    return absl::NotFoundError(absl::StrCat("cannot read ", folder, "/task"));
  }
  sample.rss_mib =
      static_cast<double>(NumberIn(folder + "/status", "VmRSS")) / 1024;
  return sample;
}

absl::StatusOr<ProcessWatch> WatchProcess(pid_t pid, double seconds) {
  ProcessWatch watch;
  absl::StatusOr<ProcessSample> sample = SampleProcess(pid);
  if (!sample.ok()) return sample.status();
  watch.before = *sample;
  const auto start = std::chrono::steady_clock::now();
  absl::SleepFor(absl::Seconds(seconds));
  watch.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  sample = SampleProcess(pid);
  if (!sample.ok()) return sample.status();
  watch.after = *sample;
  return watch;
}

}  // namespace lauberhorn::bench
