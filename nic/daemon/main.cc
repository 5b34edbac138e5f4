// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// lauberhornd: the NIC of a soft device. See lauberhornd(8).
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "nic/daemon/daemon.h"
#include "nic/daemon/kernel_node.h"
#include "nic/daemon/log.h"
#include "nic/daemon/notify.h"
#include "nic/daemon/settings.h"
#include "nic/report_path.h"

namespace lauberhorn::nic::daemon {
namespace {

std::string Environment(const char* name) {
  const char* const value = secure_getenv(name);
  return value == nullptr ? "" : value;
}

// Readable when somebody wants this to end. No thread gets the signals else.
int StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Each process has sockets of its own.
void AllowManyFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::uint32_t OwnNetwork() {
  struct stat found;
  return stat("/proc/self/ns/net", &found) == 0
             ? static_cast<std::uint32_t>(found.st_ino)
             : 0;
}

int StatusOf(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kNotFound:
      return kExitUnavailable;
    case absl::StatusCode::kUnavailable:
      return kExitBusy;
    case absl::StatusCode::kPermissionDenied:
      return kExitNoPermission;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    default:
      return kExitInternal;
  }
}

int Failed(const absl::Status& error) {
  spdlog::error("{}", std::string(error.message()));
  return StatusOf(error);
}

int Serve(Settings settings) {
  const int stop = StopSignals();
  AllowManyFiles();
  settings.daemon.network = OwnNetwork();
  settings.daemon.report_folders =
      ReportFolders(geteuid(), kDaemonRuntimeFolder);
  const absl::StatusOr<std::unique_ptr<KernelNode>> node =
      KernelNode::Open(settings.device);
  if (!node.ok()) return Failed(node.status());
  absl::StatusOr<std::unique_ptr<Daemon>> daemon =
      Daemon::Start(settings.daemon, **node);
  if (!daemon.ok()) return Failed(daemon.status());
  spdlog::info("serves {} in epoch {}, {}: {}", settings.device,
               (*daemon)->epoch(),
               (*daemon)->features() != 0
                   ? "by the state words of the kernel"
                   : "waking by calls, as this kernel publishes nothing for it",
               Describe(settings.daemon.geometry));
  const std::string manager = Environment("NOTIFY_SOCKET");
  Notify(manager, "READY=1");
  const absl::Status ended = (*daemon)->Run(stop);
  Notify(manager, "STOPPING=1");
  daemon->reset();
  close(stop);
  if (!ended.ok()) return Failed(ended);
  spdlog::info("ends");
  return kExitOk;
}

}  // namespace
}  // namespace lauberhorn::nic::daemon

int main(int argc, char* argv[]) {
  namespace daemon = lauberhorn::nic::daemon;
  daemon::Settings settings;
  if (const std::optional<int> status =
          daemon::ReadSettings(argc, argv, &settings, std::cout, std::cerr)) {
    return *status;
  }
  daemon::SetUpLog(settings.log_level,
                   !daemon::Environment("JOURNAL_STREAM").empty());
  return daemon::Serve(settings);
}
