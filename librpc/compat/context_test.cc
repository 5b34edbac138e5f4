// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What the two contexts of a call do, over the NIC: cancellation from both
// ends, and by the end of the server.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "echo.grpc.pb.h"

namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::NotNull;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Whatever hangs is ended by this and fails the test.
std::chrono::system_clock::time_point Patience() {
  return std::chrono::system_clock::now() + std::chrono::minutes(1);
}

// Does what the test says, but for requests that are to be echoed.
class ScriptedService final : public echo::Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext* context, const echo::Request* request,
                   echo::Reply* reply) override {
    if (say && request->text() != "echo") return say(context);
    reply->set_text(request->text());
    return grpc::Status::OK;
  }

  std::function<grpc::Status(grpc::ServerContext*)> say;
};

class ContextTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_THAT(server_, NotNull());
    stub_ = echo::Echo::NewStub(grpc::CreateChannel(
        absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    context_.set_deadline(Patience());
  }

  grpc::Status Say(grpc::ClientContext& context) {
    return stub_->Say(&context, request_, &reply_);
  }

  ScriptedService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<echo::Echo::Stub> stub_;
  grpc::ClientContext context_;
  echo::Request request_;
  echo::Reply reply_;
};

void WaitUntilCancelled(const grpc::ServerContext& context) {
  while (!context.IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
}

TEST_F(ContextTest, AnotherThreadMayCancelACallThatRuns) {
  std::latch entered(1);
  bool saw_it = false;
  service_.say = [&](grpc::ServerContext* context) {
    entered.count_down();
    WaitUntilCancelled(*context);
    saw_it = true;
    return grpc::Status::OK;
  };
  std::thread canceller([&] {
    entered.wait();
    context_.TryCancel();
    context_.TryCancel();
  });
  EXPECT_EQ(Say(context_).error_code(), grpc::StatusCode::CANCELLED);
  canceller.join();
  server_->Shutdown();  // waits for the handler
  EXPECT_TRUE(saw_it);
}

TEST_F(ContextTest, ACallThatIsCancelledBeforeIsNotMade) {
  service_.say = [&](grpc::ServerContext*) {
    ADD_FAILURE() << "it runs";
    return grpc::Status::OK;
  };
  context_.TryCancel();
  EXPECT_EQ(Say(context_).error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown();
}

TEST_F(ContextTest, CancellingACallThatHasEndedDoesNothing) {
  ASSERT_TRUE(Say(context_).ok());
  context_.TryCancel();
  grpc::ClientContext next;
  next.set_deadline(Patience());
  EXPECT_TRUE(Say(next).ok());
}

TEST_F(ContextTest, ACancelThatRacesWithTheCallEndsItOrNot) {
  for (int round = 0; round < 300; ++round) {
    grpc::ClientContext context;
    context.set_deadline(Patience());
    std::latch start(2);
    std::thread canceller([&] {
      start.arrive_and_wait();
      context.TryCancel();
    });
    start.arrive_and_wait();
    const grpc::Status status = Say(context);
    EXPECT_TRUE(status.ok() ||
                status.error_code() == grpc::StatusCode::CANCELLED)
        << status.error_message();
    canceller.join();
  }
}

TEST_F(ContextTest, CancelEndsTheWaitForAName) {
  const auto stub = echo::Echo::NewStub(grpc::CreateChannel(
      "no-such-host.invalid:1", grpc::InsecureChannelCredentials()));
  context_.set_wait_for_ready(true);
  std::thread canceller([&] { context_.TryCancel(); });
  EXPECT_EQ(stub->Say(&context_, request_, &reply_).error_code(),
            grpc::StatusCode::CANCELLED);
  canceller.join();
}

TEST_F(ContextTest, CancelEndsTheWaitForAServer) {
  int port = 0;
  {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    ASSERT_THAT(builder.BuildAndStart(), NotNull());
  }
  const auto stub = echo::Echo::NewStub(grpc::CreateChannel(
      absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  context_.set_wait_for_ready(true);
  std::thread canceller([&] { context_.TryCancel(); });
  EXPECT_EQ(stub->Say(&context_, request_, &reply_).error_code(),
            grpc::StatusCode::CANCELLED);
  canceller.join();
}

TEST_F(ContextTest, AHandlerMayCancelItsCall) {
  service_.say = [&](grpc::ServerContext* context) {
    std::thread([context] { context->TryCancel(); }).join();
    WaitUntilCancelled(*context);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Say(context_).error_code(), grpc::StatusCode::CANCELLED);
  request_.set_text("echo");
  grpc::ClientContext next;
  next.set_deadline(Patience());
  EXPECT_TRUE(Say(next).ok());
}

TEST_F(ContextTest, AHandlerThatCancelsItsCallMayReturnAtOnce) {
  service_.say = [](grpc::ServerContext* context) {
    context->TryCancel();
    return grpc::Status(grpc::StatusCode::ABORTED, "not seen");
  };
  for (int round = 0; round < 100; ++round) {
    grpc::ClientContext context;
    context.set_deadline(Patience());
    const grpc::Status status = Say(context);
    ASSERT_EQ(status.error_code(), grpc::StatusCode::CANCELLED) << round;
    ASSERT_EQ(status.error_message(), "the server cancelled the call");
  }
}

// The handler calls its own server, for its call; what came of that.
class NestedTest : public ContextTest {
 protected:
  // Makes the outer call, whose handler makes a nested one with `options`,
  // which waits until it is cancelled or a minute has passed.
  grpc::Status CallNested(const grpc::PropagationOptions& options) {
    service_.say = [this, options](grpc::ServerContext* context) {
      if (nesting_.exchange(true)) {
        inner_deadline_ = context->deadline();
        entered_.count_down();
        WaitUntilCancelled(*context);
        inner_ended_.count_down();
        return grpc::Status::OK;
      }
      const auto nested =
          grpc::ClientContext::FromServerContext(*context, options);
      echo::Request request;
      echo::Reply reply;
      const grpc::Status status = stub_->Say(nested.get(), request, &reply);
      nested_status_ = status;
      outer_ended_.count_down();  // the test may end now
      return status;
    };
    return Say(context_);
  }

  std::atomic<bool> nesting_{false};
  std::latch entered_{1};
  std::latch inner_ended_{1};
  std::latch outer_ended_{1};
  std::chrono::system_clock::time_point inner_deadline_;
  grpc::Status nested_status_;
};

TEST_F(NestedTest, CancellationReachesTheNestedCall) {
  std::thread canceller([&] {
    entered_.wait();
    context_.TryCancel();
  });
  EXPECT_EQ(CallNested({}).error_code(), grpc::StatusCode::CANCELLED);
  canceller.join();
  inner_ended_.wait();
  outer_ended_.wait();
  EXPECT_EQ(nested_status_.error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(NestedTest, TheDeadlineReachesTheNestedCall) {
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::milliseconds(200);
  context_.set_deadline(deadline);
  EXPECT_EQ(
      CallNested(grpc::PropagationOptions().disable_cancellation_propagation())
          .error_code(),
      grpc::StatusCode::DEADLINE_EXCEEDED);
  outer_ended_.wait();
  // It may have ended before the nested handler ran.
  EXPECT_EQ(nested_status_.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(NestedTest, ADeadlineThatIsNotInheritedEndsTheNestedCallAllTheSame) {
  context_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::milliseconds(200));
  EXPECT_EQ(
      CallNested(grpc::PropagationOptions().disable_deadline_propagation())
          .error_code(),
      grpc::StatusCode::DEADLINE_EXCEEDED);
  inner_ended_.wait();
  outer_ended_.wait();
  EXPECT_EQ(inner_deadline_, std::chrono::system_clock::time_point::max());
  EXPECT_EQ(nested_status_.error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(NestedTest, WhatIsNotInheritedGoesOn) {
  std::thread canceller([&] {
    entered_.wait();
    context_.TryCancel();
  });
  const auto none = grpc::PropagationOptions()
                        .disable_deadline_propagation()
                        .disable_cancellation_propagation();
  EXPECT_EQ(CallNested(none).error_code(), grpc::StatusCode::CANCELLED);
  canceller.join();
  // Nothing but the end of the server ends the nested call.
  EXPECT_FALSE(outer_ended_.try_wait());
  server_->Shutdown(std::chrono::system_clock::now());
  EXPECT_EQ(nested_status_.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(FromServerContextTest, OfNoCallItIsAContextLikeAnother) {
  grpc::ServerContext of_no_call;
  const auto context = grpc::ClientContext::FromServerContext(of_no_call);
  EXPECT_EQ(context->deadline(), std::chrono::system_clock::time_point::max());
}

TEST_F(ContextTest, MetadataGoesBothWays) {
  const std::string bytes("\0\n\xff", 3);
  std::multimap<std::string, std::string> seen;
  service_.say = [&](grpc::ServerContext* context) {
    for (const auto& [key, value] : context->client_metadata()) {
      seen.emplace(std::string(key.begin(), key.end()),
                   std::string(value.begin(), value.end()));
    }
    context->AddInitialMetadata("served-by", "this test");
    context->AddTrailingMetadata("cost", "7");
    context->AddTrailingMetadata("cost-bin", bytes);
    return grpc::Status::OK;
  };
  context_.AddMetadata("tenant", "blue");
  context_.AddMetadata("tenant", "green");
  context_.AddMetadata("some-bin", bytes);
  ASSERT_TRUE(Say(context_).ok());
  EXPECT_THAT(seen, UnorderedElementsAre(
                        Pair("tenant", "blue"), Pair("tenant", "green"),
                        Pair("some-bin", bytes), Pair("user-agent", _)));
  EXPECT_THAT(context_.GetServerInitialMetadata(),
              ElementsAre(Pair("served-by", "this test")));
  EXPECT_THAT(context_.GetServerTrailingMetadata(),
              ElementsAre(Pair("cost", "7"),
                          Pair("cost-bin", grpc::string_ref(bytes))));
}

TEST_F(ContextTest, WithoutMetadataThereIsNone) {
  ASSERT_TRUE(Say(context_).ok());
  EXPECT_TRUE(context_.GetServerInitialMetadata().empty());
  EXPECT_TRUE(context_.GetServerTrailingMetadata().empty());
}

TEST_F(ContextTest, AnErrorBringsDetailsAndMetadata) {
  const std::string details("\0\xff", 2);
  service_.say = [&](grpc::ServerContext* context) {
    context->AddInitialMetadata("served-by", "this test");
    return grpc::Status(grpc::StatusCode::ABORTED, "why", details);
  };
  const grpc::Status status = Say(context_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "why");
  EXPECT_EQ(status.error_details(), details);
  EXPECT_THAT(context_.GetServerInitialMetadata(),
              ElementsAre(Pair("served-by", "this test")));
}

TEST_F(ContextTest, MetadataThatIsTooLargeIsRefusedWithTheSizes) {
  const std::string value(1400, 'v');
  grpc::ClientContext asking;
  asking.set_deadline(Patience());
  asking.AddMetadata("key", value);
  const grpc::Status refused = Say(asking);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(),
              AllOf(HasSubstr("1407"), HasSubstr("1388")));

  service_.say = [&](grpc::ServerContext* context) {
    context->AddTrailingMetadata("key", value);
    return grpc::Status(grpc::StatusCode::ABORTED, "its reason");
  };
  const grpc::Status failed = Say(context_);
  EXPECT_EQ(failed.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(failed.error_message(),
              AllOf(HasSubstr("1407"), HasSubstr("its reason")));
}

// A call with its method's name and metadata, of every size around a packet's.
TEST_F(ContextTest, MetadataOfEverySizeArrives) {
  std::size_t seen = 0;
  service_.say = [&](grpc::ServerContext* context) {
    const auto found = context->client_metadata().find("key");
    if (found == context->client_metadata().end()) return grpc::Status();
    seen = found->second.size();
    context->AddTrailingMetadata(
        "key", std::string(found->second.begin(), found->second.end()));
    return grpc::Status::OK;
  };
  for (const std::size_t size :
       {0u, 1u, 60u, 80u, 1000u, 1379u, 1380u, 1381u}) {
    grpc::ClientContext context;
    context.set_deadline(Patience());
    context.AddMetadata("key", std::string(size, 'v'));
    const grpc::Status status = Say(context);
    ASSERT_TRUE(status.ok()) << size << ": " << status.error_message();
    EXPECT_EQ(seen, size);
    EXPECT_EQ(context.GetServerTrailingMetadata().find("key")->second.size(),
              size);
  }
}

TEST_F(ContextTest, ShutdownWithADeadlineCancelsWhatRuns) {
  std::latch entered(1);
  std::latch saw_it(1);
  service_.say = [&](grpc::ServerContext* context) {
    entered.count_down();
    WaitUntilCancelled(*context);
    saw_it.count_down();
    return grpc::Status::OK;
  };
  std::thread waiter([&] { server_->Wait(); });
  std::thread closer([&] {
    entered.wait();
    server_->Shutdown(std::chrono::system_clock::now() +
                      std::chrono::milliseconds(10));
    EXPECT_TRUE(saw_it.try_wait()) << "it waits for the handler";
  });
  EXPECT_EQ(Say(context_).error_code(), grpc::StatusCode::UNAVAILABLE);
  closer.join();
  waiter.join();
  server_->Wait();
  server_->Shutdown(gpr_timespec{0, 0, GPR_TIMESPAN});
}

// Channel, stub and server go in every order, after a call. The last of them
// closes the runtime.
TEST(ShutdownTest, WhatAProgramHoldsMayGoInAnyOrder) {
  std::vector<int> order = {0, 1, 2};
  do {
    ScriptedService service;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    ASSERT_THAT(server, NotNull());
    std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(
        absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    std::unique_ptr<echo::Echo::Stub> stub = echo::Echo::NewStub(channel);
    grpc::ClientContext context;
    context.set_deadline(Patience());
    echo::Request request;
    echo::Reply reply;
    EXPECT_TRUE(stub->Say(&context, request, &reply).ok());
    for (const int next : order) {
      if (next == 0) server = nullptr;
      if (next == 1) channel = nullptr;
      if (next == 2) stub = nullptr;
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
