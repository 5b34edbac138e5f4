// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Handlers that make calls, to their own process too.

#include <cstddef>
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

// `chains` threads of `client` make calls of this depth; how they ended.
std::vector<absl::StatusOr<std::string>> CallNested(Client& client, int chains,
                                                    int depth) {
  std::vector<absl::StatusOr<std::string>> results(
      static_cast<std::size_t>(chains));
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back(
        [&] { result = Call(client, "Nest", absl::StrCat(depth)); });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

TEST(RpcNestedTest, FourWorkersCallTheirOwnProcessToDepthEight) {
  RuntimeOptions options;
  options.workers = 4;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  server.service.self = client.get();
  constexpr int kChains = 16;
  for (const auto& result : CallNested(*client, kChains, 8)) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(*result, "bottom<1<2<3<4<5<6<7<8");
  }
  EXPECT_EQ(server.service.runs, 9 * kChains);
}

TEST(RpcNestedTest, IfThereMayBeNoMoreThreadsTheyAllEndAllTheSame) {
  RuntimeOptions options;
  options.workers = 4;
  options.max_workers = 4;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  server.service.self = client.get();
  int refused = 0;
  for (const auto& result : CallNested(*client, 4, 8)) {
    if (result.ok()) continue;
    ++refused;
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted)
        << result.status();
    EXPECT_THAT(result.status().message(), HasSubstr("max_workers"));
  }
  EXPECT_GT(refused, 0) << "four threads cannot hold four chains of nine";
  EXPECT_EQ(*Call(*client, "Echo", "after"), "after");
}

TEST(RpcNestedTest, ACallOfAnotherRuntimeInheritsTheDeadlineOnly) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  CallOptions options;
  options.parent.process = &options;  // not this one
  options.parent.call = 1;
  options.parent.deadline = 1;  // long ago
  EXPECT_EQ(Call(*client, "Echo", "", options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  options.inherit_deadline = false;
  EXPECT_EQ(*Call(*client, "Echo", "no", options), "no");
}

TEST(RpcNestedTest, AReplyMayBeReservedBeforeACall) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  server.service.self = client.get();
  EXPECT_EQ(*Call(*client, "NestBetween", ""), "first");
}

}  // namespace
}  // namespace lauberhorn
