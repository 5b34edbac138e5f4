// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What a call costs between two processes over the loopback interface, beside
// what the kernel's datagrams cost alone and what gRPC costs. The clients run
// on CPU 0 and the servers on CPU 1, each with all of its threads, so no way
// gets more cores than another. One call at a time, the ways in turns within
// each round; ratios are made within a round.
//
// Whoever waits sleeps in the kernel, so the wake of a CPU is in every value; a
// CPU that halts is slow to wake on some machines, which is prevented if this
// process may (/dev/cpu_dma_latency).

#include <chrono>
#include <cstdio>
#include <iterator>
#include <memory>
#include <vector>

#include "bench/columns.h"
#include "bench/cpu.h"
#include "bench/echo_peers.h"
#include "bench/seconds_argument.h"
#include "bench/statistics.h"

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kHelp[] =
    "usage: udp_floor [SECONDS]\n"
    "Measures echoes of 64 bytes and 1 KiB between CPU 0 and CPU 1 over\n"
    "datagrams, this library and gRPC, in turns, for SECONDS (20).\n";

struct Way {
  const char* name;
  std::unique_ptr<Peer> (*make)(const Message& message);
  std::size_t bytes;
  std::size_t beside;  // the datagrams of this size
};

enum : std::size_t { kUdp, kLauberhorn, kGrpc, kUdpKib, kLauberhornKib };
constexpr Way kWays[] = {
    {"UDP, 64 B", &MakeUdp, 64, kUdp},
    {"Lauberhorn, 64 B", &MakeLauberhornUdp, 64, kUdp},
    {"gRPC sync TCP, 64 B", &MakeGrpcSyncTcp, 64, kUdp},
    {"UDP, 1 KiB", &MakeUdp, 1024, kUdpKib},
    {"Lauberhorn, 1 KiB", &MakeLauberhornUdp, 1024, kUdpKib},
};
constexpr std::size_t kWayCount = std::size(kWays);

constexpr int kClientCpu = 0;
constexpr int kServerCpu = 1;
constexpr int kWarmUp = 500;
constexpr int kCalls = 100;  // of each way in a round

struct Round {
  double median[kWayCount];  // microseconds of a call
  double p99[kWayCount];
};

int Failed(const char* what, const absl::Status& status) {
  std::fprintf(stderr, "udp_floor: %s: %s\n", what, status.ToString().c_str());
  return 1;
}

// Adds the microseconds of each of `count` calls.
absl::Status Call(EchoClient& client, int count, std::vector<double>* times) {
  for (int call = 0; call < count; ++call) {
    const Clock::time_point start = Clock::now();
    absl::Status status = client.Call();
    const std::chrono::duration<double, std::micro> time = Clock::now() - start;
    if (!status.ok()) return status;
    times->push_back(time.count());
  }
  return absl::OkStatus();
}

using Clients = std::unique_ptr<EchoClient>[kWayCount];

absl::StatusOr<std::vector<Round>> Measure(const Clients& clients,
                                           double seconds) {
  std::vector<double> times;
  for (const auto& client : clients) {
    const absl::Status status = Call(*client, kWarmUp, &times);
    if (!status.ok()) return status;
  }
  std::vector<Round> rounds;
  const Clock::time_point start = Clock::now();
  int told = 0;
  for (;;) {
    const double passed =
        std::chrono::duration<double>(Clock::now() - start).count();
    if (passed >= seconds && !rounds.empty()) return rounds;
    if (passed >= told + 5) {
      told += 5;
      std::fprintf(stderr, "udp_floor: %d of %.0f s\n", told, seconds);
    }
    Round round;
    for (std::size_t way = 0; way < kWayCount; ++way) {
      times.clear();
      const absl::Status status = Call(*clients[way], kCalls, &times);
      if (!status.ok()) return status;
      round.median[way] = Percentile(times, 0.5);
      round.p99[way] = Percentile(times, 0.99);
    }
    rounds.push_back(round);
  }
}

// Of one way's median to another's, in each round.
Range Ratio(const std::vector<Round>& rounds, std::size_t way, std::size_t to) {
  return RangeOf(Each(rounds, [way, to](const Round& round) {
    return round.median[way] / round.median[to];
  }));
}

void Print(const std::vector<Round>& rounds) {
  std::printf("%zu rounds of %d calls\n%-20s %32s %10s %28s\n", rounds.size(),
              kCalls, "", "us: median of medians (min..max)", "p99",
              "of UDP's: median (min..max)");
  for (std::size_t way = 0; way < kWayCount; ++way) {
    const Range us = RangeOf(
        Each(rounds, [way](const Round& round) { return round.median[way]; }));
    const Range p99 = RangeOf(
        Each(rounds, [way](const Round& round) { return round.p99[way]; }));
    const Range ratio = Ratio(rounds, way, kWays[way].beside);
    std::printf("%-20s %12.1f (%7.1f..%8.1f) %10.1f %10.2f (%5.2f..%6.2f)\n",
                kWays[way].name, us.median, us.least, us.most, p99.median,
                ratio.median, ratio.least, ratio.most);
  }
}

int Main(int argc, char** argv) {
  double seconds = 20;
  if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
    return code;
  }
  // All are forked before this process has threads. Destroyed from the last.
  std::unique_ptr<Peer> peers[kWayCount];
  std::unique_ptr<ForkedServer> servers[kWayCount];
  for (std::size_t way = 0; way < kWayCount; ++way) {
    peers[way] = kWays[way].make(Message::Bytes(kWays[way].bytes));
    auto server = ForkedServer::Start(
        kServerCpu, [&](const ForkedServer::UntilStopped& until_stopped) {
          return peers[way]->Serve(until_stopped);
        });
    if (!server.ok()) return Failed(kWays[way].name, server.status());
    servers[way] = *std::move(server);
  }
  if (!Pin(kClientCpu)) {
    return Failed("CPU 0", absl::FailedPreconditionError("not allowed there"));
  }
  std::printf("CPUs that wait are %s.\n",
              KeepCpusAwake() ? "kept from halting deeply"
                              : "not kept from halting: no cpu_dma_latency");
  Clients clients;
  for (std::size_t way = 0; way < kWayCount; ++way) {
    EchoClientOr client = peers[way]->Connect(servers[way]->port());
    if (!client.ok()) return Failed(kWays[way].name, client.status());
    clients[way] = *std::move(client);
  }
  const absl::StatusOr<std::vector<Round>> rounds = Measure(clients, seconds);
  if (!rounds.ok()) return Failed("a call", rounds.status());
  Print(*rounds);
  PrintFigure("udp_64B_over_raw_udp", Ratio(*rounds, kLauberhorn, kUdp).median,
              "ratio");
  PrintFigure("udp_1KiB_over_raw_udp",
              Ratio(*rounds, kLauberhornKib, kUdpKib).median, "ratio");
  PrintFigure("udp_64B_grpc_sync_tcp_over_ours",
              Ratio(*rounds, kGrpc, kLauberhorn).median, "ratio");
  return 0;
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
