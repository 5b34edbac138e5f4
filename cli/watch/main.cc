// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// lauberhorn-watch: shows what a NIC sees of each CPU and each endpoint.
//
// It looks many times a second, and sleeps between: what it sees of the CPU
// that it runs on is itself, so it stays on one, and marks that.
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/watch/screen.h"
#include "cli/watch/state_memory.h"
#include "cli/watch/table.h"
#include "cli/watch/tally.h"

namespace {

using lauberhorn::cli::Screen;
using lauberhorn::cli::StateMemory;
using lauberhorn::cli::Table;
using lauberhorn::cli::Tally;

struct Options {
  std::string device = "/dev/lauberhorn-probe";
  double interval = 1;
  unsigned looks = 200;
  unsigned count = 0;
  std::optional<unsigned> cpu;
  bool plain = false;
};

// The first one, if the system does not say.
unsigned ThisCpu() {
  const int cpu = sched_getcpu();
  return cpu < 0 ? 0 : static_cast<unsigned>(cpu);
}

absl::Status StayOn(unsigned cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  if (cpu < CPU_SETSIZE) CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof(only), &only) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("it cannot run on CPU ", cpu, ": ", std::strerror(errno)));
}

absl::Status Watch(const Options& options) {
  absl::Status stays = StayOn(options.cpu.value_or(ThisCpu()));
  if (!stays.ok()) return stays;
  const absl::StatusOr<StateMemory> memory = StateMemory::Open(options.device);
  if (!memory.ok()) return memory.status();
  std::unique_ptr<Screen> screen;
  if (!options.plain) {
    absl::StatusOr<std::unique_ptr<Screen>> opened = Screen::Open();
    if (!opened.ok()) return opened.status();
    screen = *std::move(opened);
  }

  const absl::Duration between = absl::Seconds(1) / options.looks;
  absl::Time due = absl::Now();
  absl::Time shows = due + absl::Seconds(options.interval);
  Tally tally(*memory, due);
  for (unsigned shown = 0;;) {
    tally.Look(ThisCpu());
    const absl::Time now = absl::Now();
    if (now >= shows) {
      const Table table = TableOf(tally.Summarise(now));
      shows = now + absl::Seconds(options.interval);
      ++shown;
      if (screen != nullptr) {
        screen->Show(table);
      } else {
        for (const auto& row : table.rows) std::cout << row.text << "\n";
        std::cout << std::endl;
      }
      if (shown == options.count || !std::cout) return absl::OkStatus();
    }
    if (screen != nullptr && !screen->HandleKeys()) return absl::OkStatus();
    // Late looks are left out, not made up for.
    due = std::max(due + between, now);
    absl::SleepFor(due - now);
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  Options options;
  CLI::App app(
      "Shows what a Linux kernel with Lauberhorn's series tells a NIC: what "
      "each CPU runs, and where the thread of each endpoint is.");
  app.set_version_flag("--version", LAUBERHORN_VERSION);
  app.add_option("--device", options.device, "the probe")
      ->capture_default_str();
  app.add_option("--interval", options.interval,
                 "seconds from one table to the next")
      ->check(CLI::Range(0.05, 86'400.0))
      ->capture_default_str();
  app.add_option("--looks", options.looks, "looks in a second")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--count", options.count, "end after so many tables; 0: never")
      ->capture_default_str();
  app.add_option("--cpu", options.cpu,
                 "look from that CPU instead of the one that it starts on");
  app.add_flag("--plain", options.plain,
               "write lines; so it does if its output is no terminal");
  CLI11_PARSE(app, argc, argv);
  options.plain |= isatty(STDOUT_FILENO) == 0;

  const absl::Status status = Watch(options);
  if (status.ok()) return 0;
  std::cerr << "lauberhorn-watch: " << status.message() << "\n";
  return 1;
}
