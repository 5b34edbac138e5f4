// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// NICs that go while services are called, and come again: the services and
// their callers go on.

#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

TEST(Resume, ServicesGoOnUnderTheNextNic) {
  Process nic = StartNic();
  Service service("one");
  Caller caller(OpenKernelRuntime(), service.port());
  ASSERT_TRUE(caller.Call("Echo", "x").ok());
  for (int round = 0; round < 3; ++round) {
    nic.Kill();
    EXPECT_EQ(caller.Call("Echo", "x").status().code(),
              absl::StatusCode::kUnavailable);
    const Process next = StartNic();
    caller.CallUntilAnswered("Echo", "x");
    EXPECT_TRUE(next.Signal(SIGTERM));
    EXPECT_TRUE(DeviceComesToShow("status", "down"));
  }
  nic = StartNic();
  caller.CallUntilAnswered("Echo", "x");
  EXPECT_EQ(service.End().twice, 0u);
}

TEST(Resume, CallsUnderWayEndAndTheNextAreAnswered) {
  Process nic = StartNic();
  Service service("one");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      Caller caller(runtime, service.port());
      while (!stop) {
        const absl::Status status = caller.Call("Echo", "x").status();
        if (status.ok()) continue;
        EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
        absl::SleepFor(absl::Milliseconds(5));
      }
      caller.CallUntilAnswered("Echo", "x");
    });
  }
  for (int round = 0; round < 3; ++round) {
    absl::SleepFor(absl::Milliseconds(150));
    nic.Kill();
    nic = StartNic();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(service.End().twice, 0u);
}

}  // namespace
}  // namespace lauberhorn::serve
