// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/top.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/json.h"

namespace lauberhorn::cli {
namespace {

using google::protobuf::Struct;

constexpr std::uint32_t kMaxCpus = 1024;  // that are believed

// What happened in the time between two looks.
class Change {
 public:
  explicit Change(const Looks& looks)
      : now_(Object(looks.now, "counters")),
        before_(Object(looks.before, "counters")) {
    const double time =
        Number(looks.now, "time_ns") - Number(looks.before, "time_ns");
    seconds_ = looks.before.fields().empty() ? 0 : std::max(time, 1.0) / 1e9;
  }

  double Count(const std::string& counter) const {
    return std::max(0.0, Number(now_, counter) - Number(before_, counter));
  }
  // In a second; since the beginning if there is no earlier look.
  double Rate(const std::string& counter) const {
    return seconds_ == 0 ? Count(counter) : Count(counter) / seconds_;
  }

 private:
  const Struct& now_;
  const Struct& before_;
  double seconds_;
};

std::string NameOf(const Struct& report) {
  return absl::StrFormat("%s(%d)",
                         Printable(At(report, "program").string_value()),
                         static_cast<std::int64_t>(Number(report, "pid")));
}

void AddCpus(const std::vector<Looks>& processes, std::string& screen) {
  std::map<std::uint32_t, std::string> threads;
  std::uint32_t cpus = 0;
  for (const Looks& looks : processes) {
    const double known = Number(looks.now, "machine_cpus");
    if (known > cpus && known <= kMaxCpus) {
      cpus = static_cast<std::uint32_t>(known);
    }
    for (const auto& [name, endpoint] : Object(looks.now, "cpus").fields()) {
      std::uint32_t cpu;
      if (!absl::SimpleAtoi(name, &cpu)) continue;
      threads[cpu] = absl::StrFormat("%s, endpoint %.0f", NameOf(looks.now),
                                     endpoint.number_value());
    }
  }
  if (cpus == 0) return;
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    const auto found = threads.find(cpu);
    absl::StrAppendFormat(&screen, "CPU %-3d %s\n", cpu,
                          found == threads.end() ? "-" : found->second);
  }
  screen += "\n";
}

std::string Percent(double part, double whole) {
  return whole == 0 ? "-" : absl::StrFormat("%.0f", 100 * part / whole);
}

void AddProcess(const Looks& looks, std::string& screen) {
  const Change change(looks);
  // Each call that a thread got came to it by one of these.
  const double staged = change.Count("calls_staged");
  const double run = change.Count("calls_run");
  const double woken =
      std::max(0.0, change.Count("calls_delivered_wake") - run);
  const double direct = change.Count("calls_delivered");
  const double all = direct + run + woken + staged;
  absl::StrAppendFormat(
      &screen, "%-24s %9.0f %7s %6s %6s %7s %8.0f %7.0f %9.0f %7.0f\n",
      NameOf(looks.now), change.Rate("calls_arrived"), Percent(direct, all),
      Percent(run, all), Percent(woken, all), Percent(staged, all),
      change.Rate("calls_queued"), Number(looks.now, "queued"),
      change.Rate("preempts"), change.Rate("outgoing_calls"));
}

}  // namespace

std::string TopScreen(const std::vector<Looks>& processes) {
  std::string screen;
  AddCpus(processes, screen);
  absl::StrAppendFormat(&screen, "%-24s %9s %7s %6s %6s %7s %8s %7s %9s %7s\n",
                        "PROCESS", "CALLS/s", "DIRECT%", "RUN%", "WAKE%",
                        "STAGED%", "QUEUED/s", "WAITING", "PREEMPT/s", "OWN/s");
  std::vector<const Looks*> order;
  for (const Looks& looks : processes) order.push_back(&looks);
  std::stable_sort(order.begin(), order.end(),
                   [](const Looks* one, const Looks* other) {
                     return Change(*one).Rate("calls_arrived") >
                            Change(*other).Rate("calls_arrived");
                   });
  for (const Looks* const looks : order) AddProcess(*looks, screen);
  if (processes.empty()) screen += "nobody runs this library\n";
  return screen;
}

}  // namespace lauberhorn::cli
