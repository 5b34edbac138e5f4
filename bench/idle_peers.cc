// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What clients of its own host cost a server while they do nothing: a thousand
// of them, each with a link through memory of which every slot has been used.
// The server has the library's default options and is watched from outside:
// time of CPUs, switches of its threads, resident memory, in which memory that
// it shares with a client counts in full.
//
// The clients are not processes but all that a server sees of one, in this
// process; it does nothing while it watches.

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "abi/wire/local.h"
#include "bench/echo_peers.h"
#include "bench/forked_server.h"
#include "bench/process_sample.h"
#include "bench/seconds_argument.h"
#include "bench/statistics.h"
#include "lauberhorn/method.h"
#include "nic/testing/wire_client.h"

namespace lauberhorn::bench {
namespace {

using nic::testing::WireClients;

constexpr char kHelp[] =
    "usage: idle_peers [SECONDS]\n"
    "Watches a server with 1,000 clients that do nothing for SECONDS (10).\n";

constexpr int kPeers = 1000;
constexpr int kCalls = LH_LINK_SLOTS;  // of each, to use all its slots
constexpr int kBurst = 1000;           // of one more, before all others
// Seconds after the last call: a thread that is one too many ends after 10.
constexpr unsigned kSettle = 12;

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "idle_peers: %s\n", status.ToString().c_str());
  return 1;
}

// A client needs some descriptors, and a server gives its peers an eighth.
absl::Status RaiseDescriptors() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0 &&
        files.rlim_cur >= rlim_t{17} * kPeers) {
      return absl::OkStatus();
    }
  }
  return absl::ResourceExhaustedError(
      "1,000 clients need 17,000 descriptors; raise the hard limit (ulimit "
      "-Hn)");
}

nic::Address ServerAt(int port) {
  lh_address server = {};
  server.ip[10] = server.ip[11] = 0xff;
  server.ip[12] = 127;
  server.ip[15] = 1;
  server.port = static_cast<__u16>(port);
  return nic::Address(server);
}

int Watch(const ForkedServer& server, double seconds) {
  const nic::Address address = ServerAt(server.port());
  const auto method = MethodId("/bench.Echo/Echo");
  WireClients first(method, absl::StatusCode::kOk);
  absl::Status status = first.Add(address);
  if (status.ok()) status = first.Call(kBurst);
  if (!status.ok()) return Failed(status);
  const absl::StatusOr<ProcessSample> alone = SampleProcess(server.pid());
  if (!alone.ok()) return Failed(alone.status());
  WireClients clients(method, absl::StatusCode::kOk);
  while (status.ok() && clients.size() < kPeers) status = clients.Add(address);
  if (status.ok()) status = clients.Call(kCalls);
  if (!status.ok()) return Failed(status);
  std::fprintf(stderr, "idle_peers: %zu clients, watching for %.0f s\n",
               clients.size(), seconds);
  sleep(kSettle);

  const absl::StatusOr<ProcessWatch> watch =
      WatchProcess(server.pid(), seconds);
  if (!watch.ok()) return Failed(watch.status());
  // They are still there.
  status = clients.Call(1);
  if (!status.ok()) return Failed(status);

  std::printf(
      "%.1f MiB resident with one client, %.1f MiB with %zu more; %.6f s of a\n"
      "core and %.0f switches in %.1f s\n",
      alone->rss_mib, watch->after.rss_mib, clients.size(),
      watch->cpu_seconds(), watch->switches(), watch->seconds);
  PrintFigure("local_idle_peers", static_cast<double>(clients.size()), "peers");
  PrintFigure("local_idle_peer_kib",
              (watch->after.rss_mib - alone->rss_mib) * 1024 / kPeers, "KiB");
  PrintFigure("local_idle_peers_wakeups_per_s",
              watch->switches() / watch->seconds, "wakeups/s");
  PrintFigure("local_idle_peers_core_percent",
              100 * watch->cpu_seconds() / watch->seconds, "percent");
  return 0;
}

int Main(int argc, char** argv) {
  double seconds = 10;
  if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
    return code;
  }
  const absl::Status raised = RaiseDescriptors();
  if (!raised.ok()) return Failed(raised);
  const std::unique_ptr<Peer> peer = MakeLauberhorn(Message::Bytes(64));
  const auto server = ForkedServer::Start(
      ForkedServer::kAnyCpu,
      [&peer](const ForkedServer::UntilStopped& until_stopped) {
        return peer->Serve(until_stopped);
      });
  if (!server.ok()) return Failed(server.status());
  return Watch(**server, seconds);
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
