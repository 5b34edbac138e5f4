// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Servers: what they have, where they listen, how they end and come again.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using ::testing::AllOf;
using testing::Call;
using testing::Connect;
using ::testing::HasSubstr;
using testing::OpenRuntime;
using testing::Patient;
using testing::RpcTest;
using testing::TestMethods;
using testing::TestServer;

TEST_F(RpcTest, AnUnknownMethodIsUnimplementedByName) {
  const absl::Status status = Call("Missing", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("/test.Service/Missing"));
}

TEST_F(RpcTest, TwoMethodsWithOneIdAreNotTakenForEachOther) {
  // The names differ, the ids are made the same.
  const std::uint64_t id = MethodId("/test.Service/Echo");
  const auto call = [&](const std::string& name) {
    UnaryCall unary(*client_, name, id);
    EXPECT_NE(unary.ReserveRequest(0), nullptr);
    return unary.Run(Patient());
  };
  EXPECT_TRUE(call("/test.Service/Echo").ok());
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = call("/test.Service/Other");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(),
                HasSubstr("/test.Service/Echo and /test.Service/Other"));
  }
  EXPECT_TRUE(call("/test.Service/Echo").ok());
  EXPECT_EQ(server_.service.runs, 2);
}

TEST_F(RpcTest, AServersMethodWithAnotherNameIsNotRun) {
  UnaryCall call(*client_, "/test.Service/Other",
                 MethodId("/test.Service/Echo"));
  ASSERT_NE(call.ReserveRequest(0), nullptr);
  const absl::Status status = call.Run(Patient());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(
      status.message(),
      HasSubstr("no method /test.Service/Other, but /test.Service/Echo"));
  EXPECT_EQ(server_.service.runs, 0);
}

TEST_F(RpcTest, AMethodIsAddedOnce) {
  EXPECT_EQ(server_.server->AddService(TestMethods(), &server_.service).code(),
            absl::StatusCode::kAlreadyExists);
  const std::string long_name(256, 'x');
  const Method method(long_name, [](void*, ServerCall&) {});
  EXPECT_EQ(server_.server->AddService({&method, 1}, nullptr).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RpcTest, MethodsWithOneIdAreNotAdded) {
  // Two names of the same hash.
  constexpr absl::string_view kName = "8yn0iYCKYHlIj4-BwPqk";
  constexpr absl::string_view kOther = "GReLUrM4wMqfg9yzV3KQ";
  ASSERT_EQ(MethodId(kName), MethodId(kOther));
  const auto nothing = [](void*, ServerCall&) {};
  const Method methods[] = {{kName, nothing}, {kOther, nothing}};
  const absl::Status both = server_.server->AddService(methods, nullptr);
  EXPECT_EQ(both.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(both.message(), absl::StrCat(kName, " and ", kOther,
                                         " have the same id; rename one"));
  // None of them is there.
  EXPECT_EQ(server_.server->AddService({methods, 1}, nullptr),
            absl::OkStatus());
  EXPECT_EQ(server_.server->AddService({methods + 1, 1}, nullptr).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(RpcTest, APortIsListenedOnOnce) {
  TestServer other(server_runtime_);
  const absl::Status status = other.server->Listen(server_.target()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(server_.target()));
}

TEST_F(RpcTest, ShutdownWaitsForTheCallThatRunsAndRefusesOthers) {
  std::thread caller([this] { EXPECT_EQ(*Call("WaitToLeave", ""), "left"); });
  server_.service.entered.wait();
  std::atomic<bool> down{false};
  std::thread closer([&] {
    server_.server->Shutdown();
    down = true;
  });
  // Until the server has begun to close, calls are served.
  absl::Status status;
  do {
    status = Call("Name", "").status();
  } while (status.ok());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(down);
  server_.service.leave.count_down();
  caller.join();
  closer.join();
  server_.server->Shutdown();  // again: nothing
  EXPECT_EQ(server_.server->AddService(TestMethods(), nullptr).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(server_.server->Listen("127.0.0.1:0").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RpcTest, ShutdownEndsWhatRunsAtItsDeadline) {
  CallOptions options = Patient();
  std::thread caller([&] {
    const absl::Status status = Call("WaitForCancel", "", options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(status.message(), HasSubstr("was shut down"));
  });
  server_.service.entered.wait();
  server_.server->Shutdown(absl::Now() + absl::Milliseconds(20));
  EXPECT_TRUE(server_.service.saw_cancel) << "it waits for the handler";
  caller.join();
}

TEST_F(RpcTest, ShutdownReturnsInEveryThreadThatCallsIt) {
  std::thread caller([&] {
    EXPECT_EQ(Call("WaitForCancel", "").status().code(),
              absl::StatusCode::kUnavailable);
  });
  server_.service.entered.wait();
  std::vector<std::thread> closers;
  for (int closer = 0; closer < 4; ++closer) {
    closers.emplace_back([&, closer] {
      // Without the last they would wait for as long as the call.
      server_.server->Shutdown(closer < 3 ? absl::InfiniteFuture()
                                          : absl::Now());
      EXPECT_TRUE(server_.service.saw_cancel);
    });
  }
  for (std::thread& closer : closers) closer.join();
  caller.join();
  server_.server->Shutdown();
}

TEST_F(RpcTest, AServerThatIsNotThereIsMissedAtOnce) {
  EXPECT_EQ(*Call("Name", ""), "one");
  server_.server->Shutdown();
  const absl::Status status = Call("Name", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("nobody listens at"),
                                      HasSubstr("is the server running?")));
}

TEST_F(RpcTest, ARestartedServerIsCalledAgain) {
  EXPECT_EQ(*Call("Name", ""), "one");
  server_.server->Shutdown();
  EXPECT_EQ(Call("Name", "").status().code(), absl::StatusCode::kUnavailable);
  TestServer again(server_runtime_, server_.target());
  CallOptions wait = Patient();
  wait.wait_for_ready = true;
  EXPECT_EQ(*Call("Name", "", wait), "one");
}

TEST(RpcWithoutServerTest, FailsWithTheAddress) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(runtime, "127.0.0.1:9");
  const absl::Status status = Call(*client, "Echo", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("127.0.0.1:9"));
}

TEST(RpcWithoutServerTest, WaitsForReadyIfTold) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  std::string target;
  {
    TestServer gone(runtime);
    target = gone.target();
  }
  std::thread caller([&] {
    const std::shared_ptr<Client> client = Connect(runtime, target);
    CallOptions wait = Patient();
    wait.wait_for_ready = true;
    EXPECT_EQ(*Call(*client, "Name", "", wait), "one");
  });
  absl::SleepFor(absl::Milliseconds(100));
  TestServer server(runtime, target);
  caller.join();
}

}  // namespace
}  // namespace lauberhorn
