// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What handlers may do, and what their callers get for it.

#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "librpc/endpoint.h"
#include "librpc/endpoint_pool.h"
#include "librpc/runtime_impl.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::OpenRuntime;
using testing::RpcTest;
using testing::TestServer;

TEST_F(RpcTest, TheFirstAnswerOfAHandlerCounts) {
  const absl::Status status = Call("Refuse", "").status();
  EXPECT_EQ(status, absl::NotFoundError("no such key"));
  // The worker goes on.
  EXPECT_EQ(*Call("Echo", "still here"), "still here");
}

TEST_F(RpcTest, AHandlerThatThrowsIsAnsweredUnknown) {
  const absl::Status status = Call("Throw", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(status.message(), HasSubstr("out of paper"));
}

TEST_F(RpcTest, AHandlerThatForgetsToAnswerIsAnsweredInternal) {
  EXPECT_EQ(Call("Forget", "").status().code(), absl::StatusCode::kInternal);
}

TEST_F(RpcTest, AHandlerLearnsWhereItsCallerIs) {
  const absl::StatusOr<std::string> reply = Call("Peer", "");
  ASSERT_TRUE(reply.ok()) << reply.status();
  const std::vector<std::string> peers = absl::StrSplit(*reply, ' ');
  ASSERT_EQ(peers.size(), 3u);
  EXPECT_THAT(peers[0], MatchesRegex("ipv4:127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_NE(peers[0], client_->peer().ToString());
  EXPECT_EQ(peers[1], peers[0]);
  EXPECT_EQ(peers[2], peers[0]);
  EXPECT_EQ(client_->peer().ToString(),
            absl::StrCat("ipv4:127.0.0.1:", server_.port));
  // Another client is elsewhere.
  const std::shared_ptr<Runtime> other = OpenRuntime();
  EXPECT_NE(*testing::Call(*Connect(other, server_.target()), "Peer", ""),
            *reply);
}

TEST_F(RpcTest, AStatusThatIsNoErrorBecomesUnknown) {
  EXPECT_EQ(Call("FailOk", "").status(), absl::UnknownError("not an error"));
}

TEST_F(RpcTest, ADeadlineEndsTheCallAndTellsTheHandler) {
  // A busy machine may not come to the handler before the deadline.
  absl::Duration patience = absl::Milliseconds(50);
  do {
    CallOptions options;
    options.deadline = absl::Now() + patience;
    EXPECT_EQ(Call("WaitForCancel", "", options).status().code(),
              absl::StatusCode::kDeadlineExceeded);
    patience *= 2;
  } while (!server_.service.entered.try_wait());
  server_.server->Shutdown();  // waits for the handler
  EXPECT_TRUE(server_.service.saw_cancel);
}

TEST_F(RpcTest, ADeadlineThatHasPassedNeverRunsTheHandler) {
  CallOptions options;
  options.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_EQ(Call("Echo", "x", options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*Call("Name", ""), "one");
  EXPECT_EQ(server_.service.runs, 0);
}

TEST(RpcWorkersTest, HandlersThatBlockDoNotStopOthers) {
  RuntimeOptions options;
  options.workers = 1;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Runtime> callers = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(callers, server.target());
  std::thread blocked(
      [&] { EXPECT_EQ(*Call(*client, "WaitToLeave", ""), "left"); });
  server.service.entered.wait();
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 8; ++i) {
    sleepers.emplace_back(
        [&] { EXPECT_EQ(*Call(*client, "Sleep", ""), "slept"); });
  }
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(*Call(*client, "Echo", "while it waits"), "while it waits");
  server.service.leave.count_down();
  blocked.join();
}

TEST(RpcWorkersTest, AHandlerThatEndsItsThreadEndsItsCallOnly) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int round = 0; round < 20; ++round) {
    const absl::Status status = Call(*client, "EndThread", "").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnknown) << status;
    EXPECT_THAT(status.message(), HasSubstr("has ended"));
    EXPECT_EQ(*Call(*client, "Echo", "goes on"), "goes on");
  }
  server.server->Shutdown();
}

TEST(RpcWorkersTest, AHandlerThatDoesNotReturnHoldsUpNobody) {
  RuntimeOptions options;
  options.workers = 1;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client =
      Connect(OpenRuntime(), server.target());
  CallOptions soon;
  soon.deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_EQ(Call(*client, "WaitToLeave", "", soon).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*Call(*client, "Echo", "others go on"), "others go on");
  server.service.leave.count_down();
}

// A server with one thread.
RuntimeOptions OneThread() {
  RuntimeOptions options;
  options.workers = 1;
  options.max_workers = 1;
  return options;
}

TEST(RpcWorkersTest, AThreadThatEndsIsReplacedThoughNoEndpointIsFree) {
  RuntimeOptions options = OneThread();
  options.endpoints = 4;  // one is kept, one is this thread's
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  EndpointPool& endpoints = RuntimeImpl::From(*runtime).Current()->endpoints();
  const absl::StatusOr<Endpoint*> last = endpoints.Take();
  ASSERT_TRUE(last.ok()) << last.status();
  ASSERT_FALSE(endpoints.Take().ok());
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(Call(*client, "EndThread", "").status().code(),
              absl::StatusCode::kUnknown);
    EXPECT_EQ(*Call(*client, "Echo", "goes on"), "goes on");
  }
  endpoints.Give(*last);
}

TEST(RpcWorkersTest, AThreadThatEndsIsReplacedThoughItWasTheOnlyOne) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime(OneThread());
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(Call(*client, "EndThread", "").status().code(),
              absl::StatusCode::kUnknown);
    EXPECT_EQ(*Call(*client, "Echo", "goes on"), "goes on");
  }
}

// A handler of a server with one thread that waits until it may leave; others
// wait behind it.
class RpcQueueTest : public ::testing::Test {
 protected:
  explicit RpcQueueTest(std::uint32_t max_queued = 100) {
    RuntimeOptions options = OneThread();
    options.max_queued = max_queued;
    server_ = std::make_unique<TestServer>(OpenRuntime(options));
    client_ = Connect(callers_, server_->target());
    handler_ = std::thread(
        [this] { EXPECT_EQ(*Call(*client_, "WaitToLeave", ""), "left"); });
    server_->service.entered.wait();
  }

  void Leave() {
    server_->service.leave.count_down();
    handler_.join();
  }

  const std::shared_ptr<Runtime> callers_ = OpenRuntime();
  std::unique_ptr<TestServer> server_;
  std::shared_ptr<Client> client_;
  std::thread handler_;
};

TEST_F(RpcQueueTest, ADeadlinePassesInTheQueue) {
  CallOptions options;
  options.deadline = absl::Now() + absl::Milliseconds(50);
  const absl::Status status = Call(*client_, "Echo", "", options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("the deadline passed"));
  // For the server it passes as much later as the call took to come there.
  absl::SleepFor(absl::Milliseconds(100));
  Leave();
  EXPECT_EQ(*Call(*client_, "Echo", "later"), "later");
  EXPECT_EQ(server_->service.runs, 1) << "the first did not run";
}

class RpcFullQueueTest : public RpcQueueTest {
 protected:
  RpcFullQueueTest() : RpcQueueTest(1) {}
};

TEST_F(RpcFullQueueTest, OneMoreIsRefusedAndTheCallerToldWhatToRaise) {
  // One of two finds room. Each is made by a host of its own, since one that
  // knows that the server is full keeps its next calls for later.
  absl::StatusOr<std::string> results[2];
  std::latch refused{1};
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      const std::shared_ptr<Runtime> runtime = OpenRuntime();
      result = Call(*Connect(runtime, server_->target()), "Echo", "x");
      if (!result.ok()) refused.count_down();
    });
  }
  refused.wait();
  Leave();
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(results[0].ok(), results[1].ok());
  const absl::Status& status = results[results[0].ok() ? 1 : 0].status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("RuntimeOptions::max_queued"));
  EXPECT_EQ(server_->service.runs, 1);
}

}  // namespace
}  // namespace lauberhorn
