// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Simulated hosts and the time that they live in.

#include "nic/testing/simulated_host.h"

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nic/testing/call_oracle.h"
#include "nic/testing/simulated_process.h"
#include "nic/testing/simulation.h"

namespace lauberhorn::nic::testing {
namespace {

HostOptions Options() {
  HostOptions options;
  options.region.endpoints = 4;
  options.region.arrived_calls = 8;
  options.region.own_calls = 8;
  return options;
}

TEST(SimulationTest, EventsComeInTheirOrderAndTimeGoesOnToThem) {
  Simulation simulation(1);
  const Nanos begin = simulation.now();
  std::vector<int> seen;
  simulation.At(begin + 2 * kSecond, [&] { seen.push_back(2); });
  simulation.At(begin + kSecond, [&] {
    seen.push_back(1);
    simulation.At(0, [&] { seen.push_back(0); });  // at once
  });
  while (simulation.Step()) {
  }
  EXPECT_EQ(seen, (std::vector<int>{1, 0, 2}));
  EXPECT_EQ(simulation.now(), begin + 2 * kSecond);
  EXPECT_FALSE(simulation.RunUntil(begin + 3 * kSecond, [] { return false; }));
  EXPECT_EQ(simulation.now(), begin + 3 * kSecond);
}

TEST(SimulationTest, AHostThatHasNothingToDoSleepsUntilItIsRung) {
  Simulation simulation(1);
  SimulatedHost& host = simulation.AddHost(Options());
  EXPECT_EQ(host.Next(), kNever);
  host.Start(simulation.now());
  while (simulation.Step()) {
  }
  EXPECT_EQ(host.Next(), kNever);
  lh_message header = {};
  header.kind = LH_KIND_CONTROL;
  header.code = LH_COMMAND_SERVER_OPEN;
  header.call = 99;
  ASSERT_TRUE(host.call(1).Put(header));
  EXPECT_LT(host.Next(), kNever);
  while (simulation.Step()) {
  }
  TakenMessage result;
  ASSERT_TRUE(host.call(1).Take(&result));
  EXPECT_EQ(result.header.call, 99u);
}

// Two processes that call each other; what happened.
struct Outcome {
  std::string trace;
  std::array<std::uint64_t, CallOracle::kStatuses> statuses;
  std::vector<std::string> complaints;
};

// `event` happens in the middle, to host 0.
template <typename Event>
Outcome Simulate(std::uint64_t seed, Event event) {
  Simulation simulation(seed);
  std::ostringstream trace;
  simulation.set_trace(&trace);
  CallOracle oracle(600 * kSecond);
  std::vector<std::unique_ptr<SimulatedProcess>> processes;
  for (std::size_t index = 0; index < 2; ++index) {
    simulation.AddHost(Options());
    ProcessOptions options;
    options.limits.threads = 2;
    processes.push_back(std::make_unique<SimulatedProcess>(
        simulation, index, oracle, options, [](Random& random) {
          CallPlan plan;
          plan.server = random.Below(2u);
          plan.duration = random.Time(kMillisecond);
          return plan;
        }));
  }
  simulation.network().set_faults({.loss = 100, .max_delay = kMillisecond});
  for (const auto& process : processes) process->Start();
  EXPECT_TRUE(
      simulation.RunUntil(kNever - 1, [&] { return oracle.started() >= 50; }));
  event(simulation, *processes[0]);
  EXPECT_TRUE(
      simulation.RunUntil(kNever - 1, [&] { return oracle.started() >= 200; }));
  for (const auto& process : processes) process->set_calling(false);
  EXPECT_TRUE(
      simulation.RunUntil(kNever - 1, [&] { return oracle.open() == 0; }));
  oracle.Finish();
  return {trace.str(), oracle.statuses(), oracle.complaints()};
}

constexpr std::size_t kOk = 0;
constexpr std::size_t kUnavailable = 14;

TEST(SimulatedProcessTest, TheSameSeedGivesTheSameRun) {
  const auto nothing = [](Simulation&, SimulatedProcess&) {};
  const Outcome once = Simulate(9, nothing);
  EXPECT_EQ(once.complaints, std::vector<std::string>{});
  EXPECT_GE(once.statuses[kOk], 200u);
  EXPECT_GT(once.trace.size(), 10'000u);
  EXPECT_EQ(Simulate(9, nothing).trace, once.trace);
  EXPECT_NE(Simulate(8, nothing).trace, once.trace);
}

TEST(SimulatedProcessTest, AProcessThatCrashedStartsAgain) {
  const Outcome outcome = Simulate(7, [](Simulation& simulation,
                                         SimulatedProcess& process) {
    process.Crash();
    EXPECT_FALSE(process.up());
    simulation.At(simulation.now() + kSecond, [&process] { process.Start(); });
  });
  EXPECT_EQ(outcome.complaints, std::vector<std::string>{});
  EXPECT_GT(outcome.statuses[kOk], 100u);
  EXPECT_GT(outcome.statuses[kUnavailable], 0u);
}

TEST(SimulatedProcessTest, AnUnpluggedHostReachesNobody) {
  const Outcome outcome = Simulate(7, [](Simulation& simulation,
                                         SimulatedProcess& process) {
    simulation.set_unplugged(process.host(), true);
    const auto lost = simulation.network().totals().lost;
    simulation.RunUntil(simulation.now() + 20 * kSecond, [] { return false; });
    EXPECT_GT(simulation.network().totals().lost, lost);
    simulation.set_unplugged(process.host(), false);
  });
  EXPECT_EQ(outcome.complaints, std::vector<std::string>{});
  EXPECT_GT(outcome.statuses[kUnavailable], 0u);
}

TEST(SimulatedProcessTest, AServerIsClosedAndOpenedAgain) {
  const Outcome outcome = Simulate(7, [](Simulation& simulation,
                                         SimulatedProcess& process) {
    process.CloseServer();
    process.CloseServer();  // it is closed
    simulation.RunUntil(simulation.now() + 10 * kSecond, [] { return false; });
  });
  EXPECT_EQ(outcome.complaints, std::vector<std::string>{});
  EXPECT_GT(outcome.statuses[kUnavailable], 0u);
  EXPECT_GT(outcome.statuses[kOk], 100u);
}

TEST(SimulatedProcessTest, AProcessReconnects) {
  const Outcome outcome =
      Simulate(7, [](Simulation&, SimulatedProcess& process) {
        process.Reconnect(0);
        process.Reconnect(1);
      });
  EXPECT_EQ(outcome.complaints, std::vector<std::string>{});
}

}  // namespace
}  // namespace lauberhorn::nic::testing
