// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A NIC that dies: whatever waits for it ends with UNAVAILABLE, and so does
// what begins afterwards; handlers that run come to their end.

#include <array>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/call_queue.h"
#include "librpc/runtime_impl.h"
#include "librpc/testing/mortal_device.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using testing::MortalDevice;
using testing::Patient;
using testing::TestServer;

constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

class LostDeviceTest : public ::testing::Test {
 protected:
  MortalDevice* const device_ = new MortalDevice;  // the runtime's
  const std::shared_ptr<Runtime> runtime_ = std::make_shared<RuntimeImpl>(
      RuntimeOptions(), std::unique_ptr<Device>(device_));
};

TEST_F(LostDeviceTest, ACallThatWaitsEnds) {
  TestServer server(testing::OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  std::thread caller([&] {
    EXPECT_EQ(Call(*client, "WaitToLeave", "").status().code(), kUnavailable);
  });
  server.service.entered.wait();
  device_->Kill();
  caller.join();
  server.service.leave.count_down();
}

TEST_F(LostDeviceTest, WhatBeginsAfterwardsEndsAtOnce) {
  TestServer server(testing::OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  ASSERT_TRUE(Call(*client, "Echo", "").ok());
  device_->Kill();
  // More than a lane holds.
  for (int time = 0; time < 20; ++time) {
    ASSERT_EQ(Call(*client, "Echo", "").status().code(), kUnavailable);
  }
  // An endpoint that is used again, and one that was never used.
  for (int time = 0; time < 3; ++time) {
    std::thread([&] {
      EXPECT_EQ(Call(*client, "Echo", "").status().code(), kUnavailable);
    }).join();
  }
  EXPECT_EQ(Client::Connect(runtime_, server.target()).status().code(),
            kUnavailable);
  EXPECT_EQ(Server::Create(runtime_).status().code(), kUnavailable);
}

TEST_F(LostDeviceTest, AServerShutsDownAfterItsHandlers) {
  auto server = std::make_unique<TestServer>(runtime_);
  const std::shared_ptr<Client> client =
      Connect(testing::OpenRuntime(), server->target());
  std::thread caller([&] {
    // Its own NIC finds out that the server's is silent.
    CallOptions options;
    options.deadline = absl::Now() + absl::Milliseconds(200);
    EXPECT_FALSE(Call(*client, "WaitToLeave", "", options).ok());
  });
  server->service.entered.wait();
  device_->Kill();
  caller.join();
  std::atomic<bool> down = false;
  std::thread closer([&] {
    server->server->Shutdown();
    down = true;
  });
  // Nothing shows that it waits but that it has not ended.
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_FALSE(down);
  server->service.leave.count_down();
  closer.join();
}

TEST_F(LostDeviceTest, AnIdleServerShutsDown) {
  TestServer server(runtime_);
  TestServer other(runtime_);
  device_->Kill();
  server.server->Shutdown();
}

TEST_F(LostDeviceTest, QueuedCallsEndOnceEach) {
  const std::shared_ptr<Runtime> servers = testing::OpenRuntime();
  std::array<TestServer, 3> server = {TestServer(servers), TestServer(servers),
                                      TestServer(servers)};
  const auto queue = *CallQueue::Create(runtime_, {});
  std::set<void*> open;
  const std::string name = "/test.Service/WaitToLeave";
  CallRequest request = {};
  request.name = name;
  request.id = MethodId(name);
  std::vector<std::shared_ptr<Client>> clients;
  for (TestServer& each : server) {
    clients.push_back(Connect(runtime_, each.target()));
    ASSERT_TRUE(queue->Start(*clients.back(), request, {}, &each).ok());
    open.insert(&each);
  }
  for (TestServer& each : server) each.service.entered.wait();
  std::thread killer([this] { device_->Kill(); });
  Completion done;
  while (queue->Next(&done)) {
    EXPECT_EQ(open.erase(done.tag()), 1u);
    EXPECT_EQ(done.status().code(), kUnavailable);
  }
  killer.join();
  EXPECT_TRUE(open.empty());
  for (TestServer& each : server) each.service.leave.count_down();
}

TEST_F(LostDeviceTest, ThreadsAreBoundAsLongAsTheyHaveAnEndpoint) {
  TestServer server(testing::OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  const std::set<std::uint32_t> before = device_->bound();
  EXPECT_EQ(before.size(), 1u);  // this thread
  std::thread([&] {
    ASSERT_TRUE(Call(*client, "Echo", "").ok());
    EXPECT_EQ(device_->bound().size(), 2u);
  }).join();
  EXPECT_EQ(device_->bound(), before);
  const auto queue = *CallQueue::Create(runtime_, {});
  EXPECT_EQ(device_->bound(), before) << "a queue has no thread";
}

TEST_F(LostDeviceTest, AThreadThatLooksSaysSo) {
  MortalDevice device(/*silent=*/true);
  Endpoint endpoint(device, device.Attach().endpoints[1], absl::Seconds(1));
  endpoint.Bind();
  EXPECT_FALSE(device.IsWaiting(1));
  std::thread looker(
      [&] { EXPECT_EQ(endpoint.Get(endpoint.call()), nullptr); });
  while (!device.IsWaiting(1)) std::this_thread::yield();
  device.Kill();
  looker.join();
  EXPECT_FALSE(device.IsWaiting(1));
  endpoint.Close();
  EXPECT_TRUE(device.bound().empty());
}

}  // namespace
}  // namespace lauberhorn
