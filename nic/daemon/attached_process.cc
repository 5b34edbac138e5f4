// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/attached_process.h"

#include <cstring>

#include "abi/host/channel_user.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::daemon {
namespace {

// Below this only root's processes may listen, as everywhere.
constexpr std::uint16_t kFirstPort = 1024;

absl::Status ReachesNoSockets() {
  return absl::UnimplementedError(
      "lauberhornd reaches no Unix sockets, as their files are not its own; "
      "use "
      "an address with a port, or LAUBERHORN_DEVICE=embedded");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Wire>> AttachedProcess::Wires::Listen(
    const Address& address) {
  if (uid_ != 0 && address.port() != 0 && address.port() < kFirstPort) {
    return absl::PermissionDeniedError(
        absl::StrCat("only root may listen on port ", address.port()));
  }
  return UdpWires::Listen(address);
}

absl::StatusOr<std::unique_ptr<AttachedProcess>> AttachedProcess::Make(
    Node& node, PollSet& poll, const Geometry& geometry,
    const Options& options) {
  auto process = absl::WrapUnique(new AttachedProcess(node, poll, options));
  const absl::Status status = process->Begin(geometry);
  if (!status.ok()) return status;
  return process;
}

absl::StatusOr<std::unique_ptr<Wire>> AttachedProcess::Wires::ListenAtSocket(
    const SocketName& /*name*/) {
  return ReachesNoSockets();
}

absl::StatusOr<std::unique_ptr<SocketWire>>
AttachedProcess::Wires::OpenSockets() {
  return ReachesNoSockets();
}

AttachedProcess::AttachedProcess(Node& node, PollSet& poll,
                                 const Options& options)
    : node_(node),
      poll_(poll),
      options_(options),
      mapping_(node, options.event.offset, options.event.size),
      wires_(poll, options.wire_tag, options.who.uid) {}

AttachedProcess::~AttachedProcess() { LH_ON_VIEW(mapping_.base(), 0, nullptr); }

absl::Status AttachedProcess::Begin(const Geometry& geometry) {
  if (mapping_.error() != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot map its part: ", std::strerror(mapping_.error())));
  }
  const lh_nic_event& event = options_.event;
  LH_ON_VIEW(mapping_.base(), event.size, LH_LOG_PART(event.process));
  region_ = std::make_unique<Region>(PartOptions(geometry), mapping_.bytes());
  EngineOptions engine;
  engine.calls = options_.terms.calls;
  engine.processors = options_.processors;
  engine.attachment = {.process = event.process,
                       .first = event.first_endpoint,
                       .count = event.endpoints,
                       .generation = event.generation,
                       .weight = options_.terms.weight};
  absl::Status status = FillSecret(&engine.secret);
  if (!status.ok()) return status;
  engine_ = absl::WrapUnique(
      new Engine(engine, *region_, wires_, static_cast<Waker&>(*this)));
  OpenReports();
  region_->Ready(options_.epoch);
  return absl::OkStatus();
}

// It is served as well if nobody can ask about it.
void AttachedProcess::OpenReports() {
  if (options_.who.pid == 0) return;
  reports_ =
      ReportSocket::Open(*engine_, {options_.who.pid, options_.who.program},
                         options_.report_folders);
  if (reports_ == nullptr) return;
  if (!poll_.Add(reports_->descriptor(), options_.report_tag).ok()) {
    reports_ = nullptr;
  }
}

void AttachedProcess::SetNicCpu(std::uint64_t cpu) {
  lh_store_release(&region_->info()->nic_cpu, cpu);
}

void AttachedProcess::Wake(std::uint32_t endpoint, __u64*) {
  lh_nic_wake wake = {};
  wake.endpoint = options_.event.first_endpoint + endpoint;
  wake.generation = options_.event.generation;
  // Whoever cannot be woken has gone, or will look by itself.
  static_cast<void>(node_.Wake(&wake));
}

}  // namespace lauberhorn::nic::daemon
