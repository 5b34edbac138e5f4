// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Runtimes: their options, their threads, their end.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using ::testing::HasSubstr;
using testing::OpenRuntime;
using testing::TestServer;

TEST(RpcThreadsTest, ThreadsComeAndGoOnFewEndpoints) {
  RuntimeOptions options;
  options.endpoints = 8;
  options.workers = 2;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int round = 0; round < 100; ++round) {
    std::thread([&] {
      EXPECT_EQ(*Call(*client, "Echo", "short life"), "short life");
    }).join();
  }
  EXPECT_EQ(server.service.runs, 100);
}

TEST(RpcThreadsTest, TooManyThreadsAreToldWhatToRaise) {
  RuntimeOptions options;
  options.endpoints = 4;  // kept, this thread's, a worker's, and one more
  options.max_workers = 2;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  absl::Status first, second;
  std::thread([&] {
    first = Call(*client, "Echo", "").status();
    std::thread([&] { second = Call(*client, "Echo", "").status(); }).join();
  }).join();
  // A second worker may have been faster than the first of them.
  const absl::Status& refused = first.ok() ? second : first;
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("RuntimeOptions::endpoints"));
  EXPECT_EQ(*Call(*client, "Echo", "mine"), "mine");
}

// Client, server and both runtimes go in every order, after a call.
TEST(RpcRuntimeTest, WhatUsesARuntimeMayGoInAnyOrder) {
  std::vector<int> order = {0, 1, 2, 3};
  do {
    std::shared_ptr<Runtime> serving = OpenRuntime();
    std::shared_ptr<Runtime> calling = OpenRuntime();
    auto server = std::make_unique<TestServer>(serving);
    std::shared_ptr<Client> client = Connect(calling, server->target());
    EXPECT_EQ(*Call(*client, "Name", ""), "one");
    for (const int next : order) {
      if (next == 0) serving = nullptr;
      if (next == 1) calling = nullptr;
      if (next == 2) server = nullptr;
      if (next == 3) client = nullptr;
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(RpcRuntimeTest, OptionsOutOfRangeAreRefused) {
  RuntimeOptions few;
  few.endpoints = 3;
  EXPECT_EQ(Runtime::Open(few).status().code(),
            absl::StatusCode::kInvalidArgument);
  RuntimeOptions many;
  many.max_workers = many.endpoints;
  EXPECT_EQ(Runtime::Open(many).status().code(),
            absl::StatusCode::kInvalidArgument);
  RuntimeOptions none;
  none.max_queued = 0;
  EXPECT_EQ(Runtime::Open(none).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const std::uint32_t calls : {0u, 65'537u}) {
    RuntimeOptions wrong;
    wrong.max_calls = calls;
    EXPECT_EQ(Runtime::Open(wrong).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  RuntimeOptions backwards;
  backwards.spin_before_park = absl::Seconds(-1);
  EXPECT_EQ(Runtime::Open(backwards).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RpcRuntimeTest, TheDefaultIsSharedAndOpensAgain) {
  {
    const auto first = Runtime::Default();
    const auto second = Runtime::Default();
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(*first, *second);
    TestServer server(*first);
    EXPECT_EQ(*Call(*Connect(*second, server.target()), "Name", ""), "one");
  }
  const auto again = Runtime::Default();
  ASSERT_TRUE(again.ok());
  TestServer server(*again);
  EXPECT_EQ(*Call(*Connect(*again, server.target()), "Name", ""), "one");
}

TEST(RpcRuntimeTest, ASpinningEngineServesToo) {
  RuntimeOptions options;
  options.engine = "spin";
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int call = 0; call < 20; ++call) {
    EXPECT_EQ(*Call(*client, "Echo", "x"), "x");
  }
}

}  // namespace
}  // namespace lauberhorn
