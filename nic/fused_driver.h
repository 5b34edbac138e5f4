// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/fused_driver.h
//
// Drives an engine on the threads that wait for it: no thread stands between a
// packet and its handler.
//
//   Ring()   after a put: a turn for what was put, on the thread that put it
//   Look()   a thread that waits found nothing: a turn for the wires, as long
//            as that is likely to bring what it waits for (nic/spin_budget.h)
//   Sleep()  then it sleeps: the leader (nic/leadership.h) on the wires,
//            without the engine's lock, so that others can send; others on a
//            count of their wakes
//   End()    it has what it waited for, or waits no more: a leader resigns. It
//            wakes another only if it is likely to be away for long, with all
//            that waits to be done
//
// A thread of its own stands by: it leads while no thread waits, and if a
// handler that was taken to be short is not. It also answers who asks for a
// report.
//
// Who publishes what, and who looks at it again:
//
//   a message in `out`   by the word of its slot. Here the engine always says
//                        that it sleeps, so every put rings, and a ring does a
//                        turn or leaves a mark (nic/engine_lock.h).
//   a message in `in`    by the word of its slot, under the lock. A follower
//                        has read its count of wakes before it looks at the
//                        word, and sleeps while both are as they were. The
//                        leader says on which word it will sleep, under the
//                        lock, and then looks at the word before it lets go:
//                        who fills it later finds it there, and rings the bell.
//   a timer              what a turn wants next is compared, under the lock,
//                        with the time until which the leader said, under the
//                        lock, that it will sleep. An earlier one rings.
//   a packet             by the wire, which was told, under the lock, that
//                        nobody looks, and then makes a descriptor ready. While
//                        the wires sleep only the leader looks there, who
//                        awakens them first: else another might take what was
//                        to wake it.
//   the bell             by the epoll set, which remembers it.
//   that nobody leads    nic/leadership.h
//
// The bell is an eventfd that the leader sleeps on, too, and which tells of
// each ring once. What the leader said of its sleep it takes back without the
// lock: at worst it is rung for in vain. The thread that stands by may be about
// to sleep on the epoll set when another becomes the leader: if it gets a ring
// then, it rings again.
//
// Ordering: the engine, and the time of its next turn, are handed on by the
// lock. The word and the end of the leader's sleep are relaxed, and read under
// the lock only. Order of locks: the engine's, then that of Leadership.
//
// Threads that drive it are not cancelled meanwhile (pthread_cancel): they
// would leave with the lock.
#ifndef LAUBERHORN_NIC_FUSED_DRIVER_H_
#define LAUBERHORN_NIC_FUSED_DRIVER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nic/engine.h"
#include "nic/engine_lock.h"
#include "nic/leadership.h"
#include "nic/poll_set.h"
#include "nic/region.h"
#include "nic/report_socket.h"
#include "nic/spin_budget.h"
#include "nic/time.h"
#include "nic/udp_wires.h"

namespace lauberhorn::nic {

struct FusedDriverOptions {
  EngineOptions engine;  // its secret is filled in here
  // How long threads look before they sleep: 0, not at all; up to
  // SpinBudget::kMost, as long as it has paid; else always so long.
  Nanos spin = 3 * kMicrosecond;
  bool trace = false;  // from the start
  // As those of EngineThreadOptions.
  std::vector<std::string> report_folders;
  bool local = true;
};

class FusedDriver final : private Waker {
 public:
  // Makes the engine, starts the thread that stands by, and publishes the
  // region as READY. The region outlives it. RESOURCE_EXHAUSTED if the system
  // refuses what it takes.
  static absl::StatusOr<std::unique_ptr<FusedDriver>> Start(
      const FusedDriverOptions& options, Region& region);

  // Nobody waits any more. The region is DOWN then.
  ~FusedDriver() override;

  FusedDriver(const FusedDriver&) = delete;
  FusedDriver& operator=(const FusedDriver&) = delete;

  // Something was put. Does not block.
  void Ring();

  // The rest is for the thread that waits at the endpoint: the steps of its
  // wait, in this order. Whether it should look at its lane again, rather than
  // park and sleep; not after `until`. May do turns; does not block but for
  // another's turn.
  bool Look(std::uint32_t endpoint, Nanos until);

  // Sleeps while `*word`, of a slot of the endpoint, is `parked`, until then at
  // most. May return early.
  void Sleep(std::uint32_t endpoint, __u64* word, __u64 parked, Nanos until);

  // The wait is over, whatever came of it.
  void End(std::uint32_t endpoint);

  // For the child of a fork, which has none of the threads and shares the
  // sockets: from now on nothing is done.
  void Disown() { disowned_.store(true, std::memory_order_relaxed); }

  const Counters& counters() const { return engine_->counters(); }

  // Where it answers; empty if nowhere.
  std::string report_path() const {
    return reports_ == nullptr ? "" : reports_->path();
  }

 private:
  // Of the thread that waits at one endpoint.
  struct alignas(128) Wait {
    Leadership::Waiter role;
    Leadership::Wakes wakes{0};  // as it follows
    SpinBudget spin;
    Nanos since = 0;         // it waits; 0 if it does not
    Nanos now = 0;           // as it read the clock last
    unsigned turns = 0;      // in this wait
    bool slept = false;      // since then
    bool look = false;       // there is something on the wires
    bool to_another = true;  // it will not be back at once
  };

  FusedDriver(const FusedDriverOptions& options, Region& region);

  absl::Status Prepare();
  void OpenReports();

  // Under the lock: turns until there is no more to do, and the end of that.
  void Turns(Engine::Look look);
  void Release();
  void Turns(Engine::Look look, Nanos now);
  void TurnsFor(std::uint32_t endpoint, Wait& wait, Nanos now);
  Nanos Budget(const Wait& wait) const;
  void AwaitWires() const;
  // The leader's: nobody looks at the wires from now on, until then; false if
  // they want another look. And that somebody does again.
  bool TryToSleepOnWires(Nanos until);
  void AwakenWires();
  void RelieveStandby(Wait& wait);

  void SleepLeading(Wait& wait, __u64* word, __u64 parked, Nanos until);
  void Resign(Wait& wait);

  void Standby();
  void LeadAsStandby();
  // Whether it was rung for before then. `wires`: or anything else to do.
  bool AwaitStandbyBell(Nanos until, bool wires);

  void Wake(std::uint32_t endpoint, __u64* word) override;

  const FusedDriverOptions options_;
  Region& region_;
  PollSet poll_;
  UdpWires wires_;
  int bell_ = -1;          // of the leader
  int standby_bell_ = -1;  // of the thread that stands by
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<ReportSocket> reports_;  // null if there is none

  EngineLock lock_;
  Nanos next_ = 0;    // when the engine wants a turn
  Nanos turned_ = 0;  // the time of the last turn
  Nanos looked_ = 0;  // when somebody last looked at the wires
  bool wires_sleep_ = false;
  std::atomic<__u64*> leader_word_{nullptr};
  std::atomic<Nanos> leader_until_{0};
  std::atomic<std::uint64_t> looks_{0};  // at the wires; one writer at a time

  Leadership leadership_;
  const std::unique_ptr<Wait[]> waits_;  // by endpoint
  std::atomic<bool> disowned_{false};
  std::atomic<bool> stop_{false};
  std::thread standby_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_FUSED_DRIVER_H_
