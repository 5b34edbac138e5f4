// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/trace/recording.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "nic/state_words.h"

namespace lauberhorn::trace {
namespace {

using nic::CpuWord;
using nic::EndpointWord;

constexpr std::array<const char*, LH_RECORD_KINDS> kNames = {
    "none",   "CPU WORD",   "ENDPOINT WORD", "nr_running", "switch",
    "wakeup", "wakeup_new", "migrate",       "fork",       "exec",
    "exit",   "cpu up",     "cpu down",      "mark"};
constexpr std::array<const char*, 16> kModes = {"OFFLINE", "IDLE",  "IDLE_WAIT",
                                                "KERNEL",  "OTHER", "BOUND"};
constexpr std::array<const char*, 16> kStates = {"UNBOUND", "RUNNABLE",
                                                 "PARKED", "BLOCKED", "DEAD"};
constexpr std::array<const char*, 7> kMarks = {
    "?", "bind", "bound", "unbind", "unbound", "hotplug", "hotplugged"};

const char* Name(const char* name) { return name != nullptr ? name : "?"; }

std::string DescribeCpuWord(std::uint64_t value) {
  const CpuWord word(value);
  return absl::StrFormat(
      "%s%s nr=%d class=%d departed=%d endpoint=%d seq=%d",
      Name(kModes[word.mode]), word.need_resched() ? " need_resched" : "",
      word.nr, word.scheduling_class, word.departed, word.endpoint, word.seq);
}

std::string DescribeEndpointWord(std::uint64_t value) {
  const EndpointWord word(value);
  return absl::StrFormat("%s thread=%d generation=%d mask=%d",
                         Name(kStates[word.state]), word.thread,
                         word.generation, word.mask);
}

std::string DescribeTask(const lh_record_task& task) {
  return absl::StrFormat(
      "%d prio=%d%s%s%s%s", task.pid, task.prio,
      (task.bits & LH_RECORD_TASK_KERNEL) != 0 ? " kernel" : "",
      (task.bits & LH_RECORD_TASK_ON_RQ) != 0 ? " queued" : "",
      (task.bits & LH_RECORD_TASK_DELAYED) != 0 ? " delayed" : "",
      task.endpoint != 0
          ? absl::StrFormat(" endpoint=%d mask=%x [%s]", task.endpoint,
                            task.mask, DescribeEndpointWord(task.word))
          : "");
}

std::string DescribeEvent(const lh_record& record) {
  switch (record.kind) {
    case LH_RECORD_CPU_WORD:
      return absl::StrFormat("%s count=%d", DescribeCpuWord(record.a),
                             record.b);
    case LH_RECORD_ENDPOINT_WORD:
      return absl::StrFormat("%d: %s, of %s", record.b,
                             DescribeEndpointWord(record.a),
                             DescribeTask(record.task[0]));
    case LH_RECORD_NR_RUNNING:
      return absl::StrFormat("%+d", static_cast<std::int64_t>(record.a));
    case LH_RECORD_SWITCH:
      return absl::StrFormat("%s -> %s", DescribeTask(record.task[0]),
                             DescribeTask(record.task[1]));
    case LH_RECORD_MARK: {
      const auto what = static_cast<std::uint32_t>(record.a);
      return absl::StrFormat("%d: %s %d %d", record.task[0].pid,
                             what < kMarks.size() ? kMarks[what] : "?",
                             record.a >> 32, record.b);
    }
    case LH_RECORD_CPU_UP:
    case LH_RECORD_CPU_DOWN:
      return absl::StrFormat("%d", record.a);
    default:
      return DescribeTask(record.task[0]);
  }
}

}  // namespace

std::optional<Recording> ReadRecording(const std::string& path,
                                       std::string& error) {
  std::ifstream file(path, std::ios::binary);
  lh_recording header = {};
  file.read(reinterpret_cast<char*>(&header), sizeof(header));
  if (!file || header.magic != LH_RECORDING_MAGIC ||
      header.record_size != sizeof(lh_record) || header.cpus == 0 ||
      header.cpus > 64) {
    error = "not a recording";
    return std::nullopt;
  }
  if (header.lost != 0) {
    error = absl::StrFormat(
        "%d records are lost: give the recorder a larger "
        "capacity",
        header.lost);
    return std::nullopt;
  }
  Recording recording;
  recording.cpus = header.cpus;
  lh_record record;
  while (file.read(reinterpret_cast<char*>(&record), sizeof(record))) {
    recording.records.push_back(record);
  }
  if (recording.records.size() != header.records || file.gcount() != 0) {
    error = "it is cut off";
    return std::nullopt;
  }
  std::sort(recording.records.begin(), recording.records.end(),
            [](const lh_record& one, const lh_record& other) {
              return one.seq < other.seq;
            });
  for (std::size_t at = 0; at < recording.records.size(); ++at) {
    if (recording.records[at].seq != at + 1) {
      error = absl::StrFormat("no record %d", at + 1);
      return std::nullopt;
    }
  }
  if (header.end > header.records) {
    error = "it ends after its last record";
    return std::nullopt;
  }
  recording.records.resize(header.end);
  return recording;
}

std::string Describe(const lh_record& record) {
  std::string text = absl::StrFormat(
      "%d %d.%06d here=%d %s ", record.seq, record.clock / 1000000,
      record.clock % 1000000, record.here, kNames[record.kind]);
  text += DescribeEvent(record);
  if ((record.bits & LH_RECORD_LOCKED) == 0) return text;
  text += absl::StrFormat(
      " | cpu=%d nr=%d delayed=%d curr=%d%s", record.cpu, record.nr_running,
      record.delayed, record.curr,
      (record.bits & LH_RECORD_NEED_RESCHED) != 0 ? " need_resched" : "");
  if ((record.bits & LH_RECORD_EXPORTED) == 0) return text + " no line";
  if (record.kind != LH_RECORD_CPU_WORD) {
    text += absl::StrFormat(" [%s count=%d]", DescribeCpuWord(record.word),
                            record.count);
  }
  return text;
}

bool Concerns(const lh_record& record, const lh_record& other) {
  const bool locked = (record.bits & other.bits & LH_RECORD_LOCKED) != 0;
  return (locked && record.cpu == other.cpu) ||
         (record.task[0].pid != 0 && record.task[0].pid == other.task[0].pid) ||
         ((record.bits & LH_RECORD_LOCKED) == 0 && record.here == other.here &&
          record.kind == LH_RECORD_ENDPOINT_WORD);
}

}  // namespace lauberhorn::trace
