// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/watch/table.h"

#include <algorithm>
#include <utility>

#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace lauberhorn::cli {
namespace {

// Digits, words and shares stand under these.
constexpr char kCpuHeading[] =
    " CPU  runs             queue  class     changes/s  departs/s"
    "    idle kernel  other  bound    off   last looks";
constexpr char kEndpointHeading[] =
    " endpoint  generation  state     on CPU  may run on     "
    "   on CPU   waits  parked blocked";

std::string Runs(const nic::CpuWord& word) {
  switch (word.mode) {
    case LH_CPU_OFFLINE:
      return "offline";
    case LH_CPU_IDLE:
      return (word.flags & LH_CPU_FLAG_FORCED_IDLE) != 0 ? "idle (forced)"
                                                         : "idle";
    case LH_CPU_IDLE_WAIT:
      return "idle, waits";
    case LH_CPU_KERNEL:
      return "kernel thread";
    case LH_CPU_OTHER:
      return "other thread";
    case LH_CPU_BOUND:
      return absl::StrCat("endpoint ", std::int64_t{word.endpoint} - 1);
    default:
      return "?";
  }
}

const char* Class(const nic::CpuWord& word) {
  constexpr const char* kNames[] = {"idle", "fair", "realtime", "other"};
  return word.mode == LH_CPU_OFFLINE ? "" : kNames[word.scheduling_class];
}

// How many are runnable, and a mark if schedule() was asked for.
std::string Queue(const nic::CpuWord& word) {
  if (word.mode == LH_CPU_OFFLINE) return "";
  constexpr unsigned kMore = (1u << LH_CPU_NR_BITS) - 1;
  return absl::StrCat(word.nr == kMore ? ">=" : "", word.nr,
                      word.need_resched() ? "!" : "");
}

const char* State(std::uint32_t state) {
  constexpr const char* kNames[] = {"unbound", "runnable", "parked", "blocked",
                                    "dead"};
  return state < std::size(kNames) ? kNames[state] : "?";
}

// Nothing where there was nothing: the eye finds what there was.
std::string Percent(double share) {
  if (share == 0) return "      ";
  return absl::StrFormat("%5.1f%%", share * 100);
}

// A row without a strip.
Row Plain(Row::Kind kind, std::string text) {
  const std::size_t size = text.size();
  return {kind, std::move(text), size};
}
Row Text(std::string text) { return Plain(Row::Kind::kText, std::move(text)); }
Row Heading(std::string text) {
  return Plain(Row::Kind::kHeading, std::move(text));
}

Row CpuRow(unsigned number, const Summary::Cpu& cpu) {
  std::string text = absl::StrFormat(
      "%4d%c %-16s%5s  %-8s  %9.0f  %9.0f ", number, cpu.watches ? '*' : ' ',
      Runs(cpu.last.word), Queue(cpu.last.word), Class(cpu.last.word),
      cpu.changes_per_second, cpu.departures_per_second);
  for (const double share : cpu.shares) {
    absl::StrAppend(&text, " ", Percent(share));
  }
  absl::StrAppend(&text, "   ");
  const std::size_t strip = text.size();
  absl::StrAppend(&text, cpu.strip);
  return {Row::Kind::kText, std::move(text), strip};
}

// Who left last: from which a NIC takes back what they did not take.
std::string Departed(unsigned number, const Summary::Cpu& cpu) {
  std::string text;
  for (const std::uint32_t endpoint : cpu.last.departed) {
    if (endpoint == 0) break;
    absl::StrAppend(&text, text.empty() ? "" : " ", endpoint - 1);
  }
  return text.empty() ? text : absl::StrFormat("%4d  %s", number, text);
}

Row EndpointRow(const Summary::Endpoint& endpoint) {
  std::string text = absl::StrFormat(
      "%9d  %10d  %-8s  %6s  %-16s", endpoint.index, endpoint.last.generation,
      State(endpoint.last.state),
      endpoint.cpu.has_value() ? absl::StrCat(*endpoint.cpu) : "-",
      endpoint.cpus);
  for (const double share : endpoint.shares) {
    absl::StrAppend(&text, "  ", Percent(share));
  }
  return Text(std::move(text));
}

}  // namespace

Table TableOf(const Summary& summary) {
  std::vector<Row> rows;
  rows.push_back(Plain(
      Row::Kind::kTitle,
      absl::StrFormat("lauberhorn-watch: %d looks in %.1f s, %d endpoints",
                      summary.looks, absl::ToDoubleSeconds(summary.time),
                      summary.endpoints.size())));
  rows.push_back(Text(""));
  rows.push_back(Heading(kCpuHeading));
  for (unsigned cpu = 0; cpu < summary.cpus.size(); ++cpu) {
    rows.push_back(CpuRow(cpu, summary.cpus[cpu]));
  }
  rows.push_back(Text(absl::StrCat(
      "      . idle  k kernel thread  o other thread  # endpoint  - offline"
      "   * looks from there, and sees itself")));
  rows.push_back(Text(""));
  rows.push_back(Heading(" CPU  endpoints that departed, the last one first"));
  for (unsigned cpu = 0; cpu < summary.cpus.size(); ++cpu) {
    std::string text = Departed(cpu, summary.cpus[cpu]);
    if (!text.empty()) rows.push_back(Text(std::move(text)));
  }
  rows.push_back(Text(""));
  rows.push_back(Heading(kEndpointHeading));
  const std::size_t head_rows = rows.size();
  for (const Summary::Endpoint& endpoint : summary.endpoints) {
    rows.push_back(EndpointRow(endpoint));
  }
  return {std::move(rows), head_rows};
}

}  // namespace lauberhorn::cli
