// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls from end to end: client, NIC, wire, NIC, server, and back.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/server.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using ::testing::AllOf;
using testing::Connect;
using ::testing::HasSubstr;
using testing::kLargest;
using testing::Patient;
using testing::RpcTest;
using testing::TestServer;
using testing::Text;

TEST_F(RpcTest, EchoesEverySizeAroundTheBorders) {
  for (const std::size_t size :
       {0u, 1u, 79u, 80u, 81u, 127u, 128u, 129u, 1391u, 1392u}) {
    std::string request(size, '\0');
    for (std::size_t at = 0; at < size; ++at) {
      request[at] = static_cast<char>(at * 31 + size);
    }
    const absl::StatusOr<std::string> reply = Call("Echo", request);
    ASSERT_TRUE(reply.ok()) << size << ": " << reply.status();
    EXPECT_EQ(*reply, request) << size;
  }
  EXPECT_EQ(server_.service.runs, 10);
}

TEST_F(RpcTest, MessagesThatAreTooLargeAreRefusedWithBothSizes) {
  const absl::Status request =
      Call("Echo", std::string(kLargest + 1, 'x')).status();
  EXPECT_EQ(request.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(request.message(), AllOf(HasSubstr("1393"), HasSubstr("1392")));
  const absl::Status reply = Call("Grow", "").status();
  EXPECT_EQ(reply.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(reply.message(), AllOf(HasSubstr("1393"), HasSubstr("1392")));
}

TEST_F(RpcTest, ACallIsMadeOnceAndOneAtATime) {
  const std::string name = "/test.Service/Echo";
  UnaryCall first(*client_, name, MethodId(name));
  ASSERT_NE(first.ReserveRequest(0), nullptr);
  EXPECT_TRUE(first.Run(Patient()).ok());
  EXPECT_EQ(first.Run(Patient()).code(), absl::StatusCode::kFailedPrecondition);
  // Its reply is still held.
  EXPECT_EQ(Call("Echo", "x").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RpcTest, ControlCommandsMayComeBetweenTheStepsOfACall) {
  const std::string name = "/test.Service/Echo";
  const std::string request = "short";
  UnaryCall call(*client_, name, MethodId(name));
  std::uint8_t* const to = call.ReserveRequest(request.size());
  ASSERT_NE(to, nullptr);
  std::memcpy(to, request.data(), request.size());
  const auto make_commands = [&] {
    // More than a lane has slots.
    for (int count = 0; count < 12; ++count) {
      Connect(runtime_, server_.target());
    }
  };
  make_commands();
  EXPECT_EQ(call.Run(Patient()), absl::OkStatus());
  make_commands();
  EXPECT_EQ(Text(call.reply()), request);
}

TEST_F(RpcTest, AThreadMayEndWithObjectsThatStillMakeCommands) {
  std::thread([this] {
    // Destroyed after the thread's endpoint has been given back.
    thread_local std::shared_ptr<Client> last;
    last = Connect(runtime_, server_.target());
    EXPECT_EQ(*testing::Call(*last, "Name", ""), "one");
  }).join();
  EXPECT_EQ(*Call("Name", ""), "one");
}

TEST_F(RpcTest, ManyThreadsGetTheirOwnAnswers) {
  constexpr int kThreads = 12;
  constexpr int kCalls = 100;
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (unsigned number = 0; number < kCalls; ++number) {
        const std::string request = absl::StrCat(
            thread, "/", number, std::string(number % 3u * 100u, '.'));
        const absl::StatusOr<std::string> reply = Call("Echo", request);
        ASSERT_TRUE(reply.ok()) << reply.status();
        if (*reply == request) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, kThreads * kCalls);
  EXPECT_EQ(server_.service.runs, kThreads * kCalls);
}

TEST_F(RpcTest, AProcessCallsItself) {
  const std::shared_ptr<Client> client =
      Connect(server_runtime_, server_.target());
  EXPECT_EQ(*testing::Call(*client, "Echo", "myself"), "myself");
}

TEST_F(RpcTest, TwoServersOfAProcessAreApart) {
  TestServer other(server_runtime_);
  other.service.name = "other";
  const std::shared_ptr<Client> client = Connect(runtime_, other.target());
  EXPECT_EQ(*Call("Name", ""), "one");
  EXPECT_EQ(*testing::Call(*client, "Name", ""), "other");
  other.server->Shutdown();
  EXPECT_EQ(*Call("Name", ""), "one");
}

TEST_F(RpcTest, ANameHasItsLimits) {
  for (const std::size_t size : {0u, 256u}) {
    const std::string name(size, 'n');
    UnaryCall call(*client_, name, MethodId(name));
    ASSERT_NE(call.ReserveRequest(0), nullptr);
    const absl::Status status = call.Run(Patient());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(std::to_string(size)));
  }
}

TEST_F(RpcTest, AProcessMayCallMoreMethodsThanTheNicKeepsNames) {
  for (int method = 0; method < 1100; ++method) {
    const absl::Status status = Call(std::to_string(method), "").status();
    ASSERT_EQ(status.code(), absl::StatusCode::kUnimplemented) << method;
    ASSERT_THAT(
        status.message(),
        HasSubstr(method < 1024 ? "/test.Service/" + std::to_string(method)
                                : "no such method"));
  }
  EXPECT_EQ(*Call("Echo", "x"), "x");
}

}  // namespace
}  // namespace lauberhorn
