// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/cpu_shares.h
//
// Which of many processes gets a CPU. They share what the kernel leaves to
// bound threads by weight; this orders only the NIC's own queues, as the
// scheduler's classes, weights and limits always win. It only judges numbers,
// so that each rule can be read, tested and replaced alone.
//
// The rules:
//  * Each process has a virtual time: the time that its handlers were seen on
//    CPUs, divided by its weight. Of those that have calls queued and a thread
//    for them the one with the smallest gets the next free CPU.
//  * But first comes a process that waits for a hundred times its target delay:
//    its first call is so old, and it was given no CPU for as long. (By the age
//    of calls alone weights would mean nothing under overload, when all are
//    old; nor would they if whoever waits for its turn among handlers of some
//    milliseconds were said to starve.)
//  * A process that had nothing to do is not owed that time.
//  * A thread that waits on its CPU gets its process's next call, unless that
//    is ahead of another claimant by more than a quantum: then the CPU is free.
//  * A handler that the kernel preempted wants a CPU as well, but gets it from
//    the kernel, as soon as there are fewer who want one. So whoever is ahead
//    of its process neither goes on nor takes a CPU that is in use. One that is
//    idle it may have: a thread need not be allowed everywhere.
//  * A process whose first call is older than its target delay may ask for the
//    CPU of the process that is furthest ahead of it.
//
// Passive; not thread-safe; never allocates after construction.
#ifndef LAUBERHORN_NIC_CPU_SHARES_H_
#define LAUBERHORN_NIC_CPU_SHARES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "nic/time.h"

namespace lauberhorn::nic {

class CpuShares {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // For processes 0 to `processes` - 1; none has begun.
  explicit CpuShares(std::uint32_t processes);

  // The process begins, level with those that are there. `weight` is 1 or more.
  void Begin(std::uint32_t process, std::uint32_t weight);
  void End(std::uint32_t process) { Idle(process); }

  void set_weight(std::uint32_t process, std::uint32_t weight) {
    processes_[process].weight = weight;
  }

  // The process has calls, queued or at threads; or it has none.
  void Busy(std::uint32_t process);
  void Idle(std::uint32_t process);

  // The busy process could use another CPU: its first call waits since `since`.
  void Claim(std::uint32_t process, Nanos since) {
    if (processes_[process].since == kNever) ++claims_;
    processes_[process].since = since;
  }
  // Or it could not.
  void Withdraw(std::uint32_t process) {
    if (processes_[process].since != kNever) --claims_;
    processes_[process].since = kNever;
  }

  // It was given a CPU, or a call on one that it has.
  void Given(std::uint32_t process, Nanos now) {
    processes_[process].given = now;
  }
  // A handler of it was seen on a CPU for so long.
  void Charge(std::uint32_t process, Nanos time);

  // A handler of it was preempted, and the kernel is to give it a CPU; until
  // all is forgotten.
  void SetPreempted(std::uint32_t process);
  void ForgetPreempted();

  // Who is to get the next free CPU; kNone if nobody claims one.
  std::uint32_t Next(Nanos now) const { return BestBut(kNone, now); }

  // Whether a thread of it that waits on a CPU may get the next call.
  bool MayKeep(std::uint32_t process, Nanos now) const;

  // Whether it may take a CPU that is in use.
  bool MayTake(std::uint32_t process) const {
    return !IsAheadOfPreempted(process, 0);
  }

  // From when on the claimant may ask for the CPU of another.
  Nanos TakeFrom(std::uint32_t process) const;

  // Which of these, each a process that has a CPU or kNone, is furthest ahead
  // of the claimant: its place; kNone if none is ahead.
  std::uint32_t FurthestAhead(absl::Span<const std::uint32_t> holders,
                              std::uint32_t claimant) const;

  // In units of its own: a process of weight 1 has kUnit for a nanosecond.
  std::uint64_t virtual_time(std::uint32_t process) const {
    return processes_[process].time;
  }
  static constexpr std::uint64_t kUnit = 1024;

 private:
  struct Process {
    std::uint64_t time = 0;
    std::uint32_t weight = 1;
    Nanos since = kNever;  // of its claim
    Nanos given = 0;
    bool busy = false;       // in busy_
    bool preempted = false;  // in preempted_
  };

  std::uint32_t BestBut(std::uint32_t process, Nanos now) const;
  // Whether it is by more than that ahead of one that was preempted.
  bool IsAheadOfPreempted(std::uint32_t process, Nanos time) const;
  // How many times its target delay it has waited, if a hundred or more; else
  // 0.
  static std::uint64_t Lateness(const Process& process, Nanos now);

  std::vector<Process> processes_;
  std::vector<std::uint32_t> busy_;
  std::vector<std::uint32_t> preempted_;
  std::uint32_t claims_ = 0;
  std::uint64_t floor_ = 0;  // no process becomes busy behind this
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_CPU_SHARES_H_
