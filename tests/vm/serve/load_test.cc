// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Many calls, and many services.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

TEST(Load, AHundredThousandCalls) {
  const Process nic = StartNic();
  Service service("one");
  const Load load = CallMany(OpenKernelRuntime(), service.port(), "Echo", "x",
                             {.calls = 100'000, .open = 64});
  EXPECT_EQ(load.answered, 100'000u);
  EXPECT_EQ(load.failed, 0u);
  EXPECT_EQ(service.End().runs, 100'000u);
}

TEST(Load, SixtyFourServicesOnTwoCpus) {
  constexpr int kServices = 64;
  const Process nic = StartNic({"--processes", "80", "--endpoints", "8"});
  std::vector<Service> services;
  for (int number = 0; number < kServices; ++number) {
    services.emplace_back(absl::StrCat("service ", number));
  }
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  std::vector<std::unique_ptr<Caller>> callers;
  for (const Service& service : services) {
    callers.push_back(std::make_unique<Caller>(runtime, service.port()));
  }
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (std::size_t call = next++; call < 20 * callers.size();
           call = next++) {
        (void)callers[call % callers.size()]->Call("Echo", "x");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int starved = 0;
  for (Service& service : services) starved += service.End().runs < 20 ? 1 : 0;
  EXPECT_EQ(starved, 0);
  std::printf("FIGURE vm_services_on_two_cpus %d services\n", kServices);
  std::printf("FIGURE vm_services_starved %d services\n", starved);
}

}  // namespace
}  // namespace lauberhorn::serve
