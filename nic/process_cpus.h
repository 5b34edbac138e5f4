// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/process_cpus.h
//
// The machine's CPUs as one process sees them: nic/processors.h, with the
// endpoints numbered as in the process's own table.
#ifndef LAUBERHORN_NIC_PROCESS_CPUS_H_
#define LAUBERHORN_NIC_PROCESS_CPUS_H_

#include <cstdint>

#include "nic/processors.h"
#include "nic/time.h"

namespace lauberhorn::nic {

class ProcessCpus {
 public:
  static constexpr std::uint32_t kNone = Processors::kNone;

  // Process `process`, whose endpoints are those from `first` on.
  ProcessCpus(Processors& processors, std::uint32_t process,
              std::uint32_t first)
      : processors_(processors), process_(process), first_(first) {}

  bool IsOnCpu(std::uint32_t endpoint) const {
    return processors_.IsOnCpu(first_ + endpoint);
  }
  bool IsDead(std::uint32_t endpoint) const {
    return processors_.IsDead(first_ + endpoint);
  }
  bool MayRun(std::uint32_t endpoint, bool parked) {
    return processors_.MayRun(first_ + endpoint, parked);
  }
  void Wake(std::uint32_t endpoint) { processors_.Wake(first_ + endpoint); }
  void SetWaiting(std::uint32_t endpoint, Nanos since) {
    processors_.SetWaiting(first_ + endpoint, since);
  }

  // The CPU that is free for the endpoint, if it is this process's turn to get
  // one; kNone.
  std::uint32_t FreeCpu(std::uint32_t endpoint, Nanos now) const {
    return processors_.shares().Next(now) == process_
               ? processors_.FreeCpu(first_ + endpoint, now)
               : kNone;
  }
  // One to take from others, if the first call has waited for long; kNone.
  std::uint32_t CpuToTake(std::uint32_t endpoint, Nanos now) {
    return processors_.shares().TakeFrom(process_) <= now
               ? processors_.CpuToTake(first_ + endpoint, now)
               : kNone;
  }
  void Ask(std::uint8_t kind, std::uint32_t endpoint, std::uint32_t cpu,
           Nanos now) {
    processors_.Ask(kind, first_ + endpoint, cpu, now);
  }

  // Of CpuShares, for this process.
  bool MayKeep(Nanos now) const {
    return processors_.shares().MayKeep(process_, now);
  }
  void Given(Nanos now) { processors_.shares().Given(process_, now); }
  void SetBusy(bool busy) {
    CpuShares& shares = processors_.shares();
    busy ? shares.Busy(process_) : shares.Idle(process_);
  }
  void Claim(Nanos since) { processors_.shares().Claim(process_, since); }
  void Withdraw() { processors_.shares().Withdraw(process_); }

 private:
  Processors& processors_;
  const std::uint32_t process_;
  const std::uint32_t first_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_PROCESS_CPUS_H_
