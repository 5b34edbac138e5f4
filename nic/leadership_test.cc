// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Every order in which three threads can begin to wait, wake up and leave while
// the thread that stands by looks: as all steps are under one mutex, these are
// all interleavings. After each step there is somebody who will look.

#include "nic/leadership.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic {
namespace {

constexpr std::size_t kThreads = 3;

// The threads, as far as they are the driver's.
class World {
 public:
  struct Step {
    std::string name;
    std::function<void()> run;
  };

  // What can happen next.
  std::vector<Step> Steps() {
    std::vector<Step> steps;
    for (std::size_t at = 0; at < kThreads; ++at) {
      Thread& thread = threads_[at];
      const auto add = [&](const char* name, std::function<void()> run) {
        steps.push_back({absl::StrCat(name, at), std::move(run)});
      };
      switch (thread.state) {
        case kAway:
        case kAwake:
          add("begins", [this, &thread] { Begin(thread); });
          if (leadership_.StandbyLeads()) {
            add("looks", [this, &thread] { Look(thread); });
          }
          if (thread.state == kAwake) {
            add("leaves", [this, &thread] { End(thread, false); });
            add("is away", [this, &thread] { End(thread, true); });
          }
          break;
        case kLeads:
          // A packet, or the bell.
          add("wakes", [&thread] { thread.state = kAwake; });
          break;
        case kFollows:
          // Its message, its time, or as it is made the leader.
          add("wakes", [this, &thread] {
            leadership_.Awake(thread.waiter);
            thread.woken = false;
            thread.state = kAwake;
          });
          break;
      }
    }
    if (standby_ != kSleeps || standby_rung_) {
      steps.push_back({"stands by, rung", [this] { Watch(false, false); }});
    }
    if (standby_ == kWatches) {
      steps.push_back({"stands by, nothing", [this] { Watch(true, false); }});
      steps.push_back({"stands by", [this] { Watch(true, true); }});
    }
    return steps;
  }

  // Whether somebody sees to it that the engine gets its turns.
  bool IsDriven() {
    int leaders = leadership_.StandbyLeads() ? 1 : 0;
    for (const Thread& thread : threads_) {
      if (!thread.waiter.leads()) continue;
      ++leaders;
      // Nobody else will wake a follower that was made the leader.
      if (thread.state == kFollows && !thread.woken) return false;
    }
    if (leaders > 1) return false;
    if (leadership_.StandbyLeads() && standby_ == kSleeps && !standby_rung_) {
      return false;
    }
    return leaders == 1 || standby_ != kSleeps || standby_rung_;
  }

 private:
  enum State { kAway, kAwake, kLeads, kFollows };
  enum Standby { kLeading, kWatches, kSleeps };
  struct Thread {
    Leadership::Waiter waiter;
    State state = kAway;
    bool woken = false;
    Leadership::Wakes wakes{0};
  };

  void Begin(Thread& thread) {
    bool from_standby = false;
    const bool leads =
        leadership_.Begin(thread.waiter, &thread.wakes, &from_standby);
    EXPECT_EQ(leads, thread.waiter.leads());
    if (from_standby) standby_rung_ = true;
    thread.state = leads ? kLeads : kFollows;
  }

  void Look(Thread& thread) {
    EXPECT_TRUE(leadership_.Relieve(thread.waiter));
    EXPECT_TRUE(thread.waiter.leads());
    EXPECT_FALSE(leadership_.Relieve(threads_[0].waiter))
        << "nobody to relieve";
    standby_rung_ = true;
    thread.state = kAwake;
  }

  void End(Thread& thread, bool to_another) {
    thread.state = kAway;
    if (!thread.waiter.leads()) return;
    const Leadership::Woken woken =
        leadership_.Resign(thread.waiter, to_another);
    EXPECT_FALSE(thread.waiter.leads());
    EXPECT_TRUE(to_another || woken.wakes == nullptr);
    for (Thread& other : threads_) {
      if (&other.wakes == woken.wakes) other.woken = true;
    }
    if (woken.standby) standby_rung_ = true;
  }

  void Watch(bool passed, bool looked) {
    standby_rung_ = false;
    switch (leadership_.Watch(passed, looked)) {
      case Leadership::Standby::kLeads:
        standby_ = kLeading;
        break;
      case Leadership::Standby::kWatches:
        standby_ = kWatches;
        break;
      case Leadership::Standby::kSleeps:
        standby_ = kSleeps;
        break;
    }
  }

  Leadership leadership_;
  Thread threads_[kThreads];
  Standby standby_ = kLeading;
  bool standby_rung_ = false;
};

TEST(LeadershipTest, SomebodyLooksWhateverTheOrder) {
  constexpr std::size_t kDepth = 8;
  std::vector<std::size_t> choices;  // of each step
  std::size_t orders = 0;
  for (;;) {
    World world;
    std::vector<std::string> names;
    std::vector<std::size_t> counts;
    for (std::size_t depth = 0; depth < kDepth; ++depth) {
      const std::vector<World::Step> steps = world.Steps();
      if (choices.size() <= depth) choices.push_back(0);
      counts.push_back(steps.size());
      names.push_back(steps[choices[depth]].name);
      steps[choices[depth]].run();
      ASSERT_TRUE(world.IsDriven()) << absl::StrJoin(names, ", ");
    }
    ++orders;
    // The next, as numbers are counted.
    while (!choices.empty() &&
           choices.back() + 1 == counts[choices.size() - 1]) {
      choices.pop_back();
    }
    if (choices.empty()) break;
    ++choices.back();
  }
  EXPECT_GT(orders, 100'000u);
}

TEST(LeadershipTest, TheStandbyThreadSleepsWhenNobodyHasResignedForAWhile) {
  Leadership leadership;
  Leadership::Waiter waiter;
  Leadership::Wakes wakes{0};
  bool from_standby = false;
  ASSERT_TRUE(leadership.Begin(waiter, &wakes, &from_standby));
  EXPECT_TRUE(from_standby);
  int looks = 0;
  while (leadership.Watch(true, true) == Leadership::Standby::kWatches) {
    ASSERT_LT(++looks, 100);
  }
  EXPECT_GT(looks, 1);
  // From then on it is woken for who resigns, once.
  EXPECT_TRUE(leadership.Resign(waiter, false).standby);
  ASSERT_TRUE(leadership.Begin(waiter, &wakes, &from_standby));
  EXPECT_FALSE(from_standby);
  EXPECT_FALSE(leadership.Resign(waiter, false).standby);
}

TEST(LeadershipTest, ItLeadsIfNobodyHasLookedForAWhile) {
  Leadership leadership;
  Leadership::Waiter waiter;
  Leadership::Wakes wakes{0};
  bool from_standby = false;
  ASSERT_TRUE(leadership.Begin(waiter, &wakes, &from_standby));
  leadership.Resign(waiter, false);
  EXPECT_EQ(leadership.Watch(false, false), Leadership::Standby::kWatches);
  EXPECT_EQ(leadership.Watch(true, true), Leadership::Standby::kWatches);
  EXPECT_EQ(leadership.Watch(true, false), Leadership::Standby::kLeads);
  // Until a thread comes that waits.
  EXPECT_TRUE(leadership.StandbyLeads());
  ASSERT_TRUE(leadership.Begin(waiter, &wakes, &from_standby));
  EXPECT_TRUE(from_standby);
  EXPECT_FALSE(leadership.StandbyLeads());
}

}  // namespace
}  // namespace lauberhorn::nic
