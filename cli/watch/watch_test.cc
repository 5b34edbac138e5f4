// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// What lauberhorn-watch makes of the words of a kernel, which a test writes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/watch/state_memory.h"
#include "cli/watch/table.h"
#include "cli/watch/tally.h"
#include "linux-patches/lauberhorn_probe.h"

namespace lauberhorn::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr unsigned kCpus = 3;

// Memory as a probe lays it out.
struct Memory {
  lauberhorn_probe_info info = {
      .size = sizeof(Memory),
      .cpu_lines = offsetof(Memory, cpus),
      .endpoint_words = offsetof(Memory, endpoints),
      .cpu_masks = offsetof(Memory, masks),
      .cpu_stride = sizeof(lh_cpu_lines),
      .cpus = kCpus,
      .endpoints = 8,
      .cpu_mask_count = 2,
  };
  lh_cpu_lines cpus[kCpus] = {};
  lh_endpoint_word endpoints[8] = {};
  lh_cpu_mask masks[2] = {};

  absl::Span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(this), sizeof(*this)};
  }

  // A CPU changes, as the kernel would write it.
  void Change(unsigned cpu, lh_cpu_mode mode, std::uint64_t nr = 0,
              std::uint64_t endpoint_plus_one = 0) {
    lh_cpu_state& state = cpus[cpu].state;
    std::uint64_t departed =
        state.word >> LH_CPU_DEPARTED_SHIFT & ((1 << LH_CPU_DEPARTED_BITS) - 1);
    const std::uint64_t before =
        state.word & ((std::uint64_t{1} << LH_CPU_ENDPOINT_BITS) - 1);
    if (before != 0 && before != endpoint_plus_one) {
      departed = (departed + 1) % (1 << LH_CPU_DEPARTED_BITS);
      state.departed[departed % LH_DEPARTED] =
          static_cast<std::uint32_t>(before);
    }
    ++state.count;
    state.word = state.count << LH_CPU_SEQ_SHIFT |
                 std::uint64_t{mode} << LH_CPU_MODE_SHIFT |
                 nr << LH_CPU_NR_SHIFT |
                 std::uint64_t{mode != LH_CPU_IDLE} << LH_CPU_CLASS_SHIFT |
                 departed << LH_CPU_DEPARTED_SHIFT | endpoint_plus_one;
  }

  void Change(unsigned endpoint, lh_endpoint_state state,
              std::uint64_t mask = 0) {
    endpoints[endpoint].word =
        std::uint64_t{1} << LH_ENDPOINT_WORD_THREAD_SHIFT |
        std::uint64_t{9} << LH_ENDPOINT_WORD_GENERATION_SHIFT |
        std::uint64_t{state} << LH_ENDPOINT_WORD_STATE_SHIFT | mask;
  }
};

class WatchTest : public ::testing::Test {
 protected:
  std::string TableAfter(absl::Duration time) {
    std::string text;
    for (const Row& row : TableOf(tally_.Summarise(start_ + time)).rows) {
      text += row.text + "\n";
    }
    return text;
  }

  Memory memory_;
  const StateMemory state_ = *StateMemory::Over(memory_.bytes());
  const absl::Time start_ = absl::UnixEpoch();
  Tally tally_{state_, start_};
};

TEST_F(WatchTest, ShowsWhatEachCpuRuns) {
  memory_.Change(0, LH_CPU_OTHER, 1);
  memory_.Change(1, LH_CPU_BOUND, 3, 6);
  tally_.Look(0);
  const std::string table = TableAfter(absl::Seconds(1));
  EXPECT_THAT(table, HasSubstr("1 looks in 1.0 s"));
  EXPECT_THAT(table, ContainsRegex(" 0\\* other thread +1  fair +1 +0 "));
  EXPECT_THAT(table, ContainsRegex(" 1  endpoint 5 +>=3  fair "));
  EXPECT_THAT(table, ContainsRegex(" 2  offline "));
}

TEST_F(WatchTest, SharesAreOfTheLooks) {
  memory_.Change(1, LH_CPU_IDLE);
  tally_.Look(0);
  memory_.Change(1, LH_CPU_KERNEL, 1);
  tally_.Look(0);
  memory_.Change(1, LH_CPU_IDLE_WAIT);
  tally_.Look(0);
  tally_.Look(0);
  EXPECT_THAT(TableAfter(absl::Seconds(2)),
              ContainsRegex(" 1  idle, waits .*  75.0%  25.0%         "
                            "               \\.k\\.\\.\n"));
  // The next shares are of the next looks; the strip goes on.
  tally_.Look(0);
  EXPECT_THAT(TableAfter(absl::Seconds(3)),
              ContainsRegex(" 1  idle, waits .* 100.0%  .*   \\.k\\.\\.\\.\n"));
}

TEST_F(WatchTest, CountsWhatHappenedBetweenLooks) {
  for (unsigned times = 0; times < 10; ++times) {
    memory_.Change(1, LH_CPU_BOUND, 1, 1 + times % 3);
    memory_.Change(1, LH_CPU_IDLE);
  }
  tally_.Look(0);
  const std::string table = TableAfter(absl::Seconds(2));
  // 20 changes and 10 departures in two seconds.
  EXPECT_THAT(table, ContainsRegex(" 1  idle +0  idle +10 +5 "));
  EXPECT_THAT(table, ContainsRegex("\n   1  0 2 1 0 2 1 0 2\n"));
}

TEST_F(WatchTest, TellsWhereTheThreadOfAnEndpointIs) {
  memory_.masks[1].bits[0] = 0b110;
  memory_.Change(3, LH_ENDPOINT_RUNNABLE, 2);
  memory_.Change(4, LH_ENDPOINT_BLOCKED);
  memory_.Change(5, LH_ENDPOINT_DEAD, LH_ENDPOINT_WORD_MASK_UNKNOWN);
  memory_.Change(2, LH_CPU_BOUND, 2, 4);
  tally_.Look(0);
  memory_.Change(2, LH_CPU_OTHER, 2);
  tally_.Look(0);
  const std::string table = TableAfter(absl::Seconds(1));
  EXPECT_THAT(table, HasSubstr(", 3 endpoints"));
  EXPECT_THAT(table,
              ContainsRegex(" 3 +9  runnable +-  1-2 +50.0%   50.0% +\n"));
  EXPECT_THAT(table, ContainsRegex(" 4 +9  blocked +-  any .* 100.0%\n"));
  EXPECT_THAT(table, ContainsRegex(" 5 +9  dead +-  \\? "));
}

TEST_F(WatchTest, AnEndpointWithoutAThreadIsNotShown) {
  memory_.Change(3, LH_ENDPOINT_RUNNABLE);
  tally_.Look(0);
  memory_.Change(3, LH_ENDPOINT_UNBOUND);
  tally_.Look(0);
  EXPECT_THAT(TableAfter(absl::Seconds(1)), ContainsRegex(" 3 +9  unbound "));
  tally_.Look(0);
  EXPECT_THAT(TableAfter(absl::Seconds(2)), Not(HasSubstr("unbound")));
}

// A word may name an endpoint, a mode or a mask that there is not.
TEST_F(WatchTest, WordsMayBeAnything) {
  for (lh_cpu_lines& cpu : memory_.cpus) {
    cpu.state.word = ~std::uint64_t{0};
    for (__u32& left : cpu.state.departed) left = ~__u32{0};
  }
  for (lh_endpoint_word& endpoint : memory_.endpoints) {
    endpoint.word = ~std::uint64_t{0};
  }
  tally_.Look(77);
  const std::string table = TableAfter(absl::ZeroDuration());
  EXPECT_THAT(table, ContainsRegex(" 2  \\? +>=3!  other "));
  EXPECT_THAT(table, ContainsRegex(" 7 +16777215  \\? +-  \\? "));
}

TEST_F(WatchTest, ALayoutMustLieInTheMemory) {
  const lauberhorn_probe_info good = memory_.info;
  const auto refused = [this] {
    return StateMemory::Over(memory_.bytes()).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  const std::vector<void (*)(lauberhorn_probe_info&)> wrongs = {
      [](auto& info) { info.size += 1; },
      [](auto& info) { info.cpu_lines = info.size - 8; },
      [](auto& info) { info.cpu_lines = ~__u64{7}; },
      [](auto& info) { info.cpu_lines += 1; },
      [](auto& info) { info.cpus = 2000; },
      [](auto& info) { info.cpu_stride = 64; },
      [](auto& info) { info.endpoints = ~__u32{0}; },
      [](auto& info) { info.endpoint_words = info.size; },
      [](auto& info) { info.cpu_mask_count = 3; },
  };
  for (const auto& wrong : wrongs) {
    wrong(memory_.info);
    EXPECT_TRUE(refused());
    memory_.info = good;
  }
  EXPECT_FALSE(refused());
  EXPECT_FALSE(StateMemory::Over(memory_.bytes().first(8)).ok());
}

TEST(StateMemoryTest, SaysWhyADeviceCannotBeWatched) {
  EXPECT_THAT(StateMemory::Open("/dev/no-such").status().message(),
              HasSubstr("CONFIG_LAUBERHORN_PROBE"));
  EXPECT_EQ(StateMemory::Open("/dev/null").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lauberhorn::cli
