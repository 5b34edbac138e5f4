// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What simulation_test.cc leaves open, since anything may go wrong there: over
// a bad network every call succeeds, and beyond the death of the server some
// do.

#include <memory>

#include "gtest/gtest.h"
#include "nic/testing/call_oracle.h"
#include "nic/testing/simulated_process.h"
#include "nic/testing/simulation.h"

namespace lauberhorn::nic {
namespace {

using testing::CallOracle;
using testing::CallPlan;
using testing::HostOptions;
using testing::ProcessOptions;
using testing::Random;
using testing::SimulatedProcess;
using testing::Simulation;

constexpr std::size_t kServer = 0;
constexpr std::size_t kClient = 1;
constexpr std::uint64_t kCalls = 300;
constexpr std::size_t kOk = 0;

class EngineStormTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  EngineStormTest() {
    HostOptions host;
    host.region.endpoints = 6;
    host.region.arrived_calls = 64;
    host.region.own_calls = 64;
    ProcessOptions process;
    process.limits.threads = 3;
    process.calls = 20;
    for (const std::size_t index : {kServer, kClient}) {
      simulation_.AddHost(host);
      processes_[index] = std::make_unique<SimulatedProcess>(
          simulation_, index, oracle_, process, [](Random& random) {
            CallPlan plan;
            plan.server = kServer;
            // The opening of the session may fail by bad luck.
            plan.wait_for_ready = true;
            plan.request_size = random.Below(400u);
            plan.reply_size = random.Below(400u);
            return plan;
          });
    }
    // Only the client calls.
    server().set_calling(false);
    server().Start();
    client().Start();
  }

  SimulatedProcess& server() { return *processes_[kServer]; }
  SimulatedProcess& client() { return *processes_[kClient]; }

  // Until the client has made all calls and all have ended.
  void MakeCalls() {
    const auto ended = [this] {
      if (oracle_.started() >= kCalls) client().set_calling(false);
      return oracle_.started() >= kCalls && oracle_.open() == 0;
    };
    EXPECT_TRUE(simulation_.RunUntil(simulation_.now() + 600 * kSecond, ended));
    oracle_.Finish();
    for (const std::string& complaint : oracle_.complaints()) {
      ADD_FAILURE() << complaint;
    }
  }

  Simulation simulation_{GetParam()};
  CallOracle oracle_{60 * kSecond};
  std::unique_ptr<SimulatedProcess> processes_[2];
};

TEST_P(EngineStormTest, EveryCallSucceedsOverABadNetwork) {
  simulation_.network().set_faults({.loss = 100,
                                    .duplication = 100,
                                    .reordering = 100,
                                    .corruption = 50,
                                    .truncation = 50,
                                    .min_delay = 5 * kMicrosecond,
                                    .max_delay = 2 * kMillisecond});
  MakeCalls();
  EXPECT_EQ(oracle_.statuses()[kOk], oracle_.started());
  EXPECT_GT(client().host().engine().counters().retransmissions.value(), 0u);
  const Counters& counters = server().host().engine().counters();
  EXPECT_GT(counters.calls_duplicate.value(), 0u);
  EXPECT_GT(counters.packets_malformed.value(), 0u);
}

TEST_P(EngineStormTest, EveryCallEndsAlthoughTheServerDies) {
  simulation_.network().set_faults({.loss = 20,
                                    .duplication = 20,
                                    .min_delay = 5 * kMicrosecond,
                                    .max_delay = kMillisecond});
  const Nanos death = simulation_.now() + GetParam() * 5 * kMillisecond;
  simulation_.At(death, [this] { server().Crash(); });
  simulation_.At(death + 2 * kMillisecond, [this] { server().Start(); });
  MakeCalls();
  EXPECT_GT(oracle_.statuses()[kOk], kCalls / 2);
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineStormTest,
                         ::testing::Range(std::uint64_t{1}, std::uint64_t{13}));

}  // namespace
}  // namespace lauberhorn::nic
