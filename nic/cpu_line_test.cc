// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The line of a CPU, read while it is written: the kernel goes on between any
// two loads of a look, as far as one likes.

#include "nic/cpu_line.h"

#include <cstdint>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

// What a kernel does wrong.
enum class Mistake { kNone, kWordBeforeRing, kCountBeforeWord, kSevenSlots };

// A CPU on which endpoints run one after the other, 1, 2, 3 and so on, forever:
// each switch is three stores, one step each.
class Writer {
 public:
  explicit Writer(Mistake mistake = Mistake::kNone) : mistake_(mistake) {}

  const lh_cpu_state& state() const { return state_; }

  void Step() {
    switch (step_++ % 3) {
      case 0:
        return mistake_ == Mistake::kCountBeforeWord  ? StoreCount()
               : mistake_ == Mistake::kWordBeforeRing ? StoreWord()
                                                      : StoreRing();
      case 1:
        return mistake_ == Mistake::kNone || mistake_ == Mistake::kSevenSlots
                   ? StoreWord()
                   : StoreRing();
      default:
        mistake_ == Mistake::kCountBeforeWord ? StoreWord() : StoreCount();
        ++switches_;
    }
  }
  void Switch(std::uint32_t times = 1) {
    for (std::uint32_t step = 0; step < 3 * times; ++step) Step();
  }

  // Who has left by now, by its word.
  std::uint32_t gone() const { return gone_; }
  std::uint32_t switches() const { return switches_; }

 private:
  std::uint32_t leaves() const { return switches_; }  // 0: nobody ran yet

  void StoreRing() {
    if (leaves() == 0) return;
    const std::uint32_t departed = leaves() % 256;
    const std::uint32_t slots = mistake_ == Mistake::kSevenSlots ? 7 : 8;
    state_.departed[departed % slots] = leaves();
  }
  void StoreWord() {
    gone_ = leaves();
    const std::uint64_t runs = switches_ + 1;
    state_.word = std::uint64_t{LH_CPU_BOUND} << LH_CPU_MODE_SHIFT |
                  std::uint64_t{gone_ % 256} << LH_CPU_DEPARTED_SHIFT | runs;
  }
  void StoreCount() { state_.count = switches_ + 1; }

  const Mistake mistake_;
  lh_cpu_state state_ = {};
  std::uint32_t step_ = 0;
  std::uint32_t switches_ = 0;
  std::uint32_t gone_ = 0;
};

// Looks at the writer's line: all who left are told, once, or it is said that
// they are not.
class Watcher {
 public:
  explicit Watcher(const Writer& writer)
      : writer_(writer), line_(writer.state()) {}

  CpuLine& line() { return line_; }
  bool good() const { return good_; }
  bool told() const { return told_; }

  // Before load number `at` of the look, `step` happens.
  template <typename Step>
  void Look(const Step& step) {
    std::uint32_t at = 0;
    told_ = line_.Look([&](const auto* from) {
      step(at++);
      return *from;
    });
    const std::uint32_t by = line_.word().endpoint;
    // Endpoint n runs after n - 1 have left.
    if (told_) {
      for (const std::uint32_t left : line_.left()) {
        good_ = good_ && left == ++last_;
      }
      good_ = good_ && (by == 0 || last_ == by - 1);
    }
    last_ = by == 0 ? 0 : by - 1;
  }
  void Look() {
    Look([](std::uint32_t) {});
  }

  // When nothing moves any more: the look that the count asks for sees all.
  bool SawAll() {
    while (line_.HasNews()) Look();
    return good_ && line_.word().endpoint == writer_.switches();
  }

 private:
  const Writer& writer_;
  CpuLine line_;
  std::uint32_t last_ = 0;
  bool good_ = true;
  bool told_ = true;
};

// Every way to let the kernel go on at two places of a look, after `first`
// switches that were seen: whether all goes well.
bool AllLooksAreGood(Mistake mistake, std::uint32_t first) {
  constexpr std::uint32_t kLoads = 11;  // at most: 2, 7 slots, 2
  constexpr std::uint32_t kMost = 30;   // steps: ten switches
  for (std::uint32_t between = 0; between <= 24; ++between) {
    for (std::uint32_t place = 0; place < kLoads; ++place) {
      for (std::uint32_t steps = 0; steps <= kMost; ++steps) {
        for (std::uint32_t later = 0; later <= 3; ++later) {
          Writer writer(mistake);
          Watcher watcher(writer);
          writer.Switch(first);
          watcher.Look();
          for (std::uint32_t step = 0; step < between; ++step) writer.Step();
          watcher.Look([&](std::uint32_t at) {
            if (at == place) {
              for (std::uint32_t step = 0; step < steps; ++step) writer.Step();
            } else if (at > place) {
              for (std::uint32_t step = 0; step < later; ++step) writer.Step();
            }
          });
          // To the end of the switch that is under way.
          while (writer.state().count != writer.switches() ||
                 writer.gone() + 1 != writer.switches()) {
            writer.Step();
          }
          if (!watcher.SawAll()) return false;
        }
      }
    }
  }
  return true;
}

TEST(CpuLineTest, EveryDepartureIsToldHoweverTheKernelGoesOn) {
  EXPECT_TRUE(AllLooksAreGood(Mistake::kNone, 1));
  // `departed` wraps.
  EXPECT_TRUE(AllLooksAreGood(Mistake::kNone, 252));
}

TEST(CpuLineTest, AKernelThatStoresInAnotherOrderIsNoticed) {
  EXPECT_FALSE(AllLooksAreGood(Mistake::kWordBeforeRing, 1));
  EXPECT_FALSE(AllLooksAreGood(Mistake::kCountBeforeWord, 1));
  EXPECT_FALSE(AllLooksAreGood(Mistake::kSevenSlots, 252));
}

TEST(CpuLineTest, SevenCanBeToldAndEightCannot) {
  for (const std::uint32_t count : {7u, 8u}) {
    Writer writer;
    Watcher watcher(writer);
    writer.Switch();
    watcher.Look();
    writer.Switch(count);
    watcher.Look();
    EXPECT_EQ(watcher.told(), count == 7);
    EXPECT_TRUE(watcher.good());
    EXPECT_EQ(watcher.line().left().size(), count == 7 ? 7u : 0u);
  }
}

TEST(CpuLineTest, ManyChangesAreNotTakenForNone) {
  // As many leave as make no difference in the word, and in `seq`.
  for (const std::uint32_t count : {254u, 255u, 256u, 257u, 1u << 20}) {
    Writer writer;
    Watcher watcher(writer);
    writer.Switch();
    watcher.Look();
    EXPECT_FALSE(watcher.line().HasNews());
    writer.Switch(count);
    EXPECT_TRUE(watcher.line().HasNews());
    watcher.Look();
    EXPECT_FALSE(watcher.told()) << count;
  }
}

TEST(CpuLineTest, AChangeThatTheCountDoesNotKnowYetIsReckonedWith) {
  Writer writer;
  Watcher watcher(writer);
  writer.Switch();
  watcher.Look();
  writer.Switch(255);
  writer.Step();
  writer.Step();  // the word says that as many have left as at the last look
  watcher.Look();
  EXPECT_FALSE(watcher.told());
}

TEST(CpuLineTest, ALineThatWasNeverWrittenHasNoNews) {
  const lh_cpu_state state = {};
  CpuLine line(state);
  EXPECT_FALSE(line.HasNews());
  EXPECT_TRUE(line.Look());
  EXPECT_TRUE(line.left().empty());
  EXPECT_EQ(line.word().mode, std::uint32_t{LH_CPU_OFFLINE});
}

}  // namespace
}  // namespace lauberhorn::nic
