/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Which schedule comes next: depth-first search with partial-order reduction.
//
// A schedule is a sequence of events of a few processes. Two events depend on
// each other if they access the same place and one of them writes it; swapping
// neighbours that do not leads to the same state, so of all schedules that
// differ only so, one is run. The reduction is source sets (a schedule is run
// again from the point of each race, with the other order) and sleep sets (what
// was explored from a point is not explored again until something that depends
// on it happened). Both keep every deadlock and every failed check that depends
// only on values that were read.
//
// Not thread-safe; knows nothing of what the events do.

#ifndef LAUBERHORN_ABI_HOST_TESTING_SCHEDULE_SEARCH_H_
#define LAUBERHORN_ABI_HOST_TESTING_SCHEDULE_SEARCH_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lauberhorn::testing {

inline constexpr int kMostProcesses = 12;

// A set of processes, one bit each.
using Processes = uint32_t;

// The places that one step accesses.
class Accesses {
 public:
  void Read(int place) { Add(place * 2); }
  void Write(int place) { Add(place * 2 + 1); }
  bool ConflictsWith(const Accesses& other) const;

 private:
  static constexpr int kMost = 8;
  void Add(int access);

  std::array<int, kMost> accesses_;
  int count_ = 0;
};

// The state that a schedule has led to, as far as the search must know it.
class SchedulePoint {
 public:
  virtual ~SchedulePoint() = default;
  // Processes that can move.
  virtual Processes Enabled() const = 0;
  // Processes that wait for a condition on one place, which does not hold.
  virtual Processes Unmet() const = 0;
  // What the process's next step accesses. It has one.
  virtual Accesses AccessesOf(int process) const = 0;
};

class ScheduleSearch {
 public:
  // With `reduce` off, all schedules are run.
  explicit ScheduleSearch(bool reduce) : reduce_(reduce) {}

  // The first schedule, or a next one.
  void Begin() { depth_ = 0; }

  // The process that moves next, or -1: all that can move would only repeat a
  // schedule that was run.
  int Choose(const SchedulePoint& point);

  // The chosen process moved. `causes` are events without which it could not
  // have; `waited` says that it waited for a condition on what it accesses.
  // Returns the event's number in this schedule.
  int Moved(int process, const Accesses& accesses,
            const std::vector<int>& causes, bool waited);

  // The schedule ended with this process waiting for ever.
  void Stuck(int process, const Accesses& accesses);

  // Goes on to the next schedule; false: there is none.
  bool Next();

  // The processes of this schedule, one letter each, and back.
  std::string Path() const;
  void ReplayOnly(const std::string& path);

 private:
  using Clock = std::array<uint16_t, kMostProcesses>;

  struct Event {
    int process;
    Accesses accesses;
    Clock clock;  // number of events of each process that happen before
  };

  struct Node {
    int chosen;
    Processes enabled;
    Processes unmet;
    Processes backtrack;  // to be explored from here
    Processes sleep;      // explored, or equal to something that was
  };

  static bool HappensBefore(const Event& event, int index, const Clock& clock);
  Clock ClockOf(int process) const;
  static Processes SleepAfter(const Node& node, const SchedulePoint& point);
  void OrderAfterConflicts(Event* event, bool waited);
  void AddRace(int earlier, const Event& event);

  const bool reduce_;
  bool replay_only_ = false;
  int depth_ = 0;      // events of the current schedule
  int first_new_ = 0;  // events before this are those of the schedule before
  std::vector<Node> path_;
  std::vector<Event> events_;
  std::array<std::vector<int>, kMostProcesses> events_of_;
  Processes next_sleep_ = 0;
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_SCHEDULE_SEARCH_H_
