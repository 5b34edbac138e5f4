// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/engine_thread.h
//
// Drives an engine on a thread of its own, over UDP. The thread polls while
// there is work and sleeps in the kernel when there is none: until a packet
// comes, a ring, or the engine's next timer. Told to spin, it never sleeps.
//
// A driver that asks for a reset (abi/host/region.h) gets another engine, which
// knows nothing of the last one's calls, sessions and servers.
//
// Thread-safety: Ring() from any thread; the rest from the owner's. The engine
// is touched by its thread only, but for its counters.
#ifndef LAUBERHORN_NIC_ENGINE_THREAD_H_
#define LAUBERHORN_NIC_ENGINE_THREAD_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "nic/engine.h"
#include "nic/poll_set.h"
#include "nic/region.h"
#include "nic/report_socket.h"
#include "nic/udp_wire.h"
#include "nic/udp_wires.h"

namespace lauberhorn::nic {

struct EngineThreadOptions {
  EngineOptions engine;  // its secret is filled in here
  bool spin = false;     // the thread has a core of its own
  bool trace = false;    // from the start
  // The host sleeps on the words by another mapping of the region than this.
  bool mapped_twice = false;
  // Where to offer a socket that answers `lauberhorn stat`: the first that can
  // be used (nic/report_socket.h). None: nowhere.
  std::vector<std::string> report_folders;
  UdpWire::Input input = UdpWire::kDefaultInput;
  // Whether peers on this host are reached through memory.
  bool local = true;
};

class EngineThread final : private Waker {
 public:
  // Starts the thread and publishes the region as READY. The region outlives
  // it. RESOURCE_EXHAUSTED if the system refuses what it takes.
  static absl::StatusOr<std::unique_ptr<EngineThread>> Start(
      const EngineThreadOptions& options, Region& region);

  // Stops the thread; the region is DOWN then.
  ~EngineThread() override;

  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Wakes the engine if it sleeps. A system call.
  void Ring();

  // Until a driver resets the device.
  const Counters& counters() const { return engine_->counters(); }

  // Where it answers; empty if nowhere.
  std::string report_path() const {
    return reports_ == nullptr ? "" : reports_->path();
  }

 private:
  EngineThread(const EngineThreadOptions& options, Region& region);

  absl::Status Prepare();
  absl::Status MakeEngine();
  absl::Status Reset();
  void OpenReports();
  void Run();
  void Sleep(Nanos now, Nanos until);

  void Wake(std::uint32_t endpoint, __u64* word) override;

  const EngineThreadOptions options_;
  Region& region_;
  PollSet poll_;
  UdpWires wires_;
  int ring_ = -1;  // eventfd
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<ReportSocket> reports_;  // null if there is none
  Nanos look_ = kNever;                    // when to look who asks
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ENGINE_THREAD_H_
