// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The command lines of server and client; apart, because the library that reads
// them takes longer to compile than all the rest.
#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace {

void Parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
}

}  // namespace

ServerOptions ParseServerOptions(int argc, char** argv) {
  ServerOptions options;
  CLI::App app("Greets whoever calls.");
  app.add_option("--listen", options.address,
                 "Where: host:port, of which 0 is any free one, or unix:path")
      ->capture_default_str();
  Parse(app, argc, argv);
  return options;
}

ClientOptions ParseClientOptions(int argc, char** argv) {
  ClientOptions options;
  CLI::App app(
      "Asks to be greeted, and prints the greeting; with --requests, how long "
      "that takes.");
  app.add_option("--target", options.target, "The server: host:port, unix:path")
      ->capture_default_str();
  app.add_option("--name", options.name, "Who is to be greeted")
      ->capture_default_str();
  app.add_option("--requests", options.requests,
                 "Measure so many calls, one after the other in each thread")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--warmup", options.warmup,
                 "Calls of each thread before the measurement")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "Threads that call, which share the requests")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--deadline-ms", options.deadline_ms,
                 "Give up a call after so many milliseconds; 0: never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--interval-ms", options.interval_ms,
                 "Pause so long after each measured call")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--keep-going", options.keep_going,
               "Count calls that fail instead of stopping at the first");
  app.add_option("--csv", options.csv, "Write the latencies to this file");
  Parse(app, argc, argv);
  return options;
}
