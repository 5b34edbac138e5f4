// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/trace/replay.h
//
// Derives, from what the scheduler did, the words that it had to publish, and
// compares them with those that it did publish: a word that is missing and a
// word that nothing explains are both wrong.
//
// The records are those of tests/vm/modules/recorder, in the order of their
// numbers. Those that were made under the lock of a run queue also say what the
// device's memory held at that moment, so a missing word shows with the next
// such record.
//
// The line of a CPU. Each word differs from the one before; seq and count go up
// by one; memory holds both, and the ring names in the right slot who left, as
// the word counts.
//
// At a switch the word says mode, class and endpoint of the next thread, and no
// flag. It says so until the next switch, or until that thread is bound or is
// not any more.
//
// nr is what sched_update_nr_running_tp says, less the threads whose dequeue is
// delayed, at each event of the run queue. It changes after that event, when
// the running thread falls asleep with a delayed dequeue, and before the event
// of a wake-up of such a thread; and never else.
//
// No event names need_resched. It is set by a word that changes nothing else,
// and with every event from then until it goes, the running thread is really
// asked to call schedule(). It goes with each switch; without one, only if
// nobody asks any more. It is set when a wake-up on this CPU puts a thread of a
// higher class into the queue than the one that runs, unless that was asked
// already.
//
// A CPU is OFFLINE from before the callback that says that it goes until after
// the one that says that it comes, and that only when a program asked for it.
//
// The word of an endpoint begins and ends with what the thread asks for, or
// with exit and exec. It says BLOCKED after all lines name it no more, and the
// switch follows; RUNNABLE before a line names it, and the wake-up follows. Its
// mask is the one that the thread has.
//
// Not thread-safe.
#ifndef LAUBERHORN_TESTS_VM_TRACE_REPLAY_H_
#define LAUBERHORN_TESTS_VM_TRACE_REPLAY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "nic/state_words.h"
#include "tests/vm/modules/recorder/record.h"

namespace lauberhorn::trace {

using nic::CpuWord;
using nic::EndpointWord;

class Replay {
 public:
  // Of a machine with so many CPUs, at most 64.
  explicit Replay(unsigned cpus);

  // The next record.
  void Add(const lh_record& record);

  struct Finding {
    std::uint64_t seq;  // of the record at which it shows
    std::string text;
  };
  // The first kMostFindings; `wrong` counts all.
  static constexpr std::size_t kMostFindings = 20;
  const std::vector<Finding>& findings() const { return findings_; }
  std::uint64_t wrong() const { return wrong_; }

  std::uint64_t words_compared() const { return words_compared_; }
  std::uint64_t delayed_wakeups() const { return delayed_wakeups_; }
  // Kinds of events that were seen; words and marks are none.
  unsigned event_kinds() const;

 private:
  struct Bind {
    std::uint32_t endpoint;
    std::uint64_t generation;
  };
  struct Thread {
    std::uint32_t endpoint = 0;  // that it is bound to, plus one
    std::optional<Bind> asked;   // under way
    bool unbinding = false;      // under way
    bool ending =
        false;  // its endpoint's word says DEAD: exit or exec must come
  };

  enum class Hotplug { kNone, kGoes, kComes };
  static constexpr std::uint32_t kUnknown = ~std::uint32_t{0};
  // What is known of a run queue and its line.
  struct Cpu {
    bool exported = false;
    std::uint64_t word = 0;
    std::uint64_t count = 0;
    std::array<std::uint32_t, LH_DEPARTED> departed = {};
    std::int32_t curr = 0;
    bool curr_kernel = false;
    // The word does not say that `curr` runs: a switch, or the end of a
    // binding, must be the next that happens.
    bool unsettled = false;
    // nr went up: a wake-up must be the next event.
    bool awaits_wakeup = false;
    // Of the last event.
    bool after_nr_running = false;  // nor any word after it
    bool woke_here = false;         // a thread came, by this CPU's own doing
    bool asked_then = false;        // need_resched of the running thread
    std::uint32_t nr_running = kUnknown;
    std::uint32_t delayed = 0;
    Hotplug hotplug = Hotplug::kNone;
  };

  struct Endpoint {
    std::uint64_t word = 0;
    std::int32_t pid = 0;  // 0: not bound
    bool blocks = false;   // BLOCKED was said, its switch has not come
    bool wakes = false;    // RUNNABLE was said, its wake-up has not come
  };
  struct Mask {
    std::uint64_t cpus = 0;
    unsigned users = 0;
  };

  // Says that `text` is so if `right` is not.
  bool Check(bool right, std::string_view text);

  // replay_cpu.cc
  void AddCpuWord(const lh_record& record);
  void Adopt(Cpu& cpu, const lh_record& record);
  void CheckStored(Cpu& cpu, const lh_record& record);
  void CheckGoes(Cpu& cpu, CpuWord word);
  void CheckComes(Cpu& cpu, const lh_record& record);
  void CheckChange(Cpu& cpu, const lh_record& record);
  void CheckNrChange(Cpu& cpu, const lh_record& record);
  void CheckNamed(const Cpu& cpu, CpuWord word);
  bool SaysThatRuns(CpuWord word, std::int32_t pid, bool kernel) const;
  bool Settled(const Cpu& cpu) const;

  // replay_queue.cc
  bool AddQueueEvent(const lh_record& record);
  void CheckMemory(Cpu& cpu, const lh_record& record);
  void CheckSwitch(Cpu& cpu, const lh_record& record);
  void CheckRunning(Cpu& cpu, const lh_record& record);
  void CheckWakeup(Cpu& cpu, const lh_record& record);
  void CheckCounts(Cpu& cpu, const lh_record& record);
  void AddHotplug(const lh_record& record);

  // replay_endpoint.cc
  void AddEndpointWord(const lh_record& record);
  void CheckBind(Endpoint& endpoint, const lh_record& record);
  void CheckState(Endpoint& endpoint, const lh_record& record);
  void Release(Endpoint& endpoint, const lh_record& record);
  void CheckMask(const Endpoint& endpoint, const lh_record& record);
  void CheckMaskNamed(EndpointWord word, std::uint64_t cpus);
  void AddEndpointSwitch(const lh_record& record);
  void AddEndpointWakeup(const lh_record& record);
  void CheckEndpointMemory(const lh_record_task& task);
  Endpoint* EndpointOf(std::int32_t pid);
  bool IsNamed(std::uint64_t endpoint) const;

  // replay_thread.cc
  void AddMark(const lh_record& record);
  void AddLife(const lh_record& record);

  const std::uint64_t all_cpus_;
  std::vector<Cpu> cpus_;
  std::unordered_map<std::int32_t, Thread> threads_;
  std::unordered_map<std::uint64_t, Endpoint> endpoints_;
  std::unordered_set<std::uint32_t> numbers_;  // of bindings
  std::unordered_map<std::uint32_t, Mask> masks_;
  std::array<std::uint64_t, LH_RECORD_KINDS> seen_ = {};

  std::uint64_t now_ = 0;  // seq of the record
  std::uint64_t words_compared_ = 0;
  std::uint64_t delayed_wakeups_ = 0;
  std::uint64_t wrong_ = 0;
  std::vector<Finding> findings_;
};

// What nr must be.
inline std::uint32_t QuantisedNr(const lh_record& record) {
  const std::uint32_t runnable = record.nr_running - record.delayed;
  return runnable < 3 ? runnable : 3;
}

// The scheduling class of a thread, as a word says it.
inline std::uint32_t ClassOf(std::int32_t pid, std::int32_t prio) {
  constexpr std::int32_t kRealtimePriorities = 100;
  if (pid == 0) return LH_CPU_CLASS_IDLE;
  return prio < kRealtimePriorities ? LH_CPU_CLASS_REALTIME : LH_CPU_CLASS_FAIR;
}

}  // namespace lauberhorn::trace

#endif  // LAUBERHORN_TESTS_VM_TRACE_REPLAY_H_
