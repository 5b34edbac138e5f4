// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulated_worker.h
//
// A thread of a simulated process that runs handlers, as librpc/workers.cc
// does; what a handler does says the plan of its call.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATED_WORKER_H_
#define LAUBERHORN_NIC_TESTING_SIMULATED_WORKER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "nic/testing/simulated_process.h"
#include "nic/testing/simulated_thread.h"

namespace lauberhorn::nic::testing {

class SimulatedWorker final : public SimulatedThread {
 public:
  SimulatedWorker(SimulatedProcess& process, std::uint32_t endpoint);

  Nanos Run(Nanos now) override;
  void Wake(const __u64* word, Nanos now) override;
  bool ended() const override { return state_ == kEnded; }
  std::uint32_t endpoint() const override { return endpoint_; }
  const __u64* sleeps_on() const override {
    return state_ == kCalling ? call_wait_.sleeps_on()
                              : serve_wait_.sleeps_on();
  }
  bool only_waits() const override {
    return (state_ == kWaiting && serve_wait_.watches()) ||
           (state_ == kCalling && call_wait_.watches());
  }
  void Delay(Nanos time) override {
    if (state_ == kComputing) goes_on_ += time;
  }

 private:
  enum State {
    kStarting,
    kWaiting,    // for a call
    kComputing,  // in a handler, until goes_on_
    kCalling,    // in a handler, for the answer to a call of its own
    kLingering,  // in a handler, until nobody waits for it
    kResigning,  // ends, but for what the NIC gave it meanwhile
    kEnded,
  };

  void BeginHandler(Nanos now);
  void CallOut();
  void EndHandler();
  void Reply(std::uint64_t status, absl::string_view payload);
  void Resign();
  void RefuseStaged();
  // Closes its lanes.
  void Close();
  bool IsCancelled();
  lh_message Header(lh_kind kind) const;

  SimulatedProcess& process_;
  const std::uint32_t endpoint_;
  HostChannel& serve_;
  HostChannel& call_;
  LaneWait serve_wait_;
  LaneWait call_wait_;
  Outbox outbox_;
  State state_ = kStarting;
  Nanos goes_on_ = 0;
  // The handler.
  TakenMessage message_ = {};
  lh_line* held_ = nullptr;
  CallOracle::Call* running_ = nullptr;
  std::size_t calls_made_ = 0;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATED_WORKER_H_
