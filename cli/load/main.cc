// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// lauberhorn-load: calls a method of any service of this library, at a rate or
// as fast as it goes, and says how long the calls took.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/load/latency_plot.h"
#include "cli/load/load_run.h"
#include "cli/load/progress_line.h"
#include "cli/load/queue_caller.h"
#include "cli/load/request_body.h"
#include "cli/load/summary.h"

namespace lauberhorn::cli {
namespace {

// What the tool exits with.
enum ExitCode : int {
  kAllWell = 0,
  kNotMeasured = 1,
  kWrongUsage = 2,
  kCallsFailed = 3,  // or were not sent
};

struct Options {
  LoadTitle title;
  TextRequest text;
  std::string hex;
  std::string body_file;
  double fixed_rate = 0;
  double poisson_rate = 0;
  std::uint32_t outstanding = 0;
  double deadline = 10;
  std::string hgrm;
  std::string csv;
  std::string svg;
};

Progress& TheProgress() {
  static auto& progress = *new Progress;
  return progress;
}

// The first ^C ends the load and the second the tool.
void StopAtInterrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    TheProgress().stop.store(true, std::memory_order_relaxed);
  };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

absl::StatusOr<std::string> Body(const Options& options) {
  if (!options.body_file.empty()) return BodyFromFile(options.body_file);
  if (!options.text.proto.empty()) return BodyFromText(options.text);
  return BodyFromHex(options.hex);
}

// Whether a load can be made of calls like the first one; if not, what to do.
absl::Status CheckFirstCall(const absl::Status& status,
                            const LoadTitle& title) {
  const std::string first =
      absl::StrCat("the first call of ", title.method, " at ", title.target);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return absl::UnavailableError(absl::StrCat(
          first, " had no answer: ", status.message(),
          "\nStart the server, or name the address that it says it listens "
          "at. It must be built with this library: gRPC's own servers do not "
          "understand it."));
    case absl::StatusCode::kUnimplemented:
      return absl::NotFoundError(absl::StrCat(
          status.message(),
          "\nName a method in full, /package.Service/Method; `lauberhorn stat` "
          "of the server's process lists those that it serves."));
    case absl::StatusCode::kOk:
      return status;
    default:
      std::cerr << "lauberhorn-load: " << first
                << " failed, so others may: " << status.ToString() << "\n";
      return absl::OkStatus();
  }
}

absl::Status Write(const std::string& path, const std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("cannot write all of ", path, ": ", std::strerror(errno)));
}

// Before minutes of calls are made for nothing.
absl::Status CheckFiles(const Options& options) {
  for (const std::string& path : {options.hgrm, options.csv, options.svg}) {
    absl::Status status = Write(path, "");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status WriteFiles(const Options& options, const LoadResult& result) {
  absl::Status status = Write(options.hgrm, PercentileDistribution(result.ok));
  status.Update(Write(options.csv, SummaryCsv(options.title, result)));
  status.Update(Write(
      options.svg,
      LatencyPlot(absl::StrCat("Latency of ", options.title.method),
                  absl::StrCat(DescribeLoad(options.title.load), ", ",
                               options.title.body_size, "-byte requests, ",
                               result.ok.count(), " calls"),
                  result.ok)));
  return status;
}

absl::StatusOr<LoadResult> Measure(Options& options) {
  auto body = Body(options);
  if (!body.ok()) return body.status();
  options.title.body_size = body->size();
  absl::Status files = CheckFiles(options);
  if (!files.ok()) return files;
  LoadTitle& title = options.title;
  auto caller = QueueCaller::Create(
      {title.target, title.method, *std::move(body),
       absl::Seconds(options.deadline), title.load.outstanding});
  if (!caller.ok()) return caller.status();
  absl::Status first = CheckFirstCall((*caller)->CallOnce(), title);
  if (!first.ok()) return first;
  StopAtInterrupt();
  const ProgressLine line(TheProgress(),
                          title.load.warmup + title.load.seconds);
  return RunLoad(title.load, **caller, TheProgress());
}

int Run(Options& options) {
  const absl::StatusOr<LoadResult> result = Measure(options);
  absl::Status status = result.status();
  if (status.ok()) {
    std::cout << SummaryText(options.title, *result);
    status = WriteFiles(options, *result);
  }
  if (!status.ok()) {
    std::cerr << "lauberhorn-load: " << status.message() << "\n";
    return kNotMeasured;
  }
  return result->failed.count() > 0 || result->unsent > 0 ? kCallsFailed
                                                          : kAllWell;
}

void Declare(CLI::App& app, Options& options) {
  LoadTitle& title = options.title;
  app.add_option("TARGET", title.target, "the server, like localhost:50051")
      ->required();
  app.add_option("METHOD", title.method,
                 "its full name: /package.Service/Method")
      ->required()
      ->check(
          [](const std::string& name) {
            const std::size_t slash = name.rfind('/');
            const bool good = !name.empty() && name[0] == '/' && slash > 1 &&
                              slash + 1 < name.size() && name.size() <= 255;
            return good ? ""
                        : absl::StrCat("'", name,
                                       "' is not like /package.Service/Method");
          },
          "");

  CLI::Option* const hex =
      app.add_option("--hex", options.hex,
                     "the request's bytes in hexadecimal; default: none");
  CLI::Option* const file = app.add_option("--body-file", options.body_file,
                                           "the request's bytes, in a file");
  CLI::Option* const message = app.add_option(
      "--message", options.text.text,
      "the request as text of Protocol Buffers, like 'name: \"you\"'");
  CLI::Option* const proto = app.add_option(
      "--proto", options.text.proto, "the .proto file that has the service");
  app.add_option("--import-path", options.text.import_paths,
                 "where it and its imports are; default: its folder")
      ->needs(proto);
  message->needs(proto)->excludes(hex)->excludes(file);
  proto->excludes(hex)->excludes(file);
  hex->excludes(file);

  CLI::Option* const fixed = app.add_option("--rate", options.fixed_rate,
                                            "so many calls per second, evenly");
  CLI::Option* const poisson =
      app.add_option("--poisson", options.poisson_rate,
                     "so many calls per second, at random times");
  fixed->check(CLI::Range(0.001, 1e8))->excludes(poisson);
  poisson->check(CLI::Range(0.001, 1e8));
  app.add_option("--outstanding", options.outstanding,
                 "calls under way: always so many (default 1), or with a rate "
                 "at most (4096)")
      ->check(CLI::Range(1u, QueueCaller::kMostOutstanding));
  app.add_option("--duration", title.load.seconds, "seconds that are measured")
      ->default_val(10)
      ->check(CLI::Range(0.001, 1e6));
  app.add_option("--warmup", title.load.warmup, "seconds before them")
      ->default_val(1)
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--deadline", options.deadline,
                 "of each call, in seconds from when it is sent")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1e6));
  app.add_option("--seed", title.load.seed, "of the random times")
      ->capture_default_str();

  app.add_option("--hgrm", options.hgrm,
                 "write percentiles here, as HdrHistogram does");
  app.add_option("--csv", options.csv, "write the results here");
  app.add_option("--svg", options.svg, "draw the latencies here");
}

// What follows from several options.
void Complete(Options& options) {
  LoadOptions& load = options.title.load;
  options.text.method = options.title.method;
  if (options.fixed_rate > 0) {
    load.arrivals = Arrivals::kFixed;
    load.rate = options.fixed_rate;
  } else if (options.poisson_rate > 0) {
    load.arrivals = Arrivals::kPoisson;
    load.rate = options.poisson_rate;
  }
  load.outstanding = options.outstanding > 0              ? options.outstanding
                     : load.arrivals == Arrivals::kClosed ? 1
                                                          : 4096;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Calls a method of a service, and says how long calls took.");
  app.set_version_flag("--version", LAUBERHORN_VERSION);
  app.footer(
      "A rate is an open loop: a call's latency counts from when it was due.\n"
      "Exits with 0, or 1: nothing was measured, 2: wrong usage, 3: calls "
      "failed or\nwere not sent. `man lauberhorn-load` has more.");
  Declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kAllWell : kWrongUsage;
  }
  Complete(options);
  return Run(options);
}

}  // namespace
}  // namespace lauberhorn::cli

int main(int argc, char** argv) { return lauberhorn::cli::Main(argc, argv); }
