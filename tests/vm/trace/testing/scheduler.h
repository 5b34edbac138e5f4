// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/trace/testing/scheduler.h
//
// Writes records as a machine of two CPUs would that publishes the right words.
// A test takes a step at a time, and then falsifies what was recorded.
#ifndef LAUBERHORN_TESTS_VM_TRACE_TESTING_SCHEDULER_H_
#define LAUBERHORN_TESTS_VM_TRACE_TESTING_SCHEDULER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "abi/host/cpu.h"
#include "tests/vm/modules/recorder/record.h"

namespace lauberhorn::trace {

class Scheduler {
 public:
  static constexpr unsigned kCpus = 2;

  // Threads; 0 is the idle one.
  void AddThread(std::int32_t pid, std::int32_t prio = 120,
                 bool kernel = false);

  // Each step makes the records of one thing that happens.
  void Register();
  // A thread comes to a queue, and `asks` for schedule().
  void Wake(unsigned cpu, std::int32_t pid, bool asks);
  // The running thread falls asleep, or is preempted, and another one runs.
  void Sleep(unsigned cpu, std::int32_t next);
  void SleepDelayed(unsigned cpu, std::int32_t next);
  void Preempt(unsigned cpu, std::int32_t next);
  // A thread whose dequeue is delayed, which is on the queue of `cpu`.
  void WakeDelayed(unsigned cpu, std::int32_t pid);
  // schedule() is asked for, and picks the same thread.
  void Ask(unsigned cpu);
  void PickAgain(unsigned cpu);
  // The running thread.
  void Bind(unsigned cpu, std::uint32_t endpoint, std::uint32_t generation);
  void Unbind(unsigned cpu);
  void SetMask(std::int32_t pid, std::uint64_t cpus, std::uint32_t name);
  void Exit(unsigned cpu);
  void Fork(std::int32_t child);
  // An idle CPU.
  void Offline(unsigned cpu);
  void Online(unsigned cpu);

  std::vector<lh_record> records;
  // Where the last step began; Ask and PickAgain are parts of others.
  std::size_t step = 0;

 private:
  struct Cpu {
    std::uint64_t word = 0;
    std::uint64_t count = 0;
    std::array<std::uint32_t, LH_DEPARTED> ring = {};
    bool exported = false;
    bool need_resched = false;
    std::uint32_t nr_running = 0;
    std::uint32_t delayed = 0;
    std::int32_t curr = 0;
  };
  struct Thread {
    std::int32_t prio;
    bool kernel;
    bool queued = false;
    bool delayed = false;
    std::uint32_t endpoint = 0;  // plus one
    std::uint64_t word = 0;
    std::uint64_t mask = 3;
    std::uint64_t table_mask = 0;  // what the device's table says of its name
  };

  lh_record& Add(unsigned kind, unsigned here);
  lh_record& AddLocked(unsigned kind, unsigned cpu);
  lh_record_task Describe(std::int32_t pid, bool locked) const;
  void AddMark(unsigned here, lh_mark_what what, std::uint32_t argument,
               std::uint64_t value, std::int32_t pid);
  // Publishes what the CPU's state and `next` are, if that is new.
  void Publish(unsigned cpu, std::int32_t next, bool flag);
  void Store(unsigned cpu, std::uint64_t word);
  void PublishNr(unsigned cpu);
  void PublishEndpoint(unsigned here, std::int32_t pid, std::uint64_t word);
  void SetState(unsigned here, std::int32_t pid, unsigned state);
  void ChangeNr(unsigned cpu, int change);
  void Switch(unsigned cpu, std::int32_t next, bool asleep);
  void Release(unsigned cpu, unsigned state);
  std::uint64_t Nr(const Cpu& cpu) const;

  std::array<Cpu, kCpus> cpus_;
  std::map<std::int32_t, Thread> threads_ = {
      {0, {.prio = 120, .kernel = true}}};
  std::uint32_t bindings_ = 0;
};

}  // namespace lauberhorn::trace

#endif  // LAUBERHORN_TESTS_VM_TRACE_TESTING_SCHEDULER_H_
