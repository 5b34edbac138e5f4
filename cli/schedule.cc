// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/schedule.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace lauberhorn::cli {
namespace {

bool Write(const std::string& path, const char* text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

struct Switch {
  int cpu;
  double time;  // ns
  int next;
  std::string name;
};

// "  comm-12  [001] d..2.  12.345678: sched_switch: prev_comm=... ==>
// next_comm=NAME next_pid=13 next_prio=120", where a name may have blanks.
bool ParseSwitch(absl::string_view line, Switch* found) {
  constexpr absl::string_view kEvent = ": sched_switch: ";
  constexpr absl::string_view kName = " next_comm=";
  constexpr absl::string_view kThread = " next_pid=";
  const std::size_t event = line.find(kEvent);
  const std::size_t name = line.rfind(kName);
  const std::size_t thread = line.rfind(kThread);
  const std::size_t open = line.rfind('[', event);
  if (event == line.npos || open == line.npos || name == line.npos ||
      thread == line.npos || name + kName.size() > thread) {
    return false;
  }
  const absl::string_view before = line.substr(open + 1, event - open - 1);
  const std::size_t close = before.find(']');
  const std::size_t time = before.rfind(' ');
  if (close == before.npos || time == before.npos || time < close) return false;
  double seconds;
  const absl::string_view rest = line.substr(thread + kThread.size());
  if (!absl::SimpleAtoi(before.substr(0, close), &found->cpu) ||
      !absl::SimpleAtod(before.substr(time + 1), &seconds) ||
      !absl::SimpleAtoi(rest.substr(0, rest.find(' ')), &found->next)) {
    return false;
  }
  found->time = seconds * 1e9;
  found->name = std::string(
      line.substr(name + kName.size(), thread - name - kName.size()));
  return true;
}

}  // namespace

std::vector<CpuSpan> ParseSchedule(absl::string_view text) {
  std::vector<CpuSpan> spans;
  std::map<int, Switch> runs;  // by CPU
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    Switch next;
    if (!ParseSwitch(line, &next)) continue;
    const auto now = runs.find(next.cpu);
    if (now != runs.end() && now->second.next != 0 &&
        next.time >= now->second.time) {
      spans.push_back({next.cpu, now->second.next, now->second.name,
                       now->second.time, next.time});
    }
    runs[next.cpu] = next;
  }
  return spans;
}

absl::StatusOr<std::unique_ptr<ScheduleRecorder>> ScheduleRecorder::Start(
    const std::string& tracefs) {
  const std::string folder =
      absl::StrCat(tracefs, "/instances/lauberhorn-", getpid());
  if (mkdir(folder.c_str(), 0700) != 0) {
    const std::string why = std::strerror(errno);
    return errno == EACCES || errno == EPERM
               ? absl::PermissionDeniedError(
                     absl::StrCat("only root may trace the scheduler: ", why))
               : absl::UnavailableError(
                     absl::StrCat("cannot trace in ", tracefs, ": ", why,
                                  "; mount -t tracefs tracefs ", tracefs, "?"));
  }
  auto recorder = absl::WrapUnique(new ScheduleRecorder(folder));
  if (!Write(folder + "/trace_clock", "mono") ||
      !Write(folder + "/events/sched/sched_switch/enable", "1")) {
    return absl::UnavailableError("this kernel does not trace switches");
  }
  return recorder;
}

ScheduleRecorder::~ScheduleRecorder() {
  Write(folder_ + "/tracing_on", "0");
  Write(folder_ + "/events/enable", "0");
  rmdir(folder_.c_str());
}

std::vector<CpuSpan> ScheduleRecorder::Stop() {
  Write(folder_ + "/tracing_on", "0");
  std::ifstream file(folder_ + "/trace");
  std::stringstream text;
  text << file.rdbuf();
  return ParseSchedule(text.str());
}

}  // namespace lauberhorn::cli
