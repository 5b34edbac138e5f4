// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/settings.h"

#include <CLI/CLI.hpp>
#include <ostream>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::daemon {
namespace {

constexpr char kAbout[] =
    "The NIC of a soft device of Lauberhorn's kernel module: serves the "
    "processes that attach, and dispatches their calls to CPUs.\n";

// Read if it is there.
constexpr char kConfig[] = "/etc/lauberhorn/lauberhornd.conf";

void AddOptions(CLI::App& app, Settings& settings,
                std::vector<std::string>& rules) {
  Geometry& geometry = settings.daemon.geometry;
  app.add_option("--device", settings.device, "the node to attach to")
      ->capture_default_str();
  const auto number = [&](const char* name, std::uint32_t& value,
                          std::uint32_t least, std::uint32_t most,
                          const char* text) {
    app.add_option(name, value, text)
        ->check(CLI::Range(least, most))
        ->capture_default_str();
  };
  number("--processes", geometry.processes, 1, 65'536,
         "that may be attached at a time");
  number("--endpoints", geometry.endpoints, 1, 65'535,
         "of each process: one for each thread that calls or serves");
  number("--slots", geometry.slots, 2, 1024, "of each lane of an endpoint");
  number("--arrived", geometry.arrived, 1, 1 << 20,
         "calls of others that a process may have in work");
  number("--own", geometry.own, 1, 1 << 20,
         "calls of its own that a process may have open");
  app.add_option("--rule", rules,
                 "on what terms processes are served, such as 'user=www-data "
                 "weight=4', 'exe=/usr/bin/batch calls=64', 'user=guest "
                 "refuse'; the first that fits decides")
      ->allow_extra_args(false);
  app.add_flag("--spin", geometry.spin,
               "never sleep: it takes a CPU of its own");
  app.add_option("--log-level", settings.log_level, "what is written to stderr")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  app.add_flag("--check-config", settings.check_config,
               "say what would be laid out, and end")
      ->configurable(false);
}

// What no option can see by itself.
absl::Status Check(const Geometry& geometry) {
  constexpr std::uint64_t kLargest = std::uint64_t{256} << 20;
  constexpr std::uint64_t kMostEndpoints =
      (std::uint64_t{1} << LH_CPU_ENDPOINT_BITS) - 2;
  if (std::uint64_t{geometry.processes} * geometry.endpoints > kMostEndpoints) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--processes times --endpoints is more than ", kMostEndpoints));
  }
  const lh_nic_attach attach = AttachOf(geometry);
  if (attach.part_size > kLargest || attach.device_size > kLargest) {
    return absl::InvalidArgumentError(
        absl::StrCat(Describe(geometry), "; neither may be more than 256 MiB"));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<int> ReadSettings(int argc, const char* const* argv,
                                Settings* settings, std::ostream& out,
                                std::ostream& error) {
  CLI::App app(kAbout, "lauberhornd");
  std::vector<std::string> rules;
  app.set_version_flag("--version", LAUBERHORN_VERSION);
  app.set_config("--config", kConfig, "a file with these options, one a line");
  app.allow_config_extras(CLI::config_extras_mode::error);
  AddOptions(app, *settings, rules);
  app.footer(absl::StrCat("It lays out ", Describe(Geometry()), ", as ",
                          "defaults. See lauberhornd(8)."));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong, out, error) == 0 ? kExitOk : kExitUsage;
  }
  const auto refuse = [&](const absl::Status& status) {
    error << "lauberhornd: " << status.message() << "\n";
    return kExitUsage;
  };
  for (const std::string& rule : rules) {
    const absl::Status status = settings->daemon.rules.Add(rule);
    if (!status.ok()) return refuse(status);
  }
  settings->daemon.geometry.cpus = PossibleCpus();
  const absl::Status status = Check(settings->daemon.geometry);
  if (!status.ok()) return refuse(status);
  if (!settings->check_config) return std::nullopt;
  out << Describe(settings->daemon.geometry) << "; " << rules.size()
      << " rules\n";
  return kExitOk;
}

}  // namespace lauberhorn::nic::daemon
