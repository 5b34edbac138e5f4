// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What the benchmarks share does what it says.

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "bench/allocation_counter.h"
#include "bench/columns.h"
#include "bench/cpu.h"
#include "bench/floor.h"
#include "bench/statistics.h"
#include "bench/syscall_counter.h"
#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

TEST(StatisticsTest, RangeIsMedianAndEnds) {
  const Range range = RangeOf({5, 1, 9, 3, 7});
  EXPECT_EQ(range.median, 5);
  EXPECT_EQ(range.least, 1);
  EXPECT_EQ(range.most, 9);
}

TEST(StatisticsTest, NoValuesAreZero) {
  EXPECT_EQ(RangeOf({}).median, 0);
  EXPECT_EQ(RangeOf({}).most, 0);
  EXPECT_EQ(Percentile({}, 0.5), 0);
}

TEST(StatisticsTest, PercentileIsNotExceededByItsShare) {
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  EXPECT_EQ(Percentile(values, 0.5), 50);
  EXPECT_EQ(Percentile(values, 0.99), 99);
  EXPECT_EQ(Percentile(values, 1), 100);
  EXPECT_EQ(Percentile(values, 0), 1);
  EXPECT_EQ(Percentile({4}, 0.99), 4);
}

TEST(StatisticsTest, FigureLineIsWhatToolsFiguresReads) {
  EXPECT_EQ(FigureLine("a_b", 1.005e1, "floors"), "FIGURE a_b 10.05 floors");
  EXPECT_EQ(FigureLine("none", 0, "calls"), "FIGURE none 0 calls");
  EXPECT_EQ(FigureLine("little", 0.00012344, "percent"),
            "FIGURE little 0.0001234 percent");
}

struct TestRound {
  Distance distance;
  int number;
};

TEST(ColumnsTest, RoundsFallIntoColumns) {
  Columns<TestRound> columns;
  EXPECT_TRUE(columns.empty());
  columns.Add({{80, 90, false}, 1});
  columns.Add({{250, 300, false}, 2});
  columns.Add({{80, 80, true}, 3});    // switched out
  columns.Add({{80, 140, false}, 4});  // moved
  columns.Add({{120, 160, false}, 5});
  ASSERT_EQ(columns.near().size(), 1u);
  EXPECT_EQ(columns.near()[0].number, 1);
  ASSERT_EQ(columns.far().size(), 2u);
  EXPECT_EQ(columns.far()[1].number, 5);
  EXPECT_EQ(columns.dropped(), 2u);
  EXPECT_FALSE(columns.empty());
}

TEST(ColumnsTest, NearIsChosenIfThereIsEnoughOfIt) {
  Columns<TestRound> columns;
  columns.Add({{300, 300, false}, 0});
  EXPECT_FALSE(columns.UsesNear());
  columns.Add({{80, 80, false}, 1});
  EXPECT_TRUE(columns.UsesNear());
  for (int i = 0; i < 50; ++i) columns.Add({{300, 300, false}, i});
  EXPECT_FALSE(columns.UsesNear());
  EXPECT_EQ(columns.chosen().size(), 51u);
  for (int i = 0; i < 19; ++i) columns.Add({{80, 80, false}, i});
  EXPECT_TRUE(columns.UsesNear());
  EXPECT_EQ(columns.chosen().size(), 20u);
}

TEST(ColumnsTest, EachTakesOneValueOfEveryRound) {
  const std::vector<TestRound> rounds = {{{}, 3}, {{}, 4}};
  const auto number = [](const TestRound& round) -> double {
    return round.number;
  };
  EXPECT_EQ(Each(rounds, number), (std::vector<double>{3, 4}));
}

TEST(CpuTest, RefusesCpusThatAreNot) {
  EXPECT_FALSE(MayRunOn(-1));
  EXPECT_FALSE(MayRunOn(1'000'000));
  EXPECT_FALSE(Pin(-1));
  EXPECT_FALSE(Pin(1'000'000));
}

TEST(FloorTest, EveryExchangeComesBack) {
  constexpr int kCount = 200;
  const auto floor = std::make_unique<Floor>();
  std::thread partner([&] {
    floor->BouncePartner(kCount);
    floor->EchoPartner(kCount);
    floor->EchoPartner(kCount);
  });
  floor->BounceHost(kCount);
  floor->EchoHost(kCount);
  floor->EchoHost(kCount);
  partner.join();
  EXPECT_EQ(floor->sum(), 2u * kCount * (kCount - 1) / 2);
}

// What a compiler must not optimize away.
void* volatile kept;

TEST(AllocationCounterTest, CountsEveryKind) {
  std::uint64_t before = Allocations();
  int* const number = new int(1);
  kept = number;
  const std::uint64_t by_new = Allocations() - before;
  delete number;
  before = Allocations();
  void* memory = std::malloc(10);
  kept = memory;
  memory = std::realloc(memory, 1000);
  kept = memory;
  void* const zeroed = std::calloc(3, 5);
  kept = zeroed;
  void* aligned = nullptr;
  const int error = posix_memalign(&aligned, 256, 512);
  kept = aligned;
  const std::uint64_t by_functions = Allocations() - before;
  std::free(memory);
  std::free(zeroed);
  std::free(aligned);
  const std::uint64_t with_free = Allocations() - before;
  EXPECT_EQ(by_new, 1u);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(kept) % 256, 0u);
  EXPECT_EQ(by_functions, 4u);
  EXPECT_EQ(with_free, 4u);
}

TEST(AllocationCounterTest, CountsOtherThreads) {
  const std::uint64_t before = Allocations();
  std::thread([] {
    for (int i = 0; i < 100; ++i) {
      kept = std::malloc(100);
      std::free(kept);
    }
  }).join();
  EXPECT_GE(Allocations() - before, 100u);
}

// Whether this machine lets a process trace its child.
bool MayTrace() {
  const auto nothing = CountSyscalls([] {
    BeginCounting();
    EndCounting();
    return 0;
  });
  if (nothing.ok()) return true;
  EXPECT_EQ(nothing.status().code(), absl::StatusCode::kPermissionDenied)
      << nothing.status();
  return false;
}

#define SKIP_WITHOUT_PTRACE() \
  if (!MayTrace()) GTEST_SKIP() << "ptrace is not allowed here"

TEST(SyscallCounterTest, CountsBetweenTheMarksOnly) {
  SKIP_WITHOUT_PTRACE();
  const auto count = CountSyscalls([] {
    syscall(SYS_getppid);
    BeginCounting();
    for (int i = 0; i < 7; ++i) syscall(SYS_getppid);
    EndCounting();
    syscall(SYS_getppid);
    return 0;
  });
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 7u);
}

TEST(SyscallCounterTest, CountsAllThreads) {
  SKIP_WITHOUT_PTRACE();
  const auto count = CountSyscalls([] {
    BeginCounting();
    std::thread([] {
      for (int i = 0; i < 1000; ++i) syscall(SYS_getppid);
    }).join();
    EndCounting();
    return 0;
  });
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_GE(*count, 1000u);
  EXPECT_LT(*count, 1100u);
}

TEST(SyscallCounterTest, SaysThatTheCodeFailed) {
  SKIP_WITHOUT_PTRACE();
  EXPECT_EQ(CountSyscalls([] { return 3; }).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(CountSyscalls([] { return 0; }).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(CountSyscalls([]() -> int { std::abort(); }).status().code(),
            absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace lauberhorn::bench
