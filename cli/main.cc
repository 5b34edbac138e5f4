// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// lauberhorn: looks into processes that run the library, and at the machine.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/doctor.h"
#include "cli/process.h"
#include "cli/schedule.h"
#include "cli/stat.h"
#include "cli/top.h"
#include "cli/trace.h"

namespace {

using google::protobuf::Struct;
using lauberhorn::cli::Engine;

struct Options {
  std::string process;
  double watch = 0;
  double interval = 1;
  int screens = 0;
  bool json = false;
  bool all = false;
  double seconds = 1;
  bool schedule = false;
  std::string output = "trace.json";
};

absl::Status Doctor(const Options& options) {
  const lauberhorn::cli::Diagnosis diagnosis = lauberhorn::cli::Diagnose("");
  if (options.json) {
    std::cout << lauberhorn::cli::DiagnosisJson(diagnosis) << "\n";
  } else {
    std::cout << lauberhorn::cli::DiagnosisText(diagnosis);
  }
  for (const lauberhorn::cli::Finding& finding : diagnosis.findings) {
    if (finding.state == lauberhorn::cli::Finding::kWrong) {
      return absl::FailedPreconditionError("something is wrong, as said above");
    }
  }
  return absl::OkStatus();
}

absl::Status List() {
  const std::vector<Engine> engines = lauberhorn::cli::ListEngines();
  std::cout << absl::StrFormat("%8s  %-16s  %s\n", "PID", "PROGRAM", "SOCKET");
  for (const Engine& engine : engines) {
    std::cout << absl::StrFormat("%8d  %-16s  %s\n", engine.pid, engine.program,
                                 engine.path);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Report(const Engine& engine) {
  std::string report;
  const absl::Status status =
      lauberhorn::cli::Ask(engine, "stat", [&](const std::string& line) {
        report = line;
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return report;
}

absl::Status Stat(const Options& options) {
  // Whoever is not named is all that there are.
  std::vector<Engine> engines = lauberhorn::cli::ListEngines();
  if (!options.process.empty()) {
    absl::StatusOr<std::vector<Engine>> found =
        lauberhorn::cli::FindEngines(options.process);
    if (!found.ok()) return found.status();
    engines = *std::move(found);
  }
  if (engines.empty()) {
    return absl::NotFoundError("no process of yours runs this library");
  }
  std::vector<std::optional<Struct>> before(engines.size());
  for (;;) {
    for (std::size_t at = 0; at < engines.size(); ++at) {
      const absl::StatusOr<std::string> report = Report(engines[at]);
      if (!report.ok()) return report.status();
      const auto parsed = lauberhorn::cli::ParseJson(*report);
      if (!parsed.ok()) return parsed.status();
      if (options.json) {
        std::cout << *report << "\n";
        continue;
      }
      const Struct& now = parsed->struct_value();
      std::cout << (at == 0 ? "" : "\n")
                << lauberhorn::cli::StatTable(
                       now, before[at].has_value() ? &*before[at] : nullptr,
                       options.all);
      before[at] = now;
    }
    std::cout.flush();
    if (options.watch == 0 || !std::cout) return absl::OkStatus();
    std::this_thread::sleep_for(std::chrono::duration<double>(options.watch));
    if (!options.json) std::cout << "\n";
  }
}

// The reports of those who still are there.
std::map<std::string, Struct> Reports(const std::vector<Engine>& engines) {
  std::map<std::string, Struct> reports;
  for (const Engine& engine : engines) {
    const absl::StatusOr<std::string> report = Report(engine);
    if (!report.ok()) continue;
    auto parsed = lauberhorn::cli::ParseJson(*report);
    if (parsed.ok()) reports[engine.path] = std::move(*parsed).struct_value();
  }
  return reports;
}

// Whoever comes meanwhile is shown, too.
absl::Status Top(const Options& options) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  std::map<std::string, Struct> before;
  for (int screen = 0; options.screens == 0 || screen < options.screens;
       ++screen) {
    if (screen > 0) {
      std::this_thread::sleep_for(
          std::chrono::duration<double>(options.interval));
    }
    std::map<std::string, Struct> now = Reports(lauberhorn::cli::ListEngines());
    std::vector<lauberhorn::cli::Looks> looks;
    for (const auto& [path, report] : now)
      looks.push_back({before[path], report});
    // From the upper left corner, on an empty screen.
    if (terminal) std::cout << "\033[H\033[J";
    std::cout << lauberhorn::cli::TopScreen(looks) << (terminal ? "" : "\n")
              << std::flush;
    if (!std::cout) return absl::OkStatus();
    before = std::move(now);
  }
  return absl::OkStatus();
}

absl::Status Trace(const Options& options) {
  const auto engines = lauberhorn::cli::FindEngines(options.process);
  if (!engines.ok()) return engines.status();
  if (engines->size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", options.process, "' is ", engines->size(),
        " engines; `lauberhorn list` shows them; name one process"));
  }
  std::ofstream output(options.output);
  if (!output) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write to ", options.output));
  }
  lauberhorn::cli::ChromeTrace trace;
  std::unique_ptr<lauberhorn::cli::ScheduleRecorder> recorder;
  if (options.schedule) {
    auto started = lauberhorn::cli::ScheduleRecorder::Start();
    if (!started.ok()) return started.status();
    recorder = *std::move(started);
  }
  const absl::Status status = lauberhorn::cli::Ask(
      engines->front(),
      absl::StrCat("trace ", static_cast<int>(options.seconds * 1e3)),
      [&](const std::string& line) { return trace.Add(line); });
  if (!status.ok()) return status;
  if (recorder != nullptr) trace.AddSchedule(recorder->Stop());
  output << trace.Json();
  output.close();
  if (!output) {
    return absl::DataLossError(
        absl::StrCat("cannot write all of it to ", options.output));
  }
  std::cout << absl::StrFormat("%d records, %.0f lost: %s\n", trace.records(),
                               trace.lost(), options.output);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char* argv[]) {
  Options options;
  CLI::App app(
      "Looks into running processes that use Lauberhorn, and at the machine.");
  app.set_version_flag("--version", LAUBERHORN_VERSION);
  app.require_subcommand(1);
  app.add_subcommand("list", "the processes that can be asked");
  CLI::App* const stat = app.add_subcommand(
      "stat", "what a process counted: by reason, edge, method, endpoint");
  stat->add_option("PROCESS", options.process,
                   "number or name; all of yours if none is given");
  stat->add_option("--watch", options.watch,
                   "again every so many seconds, as rates")
      ->check(CLI::Range(0.1, 86'400.0));
  stat->add_flag("--json", options.json, "the report as JSON, a line for each");
  stat->add_flag("--all", options.all, "counters that are 0, too");
  CLI::App* const top = app.add_subcommand(
      "top", "which CPU runs whose thread, and how calls find theirs");
  top->add_option("--interval", options.interval, "seconds between two looks")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  top->add_option("--screens", options.screens, "end after so many; 0: never")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  CLI::App* const doctor = app.add_subcommand(
      "doctor", "what this machine has, what is missing, and what to do");
  doctor->add_flag("--json", options.json, "as JSON, in one line");
  CLI::App* const trace = app.add_subcommand(
      "trace",
      "the stations of each request, for chrome://tracing or Perfetto");
  trace->add_option("PROCESS", options.process, "number or name")->required();
  trace
      ->add_option("--seconds", options.seconds,
                   "for how long; 0: what LAUBERHORN_TRACE=1 has kept")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
  trace->add_flag("--schedule", options.schedule,
                  "and which threads the CPUs ran meanwhile; for root");
  trace->add_option("-o,--output", options.output, "the file to write")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = stat->parsed()     ? Stat(options)
                              : trace->parsed()  ? Trace(options)
                              : doctor->parsed() ? Doctor(options)
                              : top->parsed()    ? Top(options)
                                                 : List();
  if (status.ok()) return 0;
  std::cerr << "lauberhorn: " << status.message() << "\n";
  return 1;
}
