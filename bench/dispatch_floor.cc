// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// How far a dispatched call is from the floor: a unary call with 64 bytes each
// way, from a packet that is ready at the engine's wire on one core, through
// the library's worker and an echo handler on the other, to the reply's packet
// at the wire. bench/dispatch_rig.h has who does what; bench/columns.h, how
// rounds are compared. No socket, no network, no conversion of messages.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/columns.h"
#include "bench/dispatch_rig.h"
#include "bench/seconds_argument.h"
#include "bench/statistics.h"
#include "bench/syscall_counter.h"

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kHelp[] =
    "usage: dispatch_floor [SECONDS]\n"
    "Measures a 64-byte call, engine to worker to engine, between CPU 0 and\n"
    "CPU 1, in multiples of a two-line echo, for SECONDS (20).\n";

constexpr std::size_t kWindows[] = {1, 2, 4, 8};  // up to a session's slots
constexpr std::size_t kWindowCount = std::size(kWindows);

struct Round {
  Distance distance;
  double floor;
  double calls[kWindowCount];  // ns of one, by window
  std::vector<double> each;    // ns of each, one at a time
};

double FloorOf(const Round& round) { return round.floor; }
double BounceOf(const Round& round) { return round.distance.before; }
double FloorsOf(const Round& round) { return round.calls[0] / round.floor; }

std::vector<double> CallsOf(const std::vector<Round>& rounds,
                            std::size_t which) {
  return Each(rounds,
              [which](const Round& round) { return round.calls[which]; });
}

// p99 and p50 of all single calls of a column.
std::pair<double, double> Percentiles(const std::vector<Round>& rounds) {
  std::vector<double> all;
  for (const Round& round : rounds) {
    all.insert(all.end(), round.each.begin(), round.each.end());
  }
  return {Percentile(all, 0.99), Percentile(all, 0.5)};
}

double BestMrps(const std::vector<Round>& rounds) {
  double best = 0;
  for (std::size_t which = 0; which < kWindowCount; ++which) {
    best = std::max(best, 1e3 / RangeOf(CallsOf(rounds, which)).median);
  }
  return best;
}

void PrintColumn(const char* name, const std::vector<Round>& rounds) {
  std::printf("\n%s: %zu rounds\n", name, rounds.size());
  if (rounds.empty()) return;
  std::printf("%-26s %30s %26s %10s\n", "", "ns: median (min..max)",
              "floors: median (min..max)", "million/s");
  const auto print = [](const std::string& row, Range ns) {
    std::printf("%-26s %10.1f (%7.1f..%8.1f)", row.c_str(), ns.median, ns.least,
                ns.most);
  };
  print("bounce of one line", RangeOf(Each(rounds, BounceOf)));
  std::printf("\n");
  print("two-line floor", RangeOf(Each(rounds, FloorOf)));
  std::printf("\n");
  for (std::size_t which = 0; which < kWindowCount; ++which) {
    const Range ns = RangeOf(CallsOf(rounds, which));
    const Range floors = RangeOf(Each(rounds, [which](const Round& round) {
      return round.calls[which] / round.floor;
    }));
    print("call, window " + std::to_string(kWindows[which]), ns);
    std::printf(" %9.2f (%5.2f..%6.2f) %10.2f\n", floors.median, floors.least,
                floors.most, 1e3 / ns.median);
  }
  const auto [p99, p50] = Percentiles(rounds);
  std::printf("each call, clock included: p50 %.0f ns, p99 %.0f ns\n", p50,
              p99);
}

Columns<Round> Measure(DispatchRig& rig, double seconds) {
  constexpr int kBounces = 200;
  constexpr int kExchanges = 500;  // short beside a time slice
  constexpr std::size_t kCalls = 500;
  rig.Bounce(kBounces);
  rig.Echo(kExchanges);
  rig.Calls(2000, 1);  // warms up
  Columns<Round> columns;
  const Clock::time_point start = Clock::now();
  int told = 0;
  for (;;) {
    const double passed =
        std::chrono::duration<double>(Clock::now() - start).count();
    if (passed >= seconds) return columns;
    if (passed >= told + 5) {
      told += 5;
      std::fprintf(stderr, "dispatch_floor: %d of %.0f s\n", told, seconds);
    }
    Round round;
    round.distance.before = rig.Bounce(kBounces);
    const long switches = rig.switches();  // NOLINT(runtime/int)
    round.floor = rig.Echo(kExchanges);
    for (std::size_t which = 0; which < kWindowCount; ++which) {
      round.calls[which] = rig.Calls(kCalls, kWindows[which]);
    }
    rig.EachCall(kCalls, &round.each);
    round.distance.after = rig.Bounce(kBounces);
    round.distance.switched_out = rig.switches() != switches;
    columns.Add(std::move(round));
  }
}

// What runs in the child whose system calls are counted.
constexpr std::size_t kCountedCalls = 2000;

int CountedCalls() {
  const auto rig = DispatchRig::Start();
  if (!rig.ok()) return 1;
  (*rig)->Calls(kCountedCalls, 1);
  BeginCounting();
  (*rig)->Calls(kCountedCalls, 1);
  EndCounting();
  return 0;
}

int Main(int argc, char** argv) {
  double seconds = 20;
  if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
    return code;
  }

  const absl::StatusOr<std::uint64_t> syscalls = CountSyscalls(CountedCalls);
  if (!syscalls.ok()) {
    std::fprintf(stderr, "dispatch_floor: %s\n",
                 syscalls.status().ToString().c_str());
    return 1;
  }
  const auto rig = DispatchRig::Start();
  if (!rig.ok()) {
    std::fprintf(stderr, "dispatch_floor: %s\n",
                 rig.status().ToString().c_str());
    return 1;
  }
  const Columns<Round> columns = Measure(**rig, seconds);
  std::printf(
      "%zu rounds; %zu not counted, as the cores moved or were shared\n",
      columns.near().size() + columns.far().size() + columns.dropped(),
      columns.dropped());
  PrintColumn("near", columns.near());
  PrintColumn("far", columns.far());
  if (columns.empty()) {
    std::fputs("dispatch_floor: no round was steady; try a quieter machine\n",
               stderr);
    return 1;
  }
  std::printf("\nThe figures are of the %s column%s.\n",
              columns.UsesNear() ? "near" : "far",
              columns.UsesNear()
                  ? ""
                  : ": the cores were hardly ever near in this run");
  const std::vector<Round>& chosen = columns.chosen();
  const auto [p99, p50] = Percentiles(chosen);
  PrintFigure("dispatch_64B_floors", RangeOf(Each(chosen, FloorsOf)).median,
              "floors");
  PrintFigure("dispatch_64B_p99_over_p50", p99 / p50, "ratio");
  PrintFigure("dispatch_64B_mrps", BestMrps(chosen), "million/s");
  PrintFigure("dispatch_allocations_per_rpc",
              static_cast<double>((*rig)->allocations()) /
                  static_cast<double>((*rig)->calls()),
              "allocations");
  PrintFigure("dispatch_syscalls_per_rpc",
              static_cast<double>(*syscalls) / kCountedCalls, "calls");
  return 0;
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
