// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Services of one machine, on two CPUs, and clients elsewhere.

#include "nic/testing/simulated_kernel.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/testing/call_oracle.h"
#include "nic/testing/simulated_host.h"
#include "nic/testing/simulated_process.h"
#include "nic/testing/simulation.h"

namespace lauberhorn::nic::testing {
namespace {

constexpr Nanos kHandler = 50 * kMicrosecond;

struct MachineOptions {
  std::vector<std::uint32_t> weights;
  std::uint32_t calls;  // of each client at a time
  Nanos think = 0;
  Nanos handler = kHandler;
  std::uint32_t threads = 2;
  bool nic_is_here = false;
};

// Services that do nothing else, and one client for each.
class Machine {
 public:
  explicit Machine(const MachineOptions& machine)
      : kernel_(
            simulation_,
            {.cpus = 2,
             .processes = static_cast<std::uint32_t>(machine.weights.size()),
             .endpoints = machine.threads + 2,
             .nic_is_here = machine.nic_is_here}) {
    const std::size_t services = machine.weights.size();
    for (const std::uint32_t weight : machine.weights) {
      HostOptions host;
      host.region = {.endpoints = machine.threads + 2,
                     .arrived_calls = 64,
                     .own_calls = 4};
      host.sessions = static_cast<std::uint32_t>(2 * services + 2);
      host.peers = host.sessions;
      host.kernel = &kernel_;
      host.weight = weight;
      simulation_.AddHost(host);
    }
    for (std::size_t client = 0; client < services; ++client) {
      HostOptions host;
      host.region = {.endpoints = 4, .arrived_calls = 4, .own_calls = 64};
      host.sessions = static_cast<std::uint32_t>(2 * services + 2);
      host.peers = host.sessions;
      simulation_.AddHost(host);
    }
    for (std::size_t index = 0; index < 2 * services; ++index) {
      ProcessOptions options;
      options.limits = {.running = 2, .threads = machine.threads, .queued = 64};
      options.calls = index < services ? 0 : machine.calls;
      options.think = machine.think;
      processes_.push_back(std::make_unique<SimulatedProcess>(
          simulation_, index, oracle_, options, [=](Random&) {
            CallPlan plan;
            plan.server = index % services;
            plan.duration = machine.handler;
            return plan;
          }));
    }
    for (const auto& process : processes_) process->Start();
  }

  void RunFor(Nanos time) {
    simulation_.RunUntil(simulation_.now() + time, [] { return false; });
  }
  // All calls end.
  void Finish() {
    for (const auto& process : processes_) process->set_calling(false);
    EXPECT_TRUE(simulation_.RunUntil(simulation_.now() + 10 * kSecond,
                                     [this] { return oracle_.open() == 0; }));
    oracle_.Finish();
    EXPECT_THAT(oracle_.complaints(), ::testing::IsEmpty());
  }
  const Counters& counters(std::size_t service) {
    return simulation_.host(service).engine().counters();
  }
  // How many calls the services have run.
  std::vector<std::uint64_t> Replies() {
    std::vector<std::uint64_t> replies;
    for (std::size_t at = 0; 2 * at < processes_.size(); ++at) {
      replies.push_back(counters(at).replies_collected.value());
    }
    return replies;
  }

 private:
  Simulation simulation_{1};
  SimulatedKernel kernel_;
  CallOracle oracle_{10 * kSecond};
  std::vector<std::unique_ptr<SimulatedProcess>> processes_;
};

// Of weights 1, 2 and 4; `time` is long beside a handler.
void ExpectShares(Machine& machine, Nanos time, Nanos handler) {
  machine.RunFor(time / 10);
  const std::vector<std::uint64_t> before = machine.Replies();
  machine.RunFor(time);
  std::vector<std::uint64_t> replies = machine.Replies();
  for (std::size_t at = 0; at < 3; ++at) replies[at] -= before[at];
  const auto all = static_cast<double>(replies[0] + replies[1] + replies[2]);
  for (std::size_t at = 0; at < 3; ++at) {
    const double share = (1 << at) / 7.0;
    EXPECT_NEAR(static_cast<double>(replies[at]) / all, share, 0.2 * share)
        << replies[at];
  }
  EXPECT_GT(all,
            0.7 * 2 * static_cast<double>(time) / static_cast<double>(handler))
      << "the CPUs are in use";
  machine.Finish();
}

TEST(SimulatedKernelTest, WeightsAreKeptUnderOverload) {
  Machine machine({.weights = {1, 2, 4}, .calls = 32});
  ExpectShares(machine, kSecond, kHandler);
}

TEST(SimulatedKernelTest, WeightsAreKeptByANicThatNeedsACpuItself) {
  Machine machine({.weights = {1, 2, 4}, .calls = 32, .nic_is_here = true});
  ExpectShares(machine, kSecond, kHandler);
}

TEST(SimulatedKernelTest, WeightsAreKeptByHandlersThatTakeLong) {
  constexpr Nanos kLong = 5 * kMillisecond;
  Machine machine({.weights = {1, 2, 4},
                   .calls = 16,
                   .handler = kLong,
                   .threads = 6,
                   .nic_is_here = true});
  ExpectShares(machine, 5 * kSecond, kLong);
}

TEST(SimulatedKernelTest, SixtyFourServicesOnTwoCpusAreAllAnswered) {
  Machine machine({.weights = std::vector<std::uint32_t>(64, 1),
                   .calls = 2,
                   .think = 10 * kMillisecond});
  machine.RunFor(100 * kMillisecond);
  EXPECT_THAT(machine.Replies(), ::testing::Each(::testing::Gt(5u)));
  machine.Finish();
}

TEST(SimulatedKernelTest, OnAnIdleMachineNothingIsTakenBack) {
  Machine machine({.weights = {1}, .calls = 1, .think = 10 * kMicrosecond});
  machine.RunFor(100 * kMillisecond);
  const Counters& counters = machine.counters(0);
  const std::uint64_t direct = counters.calls_delivered.value();
  const std::uint64_t run = counters.calls_run.value();
  EXPECT_GT(direct + run, 500u);
  EXPECT_GT(direct, 0u);
  EXPECT_GT(run, 0u);
  EXPECT_EQ(counters.wakes_late.value(), 0u);
  EXPECT_EQ(counters.takes_left.value(), 0u);
  machine.Finish();
}

}  // namespace
}  // namespace lauberhorn::nic::testing
