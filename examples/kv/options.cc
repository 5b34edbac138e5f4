// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The command lines of server and client; apart, because the library that reads
// them takes longer to compile than all the rest.
#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace {

constexpr long kDayMs = 24L * 60 * 60 * 1000;

void Parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
}

// Of an option that is given twice, also in commands.
void LastOneCounts(CLI::App& app) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

}  // namespace

ServerOptions ParseServerOptions(int argc, char** argv) {
  ServerOptions options;
  CLI::App app("Keeps values by key, in memory.");
  LastOneCounts(app);
  app.add_option("--listen", options.address,
                 "Where: host:port; port 0 is any free one")
      ->capture_default_str();
  app.add_option("--slow-scan-ms", options.slow_scan_ms,
                 "Pause so long before each key of a scan")
      ->check(CLI::Range(0L, kDayMs))
      ->capture_default_str();
  Parse(app, argc, argv);
  return options;
}

ClientOptions ParseClientOptions(int argc, char** argv) {
  ClientOptions options;
  CLI::App app("Sets and reads values of a key-value server.");
  app.footer(
      "Exits with 0, or with the number of the status: 3 INVALID_ARGUMENT,\n"
      "4 DEADLINE_EXCEEDED, 5 NOT_FOUND, 9 FAILED_PRECONDITION, 10 ABORTED,\n"
      "14 UNAVAILABLE; with 100 or more if the command line is wrong.");
  LastOneCounts(app);
  app.add_option("--target", options.target, "The server: host:port")
      ->capture_default_str();
  app.add_option("--deadline-ms", options.deadline_ms,
                 "Give up after so many milliseconds; 0: never")
      ->check(CLI::Range(0L, kDayMs))
      ->capture_default_str();
  app.require_subcommand(1);
  app.fallthrough();  // --target may stand behind the command, too

  CLI::App* put = app.add_subcommand("put", "Set a value, print its version");
  put->add_option("KEY", options.key)->required();
  put->add_option("VALUE", options.value)->required();
  put->add_option("--expected-version", options.expected_version,
                  "Only if this is the key's version; 0: only a new key")
      ->check(CLI::NonNegativeNumber);
  put->callback([&] { options.command = ClientOptions::Command::kPut; });

  CLI::App* get = app.add_subcommand("get", "Print the value of a key");
  get->add_option("KEY", options.key)->required();
  get->add_flag("--versions", options.versions, "Print its version before it");
  get->callback([&] { options.command = ClientOptions::Command::kGet; });

  CLI::App* scan =
      app.add_subcommand("scan", "Print keys and values, in order of the keys");
  scan->add_option("PREFIX", options.prefix, "Only keys that begin with this");
  scan->add_option("--limit", options.limit, "At most so many; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  scan->add_flag("--versions", options.versions, "Print versions between them");
  scan->callback([&] { options.command = ClientOptions::Command::kScan; });

  Parse(app, argc, argv);
  return options;
}
