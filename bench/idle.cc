// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What a server costs while nobody calls it: a process with one listener and
// the library's default options, after a burst of calls by a client that stays
// connected. Watched from outside: time of CPUs, switches of its threads (each
// is the end of one wake), resident memory.

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "bench/echo_peers.h"
#include "bench/forked_server.h"
#include "bench/process_sample.h"
#include "bench/seconds_argument.h"
#include "bench/statistics.h"

namespace lauberhorn::bench {
namespace {

constexpr char kHelp[] =
    "usage: idle [SECONDS]\n"
    "Watches a server that nobody calls for SECONDS (20), after a burst.\n";

constexpr int kBurst = 1000;
constexpr unsigned kSettle = 2;  // seconds after the burst

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "idle: %s\n", status.ToString().c_str());
  return 1;
}

int Watch(Peer& peer, const ForkedServer& server, double seconds) {
  const auto client = peer.Connect(server.port());
  if (!client.ok()) return Failed(client.status());
  for (int call = 0; call < kBurst; ++call) {
    const absl::Status status = (*client)->Call();
    if (!status.ok()) return Failed(status);
  }
  std::fprintf(stderr, "idle: %d calls made, watching for %.0f s\n", kBurst,
               seconds);
  sleep(kSettle);

  const absl::StatusOr<ProcessWatch> watch =
      WatchProcess(server.pid(), seconds);
  if (!watch.ok()) return Failed(watch.status());

  std::printf(
      "%d threads; until then %.6f s of a core and %.0f switches, and then\n"
      "%.6f s and %.0f switches in %.1f s; %.1f MiB resident\n",
      watch->after.threads, watch->before.cpu_seconds,
      static_cast<double>(watch->before.switches), watch->cpu_seconds(),
      watch->switches(), watch->seconds, watch->after.rss_mib);
  PrintFigure("idle_core_percent", 100 * watch->cpu_seconds() / watch->seconds,
              "percent");
  PrintFigure("idle_wakeups_per_s", watch->switches() / watch->seconds,
              "wakeups/s");
  PrintFigure("idle_rss_mib", watch->after.rss_mib, "MiB");
  return 0;
}

int Main(int argc, char** argv) {
  double seconds = 20;
  if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
    return code;
  }
  const std::unique_ptr<Peer> peer = MakeLauberhorn(Message::Bytes(64));
  const auto server = ForkedServer::Start(
      ForkedServer::kAnyCpu,
      [&peer](const ForkedServer::UntilStopped& until_stopped) {
        return peer->Serve(until_stopped);
      });
  if (!server.ok()) return Failed(server.status());
  return Watch(*peer, **server, seconds);
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
