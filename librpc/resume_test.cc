// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A NIC that dies and comes back: servers serve again where they did, clients
// call again, and whoever ends meanwhile ends.

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "lauberhorn/call_queue.h"
#include "lauberhorn/cancellation.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"
#include "librpc/runtime_impl.h"
#include "librpc/testing/mortal_nic.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using testing::MortalNic;
using testing::OpenRuntime;
using testing::Patient;
using testing::TestServer;

constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

CallOptions Waiting() {
  CallOptions options = Patient();
  options.wait_for_ready = true;
  return options;
}

// The reply to the first call that succeeds; none fails but for lack of a NIC,
// or since the client's NIC waited for one that is gone.
std::string CallAtLast(Client& client, absl::string_view method) {
  for (;;) {
    CallOptions options;
    options.deadline = absl::Now() + absl::Seconds(1);
    const absl::StatusOr<std::string> reply =
        Call(client, method, "again", options);
    if (reply.ok()) return *reply;
    const absl::StatusCode code = reply.status().code();
    EXPECT_TRUE(code == kUnavailable ||
                code == absl::StatusCode::kDeadlineExceeded)
        << reply.status();
  }
}

class ResumeTest : public ::testing::Test {
 protected:
  void Restart() {
    nic_.Kill();
    nic_.Start();
  }

  MortalNic nic_;
  std::shared_ptr<Runtime> runtime_ = nic_.OpenRuntime();
};

TEST_F(ResumeTest, AClientCallsAgain) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  ASSERT_EQ(*Call(*client, "Echo", "first"), "first");
  for (int life = 0; life < 3; ++life) {
    nic_.Kill();
    EXPECT_EQ(Call(*client, "Echo", "").status().code(), kUnavailable);
    nic_.Start();
    EXPECT_EQ(CallAtLast(*client, "Echo"), "again");
    // And a thread that never called before.
    std::thread([&] { EXPECT_EQ(*Call(*client, "Echo", "x"), "x"); }).join();
  }
}

TEST_F(ResumeTest, AClientThatWasNeverUsedCalls) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  Restart();
  EXPECT_EQ(CallAtLast(*client, "Echo"), "again");
  EXPECT_EQ(client->peer().ToString(), "ipv4:" + server.target());
}

TEST_F(ResumeTest, ServersServeAgainWhereTheyDid) {
  TestServer one(runtime_);
  TestServer two(runtime_);
  two.service.name = "two";
  const absl::StatusOr<int> other_port = two.server->Listen("127.0.0.1:0");
  ASSERT_TRUE(other_port.ok());
  const std::shared_ptr<Runtime> clients = OpenRuntime();
  const auto to_one = Connect(clients, one.target());
  const auto to_two = Connect(clients, two.target());
  const auto to_other =
      Connect(clients, absl::StrCat("127.0.0.1:", *other_port));
  for (int life = 0; life < 3; ++life) {
    Restart();
    EXPECT_EQ(CallAtLast(*to_one, "Name"), "one");
    EXPECT_EQ(CallAtLast(*to_two, "Name"), "two");
    EXPECT_EQ(CallAtLast(*to_other, "Name"), "two");
  }
  one.server->Shutdown();
  EXPECT_EQ(*Call(*to_two, "Name", ""), "two");
}

// A NIC that keeps the contract sends none home who is the last.
TEST_F(ResumeTest, WorkersThatHadAllBeenSentHomeAreReplaced) {
  TestServer server(runtime_);
  const std::shared_ptr<Client> client =
      Connect(OpenRuntime(), server.target());
  ASSERT_EQ(*Call(*client, "Name", ""), "one");
  const auto connection = RuntimeImpl::From(*runtime_).Current();
  const std::uint64_t mine = (*connection->endpoints().ThisThread())->handle();
  // Also those that were started for the last call, and come now.
  while (!connection->workers().HaveEnded()) {
    for (const std::uint32_t endpoint : nic_.life()->bound()) {
      const auto& layout = nic_.life()->Attach().endpoints[endpoint];
      lh_command_handle command;
      command.handle = lh_handle(layout.index, layout.generation);
      if (command.handle == mine) continue;
      (void)connection->Control(LH_COMMAND_ENDPOINT_RETIRE, command);
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
  Restart();
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
}

TEST_F(ResumeTest, ACallInFlightEndsOnceAndIsNotRunAgain) {
  TestServer server(runtime_);
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  std::thread caller([&] {
    EXPECT_EQ(Call(*client, "WaitToLeave", "", Waiting()).status().code(),
              kUnavailable);
  });
  server.service.entered.wait();
  Restart();
  caller.join();
  server.service.leave.count_down();
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
}

TEST_F(ResumeTest, AHandlerRunsAcrossTheLossAndShutdownWaitsForIt) {
  TestServer server(runtime_);
  // Its own service goes on.
  TestServer other(runtime_);
  const std::shared_ptr<Runtime> clients = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(clients, server.target());
  std::thread caller([&] {
    CallOptions options;
    options.deadline = absl::Now() + absl::Milliseconds(200);
    EXPECT_FALSE(Call(*client, "WaitToLeave", "", options).ok());
  });
  server.service.entered.wait();
  Restart();
  caller.join();
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
  std::atomic<bool> down = false;
  std::thread closer([&] {
    server.server->Shutdown();
    down = true;
  });
  // Nothing shows that it waits but that it has not ended.
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_FALSE(down);
  EXPECT_EQ(CallAtLast(*Connect(clients, other.target()), "Name"), "one");
  server.service.leave.count_down();
  closer.join();
}

TEST_F(ResumeTest, AHandlerLearnsThatNobodyWaits) {
  TestServer server(runtime_);
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  std::thread caller([&] {
    CallOptions options;
    options.deadline = absl::Now() + absl::Hours(1);
    EXPECT_EQ(Call(*client, "WaitForCancel", "", options).status().code(),
              kUnavailable);
  });
  server.service.entered.wait();
  nic_.Kill();
  caller.join();
  server.server->Shutdown();
  EXPECT_TRUE(server.service.saw_cancel);
}

TEST_F(ResumeTest, AHandlerCallsByTheNewNic) {
  const std::shared_ptr<Runtime> elsewhere = OpenRuntime();
  TestServer backend(elsewhere);
  TestServer server(runtime_);
  const std::shared_ptr<Client> client = Connect(runtime_, backend.target());
  struct Relay {
    std::latch entered{1};
    std::latch restarted{1};
    Client* backend;
    std::string reply;
  } relay;
  relay.backend = client.get();
  const Method method("/test.Relay/Run", [](void* service, ServerCall& call) {
    Relay& self = *static_cast<Relay*>(service);
    self.entered.count_down();
    self.restarted.wait();
    self.reply = CallAtLast(*self.backend, "Name");
    call.Fail(absl::StatusCode::kAborted, "to nobody");
  });
  ASSERT_TRUE(server.server->AddService({&method, 1}, &relay).ok());
  const std::shared_ptr<Client> caller = Connect(elsewhere, server.target());
  CallOptions options;
  options.deadline = absl::Now() + absl::Milliseconds(100);
  const std::string name(method.name);
  UnaryCall call(*caller, name, method.id);
  ASSERT_NE(call.ReserveRequest(0), nullptr);
  std::thread killer([&] {
    relay.entered.wait();
    Restart();
  });
  EXPECT_FALSE(call.Run(options).ok());
  killer.join();
  relay.restarted.count_down();
  server.server->Shutdown();
  EXPECT_EQ(relay.reply, "one");
}

TEST_F(ResumeTest, AServerIsMadeAndChangedOnlyWhileTheNicIsThere) {
  TestServer server(runtime_);
  nic_.Kill();
  const Method method("/test.Later/Name", [](void*, ServerCall&) {});
  EXPECT_EQ(server.server->AddService({&method, 1}, nullptr).code(),
            kUnavailable);
  EXPECT_EQ(server.server->Listen("127.0.0.1:0").status().code(), kUnavailable);
  EXPECT_EQ(Server::Create(runtime_).status().code(), kUnavailable);
  EXPECT_EQ(Client::Connect(runtime_, server.target()).status().code(),
            kUnavailable);
  nic_.Start();
  const auto client = Connect(OpenRuntime(), server.target());
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
  EXPECT_TRUE(server.server->AddService({&method, 1}, nullptr).ok());
  EXPECT_TRUE(server.server->Listen("127.0.0.1:0").ok());
  TestServer another(runtime_);
}

TEST_F(ResumeTest, APortThatWasTakenIsServedWhenItIsFree) {
  auto server = std::make_unique<TestServer>(runtime_);
  auto free = std::make_unique<TestServer>(runtime_);
  const std::shared_ptr<Runtime> others = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(others, server->target());
  nic_.Kill();
  auto thief = std::make_unique<TestServer>(others, server->target());
  thief->service.name = "thief";
  nic_.Start();
  EXPECT_EQ(CallAtLast(*Connect(others, free->target()), "Name"), "one");
  EXPECT_EQ(CallAtLast(*client, "Name"), "thief");
  thief = nullptr;
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
}

TEST_F(ResumeTest, ANicThatIsLostAgainIsNotTheLast) {
  TestServer server(runtime_);
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  nic_.Kill();
  nic_.DieAtBirth(3);
  nic_.Start(2);
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
}

TEST_F(ResumeTest, WhatIsLostIsNotKept) {
  TestServer server(runtime_);
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  for (int life = 0; life < 10; ++life) {
    Restart();
    CallAtLast(*client, "Name");
    // That which is there, the last that was lost, and that which was lost when
    // this thread had not called yet.
    EXPECT_LE(nic_.devices(), 3);
  }
}

TEST_F(ResumeTest, AnEndedThreadKeepsNothing) {
  const std::shared_ptr<Runtime> elsewhere = OpenRuntime();
  TestServer server(elsewhere);
  std::shared_ptr<Client> client = Connect(runtime_, server.target());
  std::thread user([&] {
    EXPECT_EQ(*Call(*client, "Name", ""), "one");
    nic_.Kill();
  });
  user.join();
  runtime_ = nullptr;
  client = nullptr;
  EXPECT_EQ(nic_.devices(), 0);
}

TEST_F(ResumeTest, WaitForReadyWaitsForTheNic) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  for (int life = 0; life < 3; ++life) {
    nic_.Kill();
    // Nobody but the call finds out that it is gone.
    nic_.Start(3);
    EXPECT_EQ(*Call(*client, "Echo", "waited", Waiting()), "waited");
  }
}

TEST_F(ResumeTest, WaitForReadyEndsAtItsDeadlineAndWhenCancelled) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  nic_.Kill();
  CallOptions options = Waiting();
  options.deadline = absl::Now() + absl::Milliseconds(20);
  EXPECT_EQ(Call(*client, "Echo", "", options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  Cancellation cancellation;
  options = Waiting();
  options.cancellation = &cancellation;
  std::thread caller([&] {
    EXPECT_EQ(Call(*client, "Echo", "", options).status().code(),
              absl::StatusCode::kCancelled);
  });
  cancellation.Cancel();
  caller.join();
  nic_.Start();
  EXPECT_EQ(CallAtLast(*client, "Echo"), "again");
}

TEST_F(ResumeTest, TheStateOfAClientIsFailedAndIsNotAnyMore) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  ASSERT_TRUE(Call(*client, "Echo", "").ok());
  EXPECT_EQ(*client->GetState(false), ConnectionState::kReady);
  nic_.Kill();
  EXPECT_EQ(*client->GetState(false), ConnectionState::kFailed);
  EXPECT_EQ(
      *client->WaitForChange(ConnectionState::kReady, absl::InfiniteFuture()),
      ConnectionState::kFailed);
  EXPECT_EQ(*client->WaitForChange(ConnectionState::kFailed,
                                   absl::Now() + absl::Milliseconds(20)),
            ConnectionState::kFailed);
  nic_.Start(3);
  EXPECT_NE(
      *client->WaitForChange(ConnectionState::kFailed, absl::InfiniteFuture()),
      ConnectionState::kFailed);
  ConnectionState state = *client->GetState(/*try_to_connect=*/true);
  while (state != ConnectionState::kReady) {
    state = *client->WaitForChange(state, absl::InfiniteFuture());
  }
}

TEST_F(ResumeTest, AStateThatIsWaitedForIsFailedWhenTheNicDies) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  ASSERT_TRUE(Call(*client, "Echo", "").ok());
  std::thread killer([&] { nic_.Kill(); });
  EXPECT_EQ(
      *client->WaitForChange(ConnectionState::kReady, absl::InfiniteFuture()),
      ConnectionState::kFailed);
  killer.join();
}

TEST_F(ResumeTest, AQueueEndsWithItsNicAndAnotherServes) {
  TestServer server(OpenRuntime());
  const std::shared_ptr<Client> client = Connect(runtime_, server.target());
  const std::string name = "/test.Service/Name";
  CallRequest request = {};
  request.name = name;
  request.id = MethodId(name);
  const auto queue = *CallQueue::Create(runtime_);
  Restart();
  EXPECT_EQ(CallAtLast(*client, "Name"), "one");
  EXPECT_EQ(queue->Start(*client, request, {}, nullptr).status().code(),
            kUnavailable);
  Completion done;
  EXPECT_FALSE(queue->Next(&done));
  const auto another = *CallQueue::Create(runtime_);
  ASSERT_TRUE(another->Start(*client, request, Patient(), nullptr).ok());
  ASSERT_TRUE(another->Next(&done));
  EXPECT_EQ(done.status(), absl::OkStatus());
}

}  // namespace
}  // namespace lauberhorn
