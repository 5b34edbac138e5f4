// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// CPUs that are not enough: who gets them.

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

// Each has more to do than there is time for; what they get is as their
// weights.
TEST(Weights, OverloadIsSharedByWeight) {
  constexpr int kWeights[] = {1, 2, 4};
  std::vector<std::string> rules;
  for (const int weight : kWeights) {
    rules.push_back("--rule");
    rules.push_back(
        absl::StrCat("user=", kFirstUser + weight, " weight=", weight));
  }
  const Process nic = StartNic(rules);
  EXPECT_EQ(chmod("/dev/lauberhorn0", 0666), 0);
  std::vector<Service> services;
  for (const int weight : kWeights) {
    services.emplace_back(absl::StrCat("weight ", weight),
                          ServiceOptions{.user = kFirstUser + weight});
  }
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  std::array<std::atomic<std::uint64_t>, 3> answered = {};
  for (std::size_t index = 0; index < services.size(); ++index) {
    threads.emplace_back([&, index] {
      (void)CallMany(runtime, services[index].port(), "Work", "5000",
                     {.calls = ~std::uint64_t{0},
                      .open = 16,
                      .stop = &stop,
                      .answered = &answered[index]});
    });
  }
  // Until one call more or less does not matter.
  while (answered[2] < 700) absl::SleepFor(absl::Milliseconds(10));
  std::array<double, 3> calls;
  for (std::size_t index = 0; index < calls.size(); ++index) {
    calls[index] = static_cast<double>(answered[index]);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const double sum = calls[0] + calls[1] + calls[2];
  double error = 0;
  for (std::size_t index = 0; index < calls.size(); ++index) {
    const double due = sum * kWeights[index] / 7;
    error = std::max(error, 100 * std::abs(calls[index] - due) / due);
    std::printf("weight %d: %.0f calls\n", kWeights[index], calls[index]);
  }
  std::printf("FIGURE vm_weight_error_percent %.1f %%\n", error);
  // How near it comes depends on what else this machine does.
  EXPECT_LT(calls[0], calls[1]);
  EXPECT_LT(1.2 * calls[1], calls[2]);
  EXPECT_LT(1.5 * calls[0], calls[2]);
}

}  // namespace
}  // namespace lauberhorn::serve
