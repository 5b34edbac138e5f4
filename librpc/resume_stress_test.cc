// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A NIC that dies and comes back at any time, while servers and clients call,
// end, and are made: nothing hangs, no handler runs once its server has been
// shut down, and every server that is left serves in the end.

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "librpc/testing/mortal_nic.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using testing::MortalNic;
using testing::TestServer;

constexpr int kRounds = 25;

class ResumeStressTest : public ::testing::Test {
 protected:
  ResumeStressTest() {
    const unsigned seed = std::random_device{}();
    GTEST_LOG_(INFO) << "seed " << seed;
    random_.seed(seed);
  }

  int Below(int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random_);
  }

  // Somewhere in the loss, the pause, or the renewal.
  void Pause() { absl::SleepFor(absl::Microseconds(Below(15'000))); }

  void KillAndStart() {
    nic_.Kill();
    Pause();
    nic_.DieAtBirth(Below(3) == 0 ? 1 : 0);
    nic_.Start();
  }

  std::mt19937 random_;
  MortalNic nic_;
};

CallOptions Short() {
  CallOptions options;
  options.deadline = absl::Now() + absl::Milliseconds(500);
  return options;
}

void CallUntilItSucceeds(Client& client) {
  while (!Call(client, "Echo", "x", Short()).ok()) {
  }
}

// Calls until it is destroyed.
class Caller {
 public:
  explicit Caller(const std::shared_ptr<Client>& client)
      : thread_([this, client] {
          while (!stop_) (void)Call(*client, "Echo", "x", Short());
        }) {}
  ~Caller() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST_F(ResumeStressTest, ServersServeInTheEnd) {
  const std::shared_ptr<Runtime> runtime = nic_.OpenRuntime();
  TestServer one(runtime);
  TestServer two(runtime);
  const std::shared_ptr<Client> to_one = Connect(runtime, one.target());
  const std::shared_ptr<Client> to_two =
      Connect(testing::OpenRuntime(), two.target());
  for (int round = 0; round < kRounds; ++round) {
    {
      const Caller near(to_one);
      const Caller far(to_two);
      KillAndStart();
      Pause();
    }
    CallUntilItSucceeds(*to_one);
    CallUntilItSucceeds(*to_two);
  }
}

TEST_F(ResumeStressTest, AServerShutsDownAtAnyTime) {
  const std::shared_ptr<Runtime> runtime = nic_.OpenRuntime();
  TestServer stays(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, stays.target());
  const std::shared_ptr<Runtime> elsewhere = testing::OpenRuntime();
  for (int round = 0; round < kRounds; ++round) {
    // One is made, if the NIC is there.
    CallUntilItSucceeds(*client);
    TestServer goes(runtime);
    const std::shared_ptr<Client> to_it = Connect(elsewhere, goes.target());
    const Caller caller(to_it);
    std::thread killer([this] { KillAndStart(); });
    absl::SleepFor(absl::Microseconds(round * 1000));
    goes.server->Shutdown();
    const int runs = goes.service.runs;
    killer.join();
    EXPECT_EQ(goes.service.runs, runs);
  }
}

TEST_F(ResumeStressTest, ARuntimeEndsAtAnyTime) {
  for (int round = 0; round < kRounds; ++round) {
    std::shared_ptr<Runtime> runtime = nic_.OpenRuntime();
    auto server = std::make_unique<TestServer>(runtime);
    std::shared_ptr<Client> client = Connect(runtime, server->target());
    EXPECT_TRUE(Call(*client, "Echo", "x", Short()).ok());
    KillAndStart();
    if (Below(2) == 0) (void)Call(*client, "Echo", "x", Short());
    Pause();
    if (Below(2) == 0) nic_.Kill();
    server = nullptr;
    client = nullptr;
    runtime = nullptr;
    EXPECT_EQ(nic_.devices(), 0);
    nic_.DieAtBirth(0);
    nic_.Start();
  }
}

TEST_F(ResumeStressTest, ClientsComeAndGo) {
  const std::shared_ptr<Runtime> runtime = nic_.OpenRuntime();
  TestServer server(testing::OpenRuntime());
  for (int round = 0; round < kRounds; ++round) {
    std::thread killer([this] { KillAndStart(); });
    std::vector<std::thread> callers;
    for (int thread = 0; thread < 4; ++thread) {
      callers.emplace_back([&] {
        for (;;) {
          const auto client = Client::Connect(runtime, server.target());
          if (!client.ok()) continue;
          CallOptions options = testing::Patient();
          options.wait_for_ready = true;
          if (Call(**client, "Echo", "x", options).ok()) return;
        }
      });
    }
    killer.join();
    for (std::thread& caller : callers) caller.join();
  }
}

}  // namespace
}  // namespace lauberhorn
