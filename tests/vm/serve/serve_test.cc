// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Services as they should be: calls, chains of calls, and clean ends.

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

TEST(Serve, ACallIsAnsweredOnce) {
  const Process nic = StartNic();
  Service service("one");
  Caller caller(OpenKernelRuntime(), service.port());
  for (int call = 0; call < 100; ++call) {
    const std::string text = absl::StrCat("call ", call);
    ASSERT_EQ(*caller.Call("Echo", text), text);
  }
  const Service::Counts counts = service.End();
  EXPECT_EQ(counts.runs, 100u);
  EXPECT_EQ(counts.twice, 0u);
}

TEST(Serve, ServicesCallEachOther) {
  const Process nic = StartNic();
  Service first("first"), second("second"), third("third");
  Caller caller(OpenKernelRuntime(), first.port());
  const std::string path = absl::StrCat(second.port(), " ", third.port(), " x");
  for (int call = 0; call < 50; ++call) {
    ASSERT_EQ(*caller.Call("Forward", path), "x<third<second<first");
  }
  for (Service* const service : {&first, &second, &third}) {
    const Service::Counts counts = service->End();
    EXPECT_EQ(counts.runs, 50u);
    EXPECT_EQ(counts.twice, 0u);
  }
}

TEST(Serve, ManyThreadsCallAtOnce) {
  const Process nic = StartNic();
  Service service("one");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      Caller caller(runtime, service.port());
      for (int call = 0; call < 200; ++call) {
        ASSERT_EQ(*caller.Call("Echo", "x"), "x");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(service.End().runs, 1600u);
}

}  // namespace
}  // namespace lauberhorn::serve
