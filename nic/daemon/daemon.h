// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/daemon.h
//
// The NIC of a soft device (docs/module.md): the engines of all processes that
// attach, driven by one thread. It lays out what nic/daemon/geometry.h says:
// the kernel's part once, and a part for each process, which finds everything
// by its information page.
//
// It sleeps whenever nobody has work for it, until a packet, a ring, an event
// of the node or the next timer; told to spin, never.
//
// Not thread-safe.
#ifndef LAUBERHORN_NIC_DAEMON_DAEMON_H_
#define LAUBERHORN_NIC_DAEMON_DAEMON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/device.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nic/daemon/attached_process.h"
#include "nic/daemon/geometry.h"
#include "nic/daemon/kernel_part.h"
#include "nic/daemon/node.h"
#include "nic/daemon/rules.h"
#include "nic/engine_set.h"
#include "nic/poll_set.h"
#include "nic/processors.h"
#include "nic/turn_clock.h"

namespace lauberhorn::nic::daemon {

struct DaemonOptions {
  Geometry geometry;
  Rules rules = {};
  // The inode of the network namespace that its sockets are in: processes of
  // others are refused, as it would take them out of theirs. 0: of any.
  std::uint32_t network = 0;
  // Where to answer `lauberhorn stat` about each process.
  std::vector<std::string> report_folders = {};
};

class Daemon final : private Interrupter {
 public:
  // Attaches to the node and starts: from then on processes may come. The node
  // outlives it. Errors say what to do.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(
      const DaemonOptions& options, Node& node);

  // Ends what processes have open with others. They see that the NIC is down
  // when the node is closed.
  ~Daemon() override;

  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Turns until the descriptor `stop` is readable: OK; or until the device is
  // gone: UNAVAILABLE.
  absl::Status Run(int stop);

  // One turn, which never sleeps; for tests. Errors as above.
  absl::Status Turn();

  std::uint64_t epoch() const { return attached_.epoch; }
  // LH_DEVICE_*, of which it makes use.
  std::uint64_t features() const { return features_; }
  std::uint32_t processes() const { return process_count_; }
  // How often it slept.
  std::uint64_t sleeps() const { return sleeps_; }

 private:
  // What woke it, in poll_: a process's sockets are its place plus kProcess,
  // who asks about it its place plus kReport.
  enum Tag : std::uint64_t {
    kNode,
    kStop,
    kProcess,
    kReport = std::uint64_t{1} << 32
  };

  Daemon(const DaemonOptions& options, Node& node);
  absl::Status Begin();

  // Returns when the next is wanted.
  Nanos TakeTurn(Nanos now);
  void SleepUntil(Nanos next);
  // Takes the events that are there, or come until then.
  void Look(Nanos now, Nanos until);
  void AcceptReports(std::uint32_t place);
  void TakeEvents();
  void OnEvent(const lh_nic_event& event);
  void OnAttach(const lh_nic_event& event);
  void OnLeft(const lh_nic_event& event);
  // An errno to refuse the process with, or 0.
  int Accept(const lh_nic_event& event);
  void Forget(std::uint32_t place);
  void SayWhereItRuns();
  void Interrupt(std::uint32_t cpu) override;
  bool RunByCall(std::uint32_t endpoint, std::uint32_t generation) override;

  const DaemonOptions options_;
  Node& node_;
  lh_nic_attach attached_;
  std::uint64_t features_ = 0;
  PollSet poll_;
  std::unique_ptr<KernelPart> kernel_;
  std::unique_ptr<Processors> processors_;  // null if nothing is published
  std::unique_ptr<EngineSet> set_;
  std::vector<std::unique_ptr<AttachedProcess>> processes_;  // by place
  std::uint32_t process_count_ = 0;
  TurnClock clock_;
  Nanos look_ = 0;  // when to look what is there, though it does not sleep
  std::uint64_t cpu_ = 0;  // where it runs, plus one
  std::uint64_t sleeps_ = 0;
  bool gone_ = false;
  bool stop_ = false;
};

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_DAEMON_H_
