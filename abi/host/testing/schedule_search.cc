/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The search of schedule_search.h. No locking: one thread. The clocks count
// events per process: an event happened before another if the other's clock
// covers its number.

#include "schedule_search.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace lauberhorn::testing {
namespace {

Processes Bit(int process) { return 1u << process; }

void Join(std::array<uint16_t, kMostProcesses>& clock,
          const std::array<uint16_t, kMostProcesses>& other) {
  for (size_t i = 0; i < clock.size(); ++i) {
    clock[i] = std::max(clock[i], other[i]);
  }
}

}  // namespace

void Accesses::Add(int access) {
  if (count_ == kMost) std::abort();
  accesses_[static_cast<size_t>(count_++)] = access;
}

bool Accesses::ConflictsWith(const Accesses& other) const {
  for (int i = 0; i < count_; ++i) {
    const int mine = accesses_[static_cast<size_t>(i)];
    for (int j = 0; j < other.count_; ++j) {
      const int its = other.accesses_[static_cast<size_t>(j)];
      if (mine / 2 == its / 2 && ((mine | its) & 1)) return true;
    }
  }
  return false;
}

bool ScheduleSearch::HappensBefore(const Event& event, int index,
                                   const Clock& clock) {
  return clock[static_cast<size_t>(event.process)] > index;
}

ScheduleSearch::Clock ScheduleSearch::ClockOf(int process) const {
  const std::vector<int>& own = events_of_[static_cast<size_t>(process)];
  return own.empty() ? Clock{} : events_[static_cast<size_t>(own.back())].clock;
}

// What sleeps goes on sleeping until something that depends on it moves.
Processes ScheduleSearch::SleepAfter(const Node& node,
                                     const SchedulePoint& point) {
  if (!node.sleep) return 0;
  Processes sleep = 0;
  const Accesses accesses = point.AccessesOf(node.chosen);
  for (int other = 0; other < kMostProcesses; ++other) {
    if ((node.sleep & Bit(other)) &&
        !accesses.ConflictsWith(point.AccessesOf(other))) {
      sleep |= Bit(other);
    }
  }
  return sleep;
}

int ScheduleSearch::Choose(const SchedulePoint& point) {
  if (depth_ < static_cast<int>(path_.size())) {
    Node& node = path_[static_cast<size_t>(depth_)];
    if (replay_only_) {
      const Processes enabled = point.Enabled();
      if (!(enabled & Bit(node.chosen))) return -1;
    } else if (depth_ >= first_new_) {
      next_sleep_ = SleepAfter(node, point);
    }
    return node.chosen;
  }
  if (replay_only_) return -1;

  Node node;
  node.enabled = point.Enabled();
  node.unmet = point.Unmet();
  node.sleep = path_.empty() ? 0 : next_sleep_;
  const Processes candidates = node.enabled & ~node.sleep;
  if (!candidates) return -1;
  // Staying with the process that moved last saves switches.
  const int last = path_.empty() ? 0 : path_.back().chosen;
  node.chosen = candidates & Bit(last) ? last : std::countr_zero(candidates);
  node.backtrack = reduce_ ? Bit(node.chosen) : node.enabled;
  path_.push_back(node);
  next_sleep_ = SleepAfter(node, point);
  return node.chosen;
}

int ScheduleSearch::Moved(int process, const Accesses& accesses,
                          const std::vector<int>& causes, bool waited) {
  const int index = depth_++;
  if (index < static_cast<int>(events_.size())) return index;
  Event event{process, accesses, ClockOf(process)};
  for (int cause : causes) {
    Join(event.clock, events_[static_cast<size_t>(cause)].clock);
  }
  if (reduce_ && !replay_only_) OrderAfterConflicts(&event, waited);
  event.clock[static_cast<size_t>(process)] = static_cast<uint16_t>(index + 1);
  events_.push_back(event);
  events_of_[static_cast<size_t>(process)].push_back(index);
  return index;
}

void ScheduleSearch::Stuck(int process, const Accesses& accesses) {
  if (!reduce_ || replay_only_) return;
  Event event{process, accesses, ClockOf(process)};
  OrderAfterConflicts(&event, true);
}

// Joins what conflicts into the event's clock and adds the races: conflicts
// whose order nothing between them forces. What waited for a condition may have
// been able to move before an event that an even later one hides.
void ScheduleSearch::OrderAfterConflicts(Event* event, bool waited) {
  const Clock base = event->clock;
  const std::vector<int>& own = events_of_[static_cast<size_t>(event->process)];
  std::vector<int> races;
  for (int i = static_cast<int>(events_.size()) - 1; i >= 0; --i) {
    const Event& earlier = events_[static_cast<size_t>(i)];
    if (HappensBefore(earlier, i, base)) continue;
    if (!earlier.accesses.ConflictsWith(event->accesses)) continue;
    const bool hidden = HappensBefore(earlier, i, event->clock);
    if (hidden && !waited) continue;
    if (!hidden) Join(event->clock, earlier.clock);
    // A condition that did not hold before the earlier event needs it.
    const bool waits_there = own.empty() || own.back() < i;
    const Node& node = path_[static_cast<size_t>(i)];
    if (waited && waits_there && (node.unmet & Bit(event->process))) continue;
    races.push_back(i);
  }
  Event reversed = *event;
  for (int race : races) {
    // The earlier event must not count as happening before its reversal.
    reversed.clock = base;
    for (int i = race + 1; i < static_cast<int>(events_.size()); ++i) {
      const Event& between = events_[static_cast<size_t>(i)];
      const Event& earlier = events_[static_cast<size_t>(race)];
      if (!HappensBefore(earlier, race, between.clock) &&
          between.accesses.ConflictsWith(event->accesses)) {
        Join(reversed.clock, between.clock);
      }
    }
    AddRace(race, reversed);
  }
}

// Makes sure that some schedule has `event` before the earlier one: from the
// earlier one's node, one of the processes with which the events that do not
// need it can begin.
void ScheduleSearch::AddRace(int earlier, const Event& event) {
  Node& node = path_[static_cast<size_t>(earlier)];
  const Event& first = events_[static_cast<size_t>(earlier)];
  constexpr int kNone = 1 << 30;
  std::array<int, kMostProcesses> first_of;
  first_of.fill(kNone);
  Processes initials = 0;
  const auto consider = [&](const Event& candidate, int index) {
    const auto process = static_cast<size_t>(candidate.process);
    if (first_of[process] != kNone) return;
    bool initial = true;
    for (size_t other = 0; other < kMostProcesses; ++other) {
      if (other != process && first_of[other] < candidate.clock[other]) {
        initial = false;
      }
    }
    first_of[process] = index;
    if (initial) initials |= Bit(candidate.process);
  };
  for (int i = earlier + 1; i < static_cast<int>(events_.size()); ++i) {
    const Event& next = events_[static_cast<size_t>(i)];
    if (!HappensBefore(first, earlier, next.clock)) consider(next, i);
  }
  consider(event, static_cast<int>(events_.size()));
  initials &= node.enabled;
  if (initials & (node.backtrack | node.sleep)) return;
  if (!initials) {
    node.backtrack |= node.enabled;
  } else if (initials & Bit(event.process)) {
    node.backtrack |= Bit(event.process);
  } else {
    node.backtrack |= initials & -initials;
  }
}

bool ScheduleSearch::Next() {
  if (replay_only_) return false;
  while (!path_.empty()) {
    Node& node = path_.back();
    const size_t depth = path_.size() - 1;
    if (reduce_) {
      node.sleep |= Bit(node.chosen);
    } else {
      node.backtrack &= ~Bit(node.chosen);
    }
    if (events_.size() > depth) {
      events_of_[static_cast<size_t>(events_[depth].process)].pop_back();
      events_.pop_back();
    }
    const Processes rest = node.backtrack & ~node.sleep;
    if (rest) {
      node.chosen = std::countr_zero(rest);
      first_new_ = static_cast<int>(depth);
      return true;
    }
    path_.pop_back();
  }
  return false;
}

std::string ScheduleSearch::Path() const {
  std::string path;
  for (int i = 0; i < depth_; ++i) {
    path += static_cast<char>('a' + path_[static_cast<size_t>(i)].chosen);
  }
  return path;
}

void ScheduleSearch::ReplayOnly(const std::string& path) {
  replay_only_ = true;
  for (char letter : path) {
    Node node{};
    node.chosen = letter - 'a';
    path_.push_back(node);
  }
}

}  // namespace lauberhorn::testing
