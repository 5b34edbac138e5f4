// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/attached_process.h
//
// A process that has attached: its part of the region, mapped here, and the
// engine that serves it, with sockets of its own.
//
// Touched by the thread that drives the engine only.
#ifndef LAUBERHORN_NIC_DAEMON_ATTACHED_PROCESS_H_
#define LAUBERHORN_NIC_DAEMON_ATTACHED_PROCESS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "abi/host/device.h"
#include "absl/status/statusor.h"
#include "nic/channel_table.h"
#include "nic/daemon/geometry.h"
#include "nic/daemon/node.h"
#include "nic/daemon/rules.h"
#include "nic/engine.h"
#include "nic/poll_set.h"
#include "nic/processors.h"
#include "nic/region.h"
#include "nic/report_socket.h"
#include "nic/udp_wires.h"

namespace lauberhorn::nic::daemon {

class AttachedProcess final : private Waker {
 public:
  struct Options {
    lh_nic_event event;  // its ATTACH
    Identity who;
    Terms terms;
    std::uint64_t epoch;     // the device's
    std::uint64_t wire_tag;  // of its sockets, in the poll set
    // Null if the kernel publishes nothing: then threads are woken by a call.
    Processors* processors;
    // Where to answer `lauberhorn stat` about it: nic/report_socket.h.
    std::vector<std::string> report_folders = {};
    std::uint64_t report_tag = 0;  // of that socket, in the poll set
  };

  // Lays the part out and begins; it is for the caller to answer the process.
  // The references outlive this.
  static absl::StatusOr<std::unique_ptr<AttachedProcess>> Make(
      Node& node, PollSet& poll, const Geometry& geometry,
      const Options& options);
  ~AttachedProcess() override;

  AttachedProcess(const AttachedProcess&) = delete;
  AttachedProcess& operator=(const AttachedProcess&) = delete;

  Engine& engine() { return *engine_; }
  const lh_nic_event& event() const { return options_.event; }
  const Identity& who() const { return options_.who; }

  // Takes those who ask about it.
  void AcceptReports() {
    if (reports_ != nullptr) reports_->Accept();
  }

  // Tells it where the NIC runs: a CPU, plus one.
  void SetNicCpu(std::uint64_t cpu);

 private:
  // Ports of servers that only root may have; no sockets with names, which
  // would be made by the daemon's user, among the daemon's files.
  class Wires final : public UdpWires {
   public:
    Wires(PollSet& poll, std::uint64_t tag, uid_t uid)
        : UdpWires(poll, tag), uid_(uid) {}
    absl::StatusOr<std::unique_ptr<Wire>> Listen(
        const Address& address) override;
    absl::StatusOr<std::unique_ptr<Wire>> ListenAtSocket(
        const SocketName& name) override;
    absl::StatusOr<std::unique_ptr<SocketWire>> OpenSockets() override;

   private:
    const uid_t uid_;
  };

  AttachedProcess(Node& node, PollSet& poll, const Options& options);
  absl::Status Begin(const Geometry& geometry);
  void OpenReports();
  void Wake(std::uint32_t endpoint, __u64* word) override;

  Node& node_;
  PollSet& poll_;
  const Options options_;
  const Mapping mapping_;
  Wires wires_;
  std::unique_ptr<Region> region_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<ReportSocket> reports_;  // null if there is none
};

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_ATTACHED_PROCESS_H_
