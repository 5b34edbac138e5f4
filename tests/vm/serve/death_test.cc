// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Services, callers and NICs that are killed: each outstanding call gets a
// status, and all others go on.

#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

// The device has forgotten all who are not this process.
bool OthersAreForgotten() { return DeviceComesToShow("processes", "1"); }

TEST(Death, CallsOfAServiceThatIsKilledEnd) {
  const Process nic = StartNic();
  Service service("one");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  std::vector<std::thread> threads;
  std::atomic<int> ended{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      Caller caller(runtime, service.port());
      const absl::Status status = caller.Call("Hold", "").status();
      EXPECT_TRUE(TellsOfADeath(status)) << status;
      ++ended;
    });
  }
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(ended, 0);
  service.process().Kill();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(OthersAreForgotten());
}

TEST(Death, AServiceGoesOnWhenItsCallersAreKilled) {
  const Process nic = StartNic();
  Service back("back"), front("front");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  for (int round = 0; round < 5; ++round) {
    Service middle("middle");
    Caller through(runtime, front.port());
    // Its own call to `back` is under way, or not yet, or has ended.
    std::thread caller([&] {
      const absl::Status status =
          through
              .Call("Forward",
                    absl::StrCat(middle.port(), " ", back.port(), " x"))
              .status();
      EXPECT_TRUE(status.ok() || TellsOfADeath(status)) << status;
    });
    absl::SleepFor(absl::Milliseconds(round * 5));
    middle.process().Kill();
    caller.join();
    ASSERT_EQ(*Caller(runtime, front.port())
                   .Call("Forward", absl::StrCat(back.port(), " x")),
              "x<back<front");
  }
  EXPECT_EQ(front.End().twice, 0u);
  EXPECT_EQ(back.End().twice, 0u);
}

// Between take and reply: its handler waits for the third service, which has
// its call and does not answer before it hears that nobody waits any more.
TEST(Death, AMiddleServiceIsKilledWhileItWaitsForTheThird) {
  const Process nic = StartNic();
  Service back("back"), front("front");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  constexpr int kRounds = 5;
  for (int round = 0; round < kRounds; ++round) {
    Service middle("middle");
    std::thread caller([&] {
      const absl::Status status =
          Caller(runtime, front.port())
              .Call("Forward", absl::StrCat(middle.port(), " ", back.port(),
                                            " Stay holds"))
              .status();
      EXPECT_TRUE(TellsOfADeath(status)) << status;
    });
    back.AwaitStay();
    middle.process().Kill();
    caller.join();
    ASSERT_EQ(*Caller(runtime, front.port())
                   .Call("Forward", absl::StrCat(back.port(), " x")),
              "x<back<front");
  }
  for (Service* const service : {&front, &back}) {
    const Service::Counts counts = service->End();
    EXPECT_EQ(counts.runs, 2u * kRounds);
    EXPECT_EQ(counts.twice, 0u);
  }
}

// While it is called, at a time that is not chosen.
TEST(Death, KilledAtAnyTime) {
  const Process nic = StartNic();
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  for (int round = 0; round < 4; ++round) {
    Service service(absl::StrCat("round ", round));
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&] {
        Caller caller(runtime, service.port());
        for (;;) {
          const absl::Status status = caller.Call("Echo", "x").status();
          if (status.ok()) continue;
          EXPECT_TRUE(TellsOfADeath(status)) << status;
          return;
        }
      });
    }
    absl::SleepFor(absl::Milliseconds(20 + 7 * round));
    service.process().Kill();
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_TRUE(OthersAreForgotten());
}

}  // namespace
}  // namespace lauberhorn::serve
