// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The module is unloaded and loaded, and its device unbound, while services
// serve: they and their callers go on with the next one.

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/serve/calls.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

constexpr int kReloads = 50;

TEST(Reload, ServicesGoOnWithTheNextModule) {
  Process nic = StartNic();
  Service one("one"), two("two");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  Calls first(runtime, one.port()), second(runtime, two.port());
  for (int round = 0; round < kReloads && !HasFailure(); ++round) {
    first.AwaitMore();
    second.AwaitMore();
    EXPECT_EQ(kmod::Unload(), EAGAIN);
    if (round % 2 == 0) {
      nic.Kill();
    } else {
      EXPECT_TRUE(nic.Signal(SIGTERM));
      EXPECT_EQ(nic.Wait(), 0);
    }
    // As soon as all have let go of what they had of it.
    ASSERT_TRUE(ComesTrue([] { return kmod::Unload() == 0; })) << round;
    ASSERT_EQ(kmod::Load(), 0);
    nic = StartNic();
  }
  first.AwaitMore();
  second.AwaitMore();
  first.End();
  second.End();
  const std::uint64_t answered[] = {first.answered(), second.answered()};
  Service* const services[] = {&one, &two};
  for (int number : {0, 1}) {
    const Service::Counts counts = services[number]->End();
    EXPECT_GE(counts.runs, answered[number]);
    EXPECT_EQ(counts.twice, 0u);
  }
}

// Whichever of them goes first, second and last.
TEST(Reload, TheDeviceGoesInEveryOrder) {
  enum class End { kNic, kService, kDevice };
  std::vector<End> order = {End::kNic, End::kService, End::kDevice};
  Process nic = StartNic();
  Service stays("stays");
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  Calls calls(runtime, stays.port());
  do {
    auto goes = std::make_unique<Service>("goes");
    Caller caller(runtime, goes->port());
    caller.CallUntilAnswered("Echo", "x");
    Outstanding held(runtime, goes->port());
    // Not one that a handler answers as soon as it sees that its NIC is gone.
    held.Call("Stay", "replies");
    goes->AwaitStay();
    caller.CallUntilAnswered("Echo", "x");
    for (const End end : order) {
      switch (end) {
        case End::kNic:
          nic.Kill();
          break;
        case End::kService:
          goes = nullptr;
          break;
        case End::kDevice:
          EXPECT_TRUE(kmod::Unbind());
      }
    }
    held.Join();
    ASSERT_TRUE(kmod::Bind());
    nic = StartNic();
    calls.AwaitMore();
  } while (std::next_permutation(order.begin(), order.end()));
  calls.End();
  const Service::Counts counts = stays.End();
  EXPECT_GE(counts.runs, calls.answered());
  EXPECT_EQ(counts.twice, 0u);
}

}  // namespace
}  // namespace lauberhorn::serve
