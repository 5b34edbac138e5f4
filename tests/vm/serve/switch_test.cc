// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads that are switched out when a call has been delivered to them and not
// been taken: it is taken back and given to another, once.

#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/counted.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

TEST(Switch, ACallThatWasNotTakenIsGivenToAnother) {
  constexpr int kThreads = 3;
  constexpr int kCalls = 100;
  const Process nic = StartNic();
  Service service("dawdles");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  Caller caller(runtime, service.port());
  ASSERT_TRUE(caller.Call("Dawdle", "").ok());
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      Caller own(runtime, service.port());
      for (int call = 0; call < kCalls; ++call) {
        const absl::StatusOr<std::string> reply = own.Call("Echo", "x");
        ASSERT_TRUE(reply.ok()) << reply.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::StatusOr<std::string> dawdles = caller.Call("Dawdle", "");
  ASSERT_TRUE(dawdles.ok()) << dawdles.status();
  const std::vector<std::string> numbers = absl::StrSplit(*dawdles, ' ');
  std::uint64_t all = 0, gone = 0;
  ASSERT_TRUE(numbers.size() == 2 && absl::SimpleAtoi(numbers[0], &all) &&
              absl::SimpleAtoi(numbers[1], &gone));
  const double revoked = Counted(service.process().pid())["calls_revoked"];
  std::printf("switched out before the taking: %s, taken back: %s, of %.0f\n",
              numbers[0].c_str(), numbers[1].c_str(), revoked);
  EXPECT_GT(gone, 0u);
  EXPECT_GE(revoked, static_cast<double>(gone));
  const Service::Counts counts = service.End();
  EXPECT_EQ(counts.runs, kThreads * kCalls + 2u);
  EXPECT_EQ(counts.twice, 0u);
}

}  // namespace
}  // namespace lauberhorn::serve
