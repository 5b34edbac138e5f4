// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulated_caller.h
//
// A thread of a simulated process that makes calls, many at a time, cancels
// some, and takes what comes to its endpoint: answers to any caller's calls.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATED_CALLER_H_
#define LAUBERHORN_NIC_TESTING_SIMULATED_CALLER_H_

#include <cstdint>
#include <map>

#include "nic/testing/simulated_process.h"
#include "nic/testing/simulated_thread.h"

namespace lauberhorn::nic::testing {

class SimulatedCaller final : public SimulatedThread {
 public:
  SimulatedCaller(SimulatedProcess& process, std::uint32_t endpoint);

  Nanos Run(Nanos now) override;
  void Wake(const __u64* word, Nanos now) override { wait_.Wake(word, now); }
  std::uint32_t endpoint() const override { return endpoint_; }
  const __u64* sleeps_on() const override { return wait_.sleeps_on(); }
  bool only_waits() const override { return wait_.watches(); }

 private:
  void Call(Nanos now);
  void Cancel(std::uint64_t handle);

  SimulatedProcess& process_;
  const std::uint32_t endpoint_;
  HostChannel& channel_;
  LaneWait wait_;
  Outbox outbox_;
  std::multimap<Nanos, std::uint64_t> cancels_;  // handles
  Nanos next_call_ = 0;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATED_CALLER_H_
