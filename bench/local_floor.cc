// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What a call costs between two processes of one machine, in floors: the time
// of a 64-byte echo in two lines, which nothing can beat. The clients run on
// CPU 0 and the servers on CPU 1, each with all of its threads. One way at a
// time, in turns within each round, between two bounces of a line that say how
// far the cores are apart; ratios are made within a round, figures from one
// column.
//
// "Parked" is a call after a pause in which the server went to sleep; the
// client waits awake, or, "both parked", sleeps at once, too. Beside the latter
// are two bare wakes, each by an eventfd, after the same pause.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bench/columns.h"
#include "bench/cpu.h"
#include "bench/echo_peers.h"
#include "bench/floor_partner.h"
#include "bench/seconds_argument.h"
#include "bench/statistics.h"

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kHelp[] =
    "usage: local_floor [SECONDS]\n"
    "Measures echoes between a process on CPU 0 and one on CPU 1 through\n"
    "memory, beside a bare line, a ring and gRPC over a Unix socket, in "
    "turns,\n"
    "for SECONDS (30).\n";

enum Which {
  kLocal,
  kParkedServer,
  kBothParked,
  kEventfd,
  kWindow,
  kRecord,
  kRingRecord,
  kGrpcSync,
  kGrpcQueue,
  kWays
};

struct Way {
  const char* name;
  std::function<std::unique_ptr<Peer>()> make;
  std::size_t calls;       // in a round
  std::size_t window;      // under way at a time
  std::uint32_t pause_us;  // before each call
};

const Way* Ways() {
  static const auto* const ways = new Way[kWays]{
      {"64 B", [] { return MakeLauberhorn(Message::Bytes(64)); }, 200, 1, 0},
      {"64 B, server parked",
       [] {
         return MakeLauberhornWaiting(Message::Bytes(64), absl::Seconds(1));
       },
       10, 1, 300},
      {"64 B, both parked",
       [] {
         return MakeLauberhornWaiting(Message::Bytes(64), absl::ZeroDuration());
       },
       10, 1, 300},
      {"eventfd, both parked", [] { return MakeEventfd(Message::Bytes(64)); },
       10, 1, 300},
      {"64 B, 32 under way",
       [] { return MakeLauberhornQueue(Message::Bytes(64)); }, 2000, 32, 0},
      {"10 fields", [] { return MakeLauberhorn(Message::Record()); }, 200, 1,
       0},
      {"10 fields, ring", [] { return MakeRing(Message::Record()); }, 200, 1,
       0},
      {"gRPC, sync, Unix", [] { return MakeGrpcSyncUnix(Message::Bytes(64)); },
       20, 1, 0},
      {"gRPC, queue, Unix",
       [] { return MakeGrpcQueueUnix(Message::Bytes(64)); }, 20, 1, 0},
  };
  return ways;
}

constexpr int kClientCpu = 0;
constexpr int kServerCpu = 1;
constexpr int kWarmUp = 20;  // calls of each way in a round, not counted

struct Round {
  Distance distance;
  double floor = 0;          // ns
  double mean[kWays] = {};   // ns of a call
  std::vector<double> each;  // ns of each call of kLocal, clock included
};

int Failed(const char* what, const absl::Status& status) {
  std::fprintf(stderr, "local_floor: %s: %s\n", what,
               status.ToString().c_str());
  return 1;
}

double NanosSince(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

void SpinFor(std::uint32_t us) {
  const Clock::time_point end = Clock::now() + std::chrono::microseconds(us);
  while (Clock::now() < end) Relax();
}

// Nanoseconds of a call, without the pauses; adds those of each to `each`, if
// that is wanted.
absl::StatusOr<double> Measure(const Way& way, EchoClient& client,
                               std::vector<double>* each) {
  // Both sides were asleep while others had their turns.
  for (int call = 0; call < kWarmUp; ++call) {
    absl::Status status = client.Call();
    if (!status.ok()) return status;
  }
  double pauses = 0;
  const Clock::time_point start = Clock::now();
  if (way.window > 1) {
    std::size_t started = 0;
    for (; started < way.window; ++started) {
      absl::Status status = client.Start(started);
      if (!status.ok()) return status;
    }
    for (std::size_t done = 0; done < way.calls; ++done) {
      const absl::StatusOr<std::size_t> number = client.Finish();
      if (!number.ok()) return number.status();
      if (started == way.calls) continue;
      ++started;
      absl::Status status = client.Start(*number);
      if (!status.ok()) return status;
    }
  } else {
    for (std::size_t call = 0; call < way.calls; ++call) {
      const Clock::time_point begin = Clock::now();
      if (way.pause_us > 0) {
        SpinFor(way.pause_us);
        pauses += NanosSince(begin);
      }
      absl::Status status = client.Call();
      if (!status.ok()) return status;
      if (each != nullptr) each->push_back(NanosSince(begin));
    }
  }
  return (NanosSince(start) - pauses) / static_cast<double>(way.calls);
}

struct Rig {
  std::unique_ptr<FloorPartner> partner;
  std::unique_ptr<Peer> peers[kWays];
  std::unique_ptr<ForkedServer> servers[kWays];
  std::unique_ptr<EchoClient> clients[kWays];
};

absl::StatusOr<Columns<Round>> Measure(Rig& rig, double seconds) {
  constexpr int kBounces = 200;
  constexpr int kExchanges = 500;  // short beside a time slice
  Columns<Round> columns;
  const Clock::time_point start = Clock::now();
  int told = 0;
  for (bool warm = false;; warm = true) {
    const double passed = NanosSince(start) / 1e9;
    if (passed >= seconds) return columns;
    if (passed >= told + 5) {
      told += 5;
      std::fprintf(stderr, "local_floor: %d of %.0f s\n", told, seconds);
    }
    Round round;
    round.distance.before = rig.partner->Bounce(kBounces);
    round.floor = rig.partner->Echo(kExchanges);
    for (int way = 0; way < kWays; ++way) {
      rig.peers[way]->Resume();
      const absl::StatusOr<double> mean =
          Measure(Ways()[way], *rig.clients[way], nullptr);
      if (mean.ok() && way == kLocal) {
        const absl::StatusOr<double> each =
            Measure(Ways()[way], *rig.clients[way], &round.each);
        if (!each.ok()) return each.status();
      }
      rig.peers[way]->Pause();
      if (!mean.ok()) return mean.status();
      round.mean[way] = *mean;
    }
    const std::int64_t switches = rig.partner->switches();
    round.distance.after = rig.partner->Bounce(kBounces);
    round.distance.switched_out = rig.partner->switches() != switches;
    if (warm) columns.Add(std::move(round));
  }
}

double Floors(const std::vector<Round>& rounds, Which way) {
  return RangeOf(Each(rounds,
                      [way](const Round& round) {
                        return round.mean[way] / round.floor;
                      }))
      .median;
}

double Ratio(const std::vector<Round>& rounds,
             const std::function<double(const Round&)>& ratio) {
  return RangeOf(Each(rounds, ratio)).median;
}

// Of all single calls of the first way.
std::vector<double> AllOf(const std::vector<Round>& rounds) {
  std::vector<double> all;
  for (const Round& round : rounds) {
    all.insert(all.end(), round.each.begin(), round.each.end());
  }
  return all;
}

void PrintColumn(const char* name, const std::vector<Round>& rounds) {
  std::printf("\n%s: %zu rounds\n", name, rounds.size());
  if (rounds.empty()) return;
  std::printf("%-22s %34s %10s\n", "", "us: median of means (min..max)",
              "floors");
  const Range floor = RangeOf(
      Each(rounds, [](const Round& round) { return round.floor / 1e3; }));
  std::printf("%-22s %12.2f (%8.2f..%9.2f) %10.2f\n", "two-line floor",
              floor.median, floor.least, floor.most, 1.0);
  for (int way = 0; way < kWays; ++way) {
    const Range us = RangeOf(Each(
        rounds, [way](const Round& round) { return round.mean[way] / 1e3; }));
    std::printf("%-22s %12.2f (%8.2f..%9.2f) %10.2f\n", Ways()[way].name,
                us.median, us.least, us.most,
                Floors(rounds, static_cast<Which>(way)));
  }
  const std::vector<double> all = AllOf(rounds);
  std::printf("each call of 64 B, clock included: p50 %.2f us, p99 %.2f us\n",
              Percentile(all, 0.5) / 1e3, Percentile(all, 0.99) / 1e3);
}

void PrintFigures(const std::vector<Round>& rounds) {
  const std::vector<double> each = AllOf(rounds);
  PrintFigure("local_64B_floors", Floors(rounds, kLocal), "floors");
  PrintFigure("local_64B_p99_over_p50",
              Percentile(each, 0.99) / Percentile(each, 0.5), "ratio");
  PrintFigure("local_64B_grpc_unix_over_ours",
              Ratio(rounds,
                    [](const Round& round) {
                      return std::min(round.mean[kGrpcSync],
                                      round.mean[kGrpcQueue]) /
                             round.mean[kLocal];
                    }),
              "ratio");
  PrintFigure(
      "local_mrps_32",
      Ratio(rounds,
            [](const Round& round) { return 1e3 / round.mean[kWindow]; }),
      "million/s");
  PrintFigure("parked_server_floors", Floors(rounds, kParkedServer), "floors");
  PrintFigure("both_parked_floors", Floors(rounds, kBothParked), "floors");
  PrintFigure("both_parked_over_eventfd",
              Ratio(rounds,
                    [](const Round& round) {
                      return round.mean[kBothParked] / round.mean[kEventfd];
                    }),
              "ratio");
  PrintFigure("msg_local_over_ring_msg",
              Ratio(rounds,
                    [](const Round& round) {
                      return round.mean[kRecord] / round.mean[kRingRecord];
                    }),
              "ratio");
}

int Main(int argc, char** argv) {
  double seconds = 30;
  if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
    return code;
  }
  // All are forked before this process has threads.
  Rig rig;
  auto partner = FloorPartner::Start(kServerCpu);
  if (!partner.ok()) return Failed("the floor", partner.status());
  rig.partner = *std::move(partner);
  for (int way = 0; way < kWays; ++way) {
    rig.peers[way] = Ways()[way].make();
    auto server = ForkedServer::Start(
        kServerCpu, [&](const ForkedServer::UntilStopped& until_stopped) {
          return rig.peers[way]->Serve(until_stopped);
        });
    if (!server.ok()) return Failed(Ways()[way].name, server.status());
    rig.servers[way] = *std::move(server);
  }
  if (!Pin(kClientCpu)) {
    return Failed("CPU 0", absl::FailedPreconditionError("not allowed there"));
  }
  std::printf("CPUs that wait are %s.\n",
              KeepCpusAwake() ? "kept from halting deeply"
                              : "not kept from halting: no cpu_dma_latency");
  for (int way = 0; way < kWays; ++way) {
    EchoClientOr client = rig.peers[way]->Connect(rig.servers[way]->port());
    if (!client.ok()) return Failed(Ways()[way].name, client.status());
    rig.clients[way] = *std::move(client);
  }
  const absl::StatusOr<Columns<Round>> columns = Measure(rig, seconds);
  if (!columns.ok()) return Failed("a call", columns.status());
  std::printf(
      "%zu rounds; %zu not counted, as the cores moved or were shared\n",
      columns->near().size() + columns->far().size() + columns->dropped(),
      columns->dropped());
  PrintColumn("near", columns->near());
  PrintColumn("far", columns->far());
  if (columns->empty()) {
    std::fputs("local_floor: no round was steady; try a quieter machine\n",
               stderr);
    return 1;
  }
  std::printf("\nThe figures are of the %s column%s.\n",
              columns->UsesNear() ? "near" : "far",
              columns->UsesNear()
                  ? ""
                  : ": the cores were hardly ever near in this run");
  PrintFigures(columns->chosen());
  return 0;
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
