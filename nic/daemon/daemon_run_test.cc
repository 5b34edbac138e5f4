// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The NIC on a thread of its own, which sleeps when nobody has work for it: it
// hears of everything that comes.

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/daemon/daemon.h"
#include "nic/daemon/testing/fake_node.h"
#include "nic/daemon/testing/fake_process.h"

namespace lauberhorn::nic::daemon {
namespace {

using nic::testing::TakenMessage;
using testing::FakeNode;
using testing::FakeProcess;

class DaemonRunTest : public ::testing::TestWithParam<bool> {
 protected:
  DaemonRunTest() {
    DaemonOptions options;
    options.geometry = {.processes = 4,
                        .endpoints = 2,
                        .slots = 4,
                        .arrived = 16,
                        .own = 16,
                        .cpus = 2,
                        .spin = GetParam()};
    daemon_ = *Daemon::Start(options, node_);
    thread_ = std::thread([this] {
      status_ = daemon_->Run(stop_);
      daemon_.reset();
      ended_ = true;
    });
  }
  ~DaemonRunTest() override {
    Stop();
    if (thread_.joinable()) thread_.join();
    close(stop_);
  }

  void Stop() { EXPECT_EQ(eventfd_write(stop_, 1), 0); }
  const lh_info& KernelInfo() {
    return *reinterpret_cast<const lh_info*>(node_.KernelPart().data());
  }
  // Until the NIC sleeps; one that spins never does.
  void AwaitSleep() {
    if (GetParam()) return;
    EXPECT_TRUE(testing::Eventually(
        yield_, [&] { return lh_load_acquire(&KernelInfo().asleep) == 1; }));
  }
  bool Ends() {
    return testing::Eventually(yield_, [&] { return ended_.load(); });
  }

  const std::function<void()> yield_ = [] { std::this_thread::yield(); };
  const int stop_ = eventfd(0, EFD_CLOEXEC);
  FakeNode node_;
  std::unique_ptr<Daemon> daemon_;
  std::thread thread_;
  absl::Status status_ = absl::UnknownError("it runs");
  std::atomic<bool> ended_{false};
};

INSTANTIATE_TEST_SUITE_P(Kinds, DaemonRunTest, ::testing::Bool(),
                         [](const auto& spins) {
                           return spins.param ? "Spins" : "Sleeps";
                         });

// Each put may come just as it falls asleep; the ring is not lost then.
TEST_P(DaemonRunTest, CallsFindItAsleepOrAwake) {
  FakeProcess server(node_, yield_);
  FakeProcess client(node_, yield_);
  const std::uint16_t port = server.Serve();
  const std::uint64_t peer = client.ConnectTo(port);
  for (std::uint32_t round = 1; round <= 500; ++round) {
    if (round % 50 == 0) AwaitSleep();
    const std::string request = std::to_string(round);
    client.PutCall(peer, round % 16, round, request);
    const TakenMessage call = server.Take(Which::kServe);
    ASSERT_EQ(call.payload, request);
    if (round % 50 == 25) AwaitSleep();
    server.Reply(call, request);
    ASSERT_EQ(client.Take(Which::kCall).payload, request);
    server.Wait();
  }
}

TEST_P(DaemonRunTest, ItEndsWhenItIsTold) {
  FakeProcess process(node_, yield_);
  AwaitSleep();
  Stop();
  ASSERT_TRUE(Ends());
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_P(DaemonRunTest, ItEndsWithItsDevice) {
  FakeProcess process(node_, yield_);
  AwaitSleep();
  node_.Unbind();
  ASSERT_TRUE(Ends());
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
}

TEST_P(DaemonRunTest, EventsEndItsSleep) {
  AwaitSleep();
  FakeProcess process(node_, yield_);
  AwaitSleep();
  node_.Leave(process.place());
  EXPECT_TRUE(testing::Eventually(
      yield_, [&] { return node_.IsEnded(process.place()); }));
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
