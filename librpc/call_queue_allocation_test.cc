// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A queue's calls allocate nothing on the thread that starts and fetches them.
//
// Ordering: the counter is of one thread.

#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "lauberhorn/call_queue.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"
#include "librpc/testing/allocations.h"

namespace lauberhorn {
namespace {

void Answer(void*, ServerCall& call) {
  if (call.ReserveReply(0) != nullptr) call.Reply();
}

constexpr Method kMethods[] = {{"/test.Service/Answer", &Answer}};

TEST(CallQueueAllocationTest, CallsAllocateNothing) {
  const absl::StatusOr<std::shared_ptr<Runtime>> runtime = Runtime::Open({});
  ASSERT_TRUE(runtime.ok());
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(*runtime);
  ASSERT_TRUE(server.ok());
  ASSERT_TRUE((*server)->AddService(kMethods, nullptr).ok());
  const absl::StatusOr<int> port = (*server)->Listen("127.0.0.1:0");
  ASSERT_TRUE(port.ok());
  const auto client =
      Client::Connect(*runtime, absl::StrCat("127.0.0.1:", *port));
  ASSERT_TRUE(client.ok());
  const auto queue = CallQueue::Create(*runtime);
  ASSERT_TRUE(queue.ok());
  Completion done;
  ASSERT_TRUE((*queue)
                  ->Start(**client, {kMethods[0].name, kMethods[0].id, {}, {}},
                          {}, nullptr)
                  .ok());
  ASSERT_TRUE((*queue)->Next(&done));
  EXPECT_GT(testing::Allocations(), 0) << "the counter does not count";

  CallOptions options;
  options.deadline = absl::Now() + absl::Minutes(1);
  const std::uint8_t request[200] = {};
  const long before = testing::Allocations();
  for (int round = 0; round < 20; ++round) {
    // More than a lane has slots.
    for (int call = 0; call < 100; ++call) {
      ASSERT_TRUE((*queue)
                      ->Start(**client,
                              {kMethods[0].name, kMethods[0].id, request, {}},
                              options, nullptr)
                      .ok());
    }
    for (int call = 0; call < 100; ++call) {
      ASSERT_TRUE((*queue)->Next(&done));
      ASSERT_TRUE(done.status().ok());
    }
  }
  EXPECT_EQ(testing::Allocations() - before, 0);
}

}  // namespace
}  // namespace lauberhorn
