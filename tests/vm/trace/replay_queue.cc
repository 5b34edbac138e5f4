// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The events of run queues: what the line of the CPU must say at each.
#include <cstddef>
#include <cstdint>

#include "tests/vm/trace/replay.h"

namespace lauberhorn::trace {

// Whether the run queue is one of which the device is told.
bool Replay::AddQueueEvent(const lh_record& record) {
  Cpu& cpu = cpus_[record.cpu];
  const bool exported = (record.bits & LH_RECORD_EXPORTED) != 0;
  if (!Check(
          exported == cpu.exported,
          "the device is told of a CPU that no word spoke of, or the other way "
          "round")) {
    Adopt(cpu, record);
  }
  if (exported) {
    CheckMemory(cpu, record);
    if (record.kind == LH_RECORD_SWITCH) {
      CheckSwitch(cpu, record);
    } else {
      CheckRunning(cpu, record);
    }
    CheckCounts(cpu, record);
    if (record.kind == LH_RECORD_WAKEUP) CheckWakeup(cpu, record);
  }
  const bool nr_running = record.kind == LH_RECORD_NR_RUNNING;
  if (record.kind == LH_RECORD_SWITCH) {
    cpu.curr = record.task[1].pid;
    cpu.curr_kernel = (record.task[1].bits & LH_RECORD_TASK_KERNEL) != 0;
  } else if (!exported) {
    cpu.curr = record.curr;
    cpu.curr_kernel = (record.bits & LH_RECORD_CURR_KERNEL) != 0;
  }
  cpu.after_nr_running = nr_running;
  cpu.woke_here = nr_running && record.a == 1 && record.here == record.cpu;
  cpu.asked_then = (record.bits & LH_RECORD_NEED_RESCHED) != 0;
  cpu.nr_running = record.nr_running;
  cpu.delayed = record.delayed;
  return exported;
}

void Replay::CheckMemory(Cpu& cpu, const lh_record& record) {
  bool same = record.word == cpu.word && record.count == cpu.count;
  for (std::size_t slot = 0; slot < cpu.departed.size(); ++slot) {
    same &= record.departed[slot] == cpu.departed[slot];
  }
  if (!Check(same, "memory changed, and no word was published")) {
    cpu.word = record.word;
    cpu.count = record.count;
    for (std::size_t slot = 0; slot < cpu.departed.size(); ++slot) {
      cpu.departed[slot] = record.departed[slot];
    }
  }
}

void Replay::CheckSwitch(Cpu& cpu, const lh_record& record) {
  const CpuWord word(cpu.word);
  const lh_record_task& next = record.task[1];
  Check(record.task[0].pid == cpu.curr, "another thread left than came");
  Check(SaysThatRuns(word, next.pid, (next.bits & LH_RECORD_TASK_KERNEL) != 0),
        "at a switch the word does not say what runs");
  Check(word.scheduling_class == ClassOf(next.pid, next.prio),
        "at a switch the word does not say the class of what runs");
  Check(word.flags == 0, "at a switch the word has a flag");
  cpu.unsettled = false;
}

void Replay::CheckRunning(Cpu& cpu, const lh_record& record) {
  // Between the word and the event of a switch a thread that may not migrate
  // leaves its queue and comes back.
  if (record.kind == LH_RECORD_NR_RUNNING && record.curr != cpu.curr) return;
  const CpuWord word(cpu.word);
  Check(record.curr == cpu.curr, "another thread runs than was switched to");
  Check(Settled(cpu), "the word does not say what runs");
  Check(!word.need_resched() || (record.bits & LH_RECORD_NEED_RESCHED) != 0,
        "need_resched is said, but nobody asks for schedule()");
  cpu.unsettled = false;
}

void Replay::CheckCounts(Cpu& cpu, const lh_record& record) {
  const bool change = record.kind == LH_RECORD_NR_RUNNING;
  Check(record.nr_running ==
                cpu.nr_running +
                    (change ? static_cast<std::uint32_t>(record.a) : 0) ||
            cpu.nr_running == kUnknown,
        "the number of threads changed, and no event says so");
  // After the event comes the word.
  if (!change) {
    Check(CpuWord(cpu.word).nr == QuantisedNr(record), "nr is not the queue's");
  }
  if (cpu.awaits_wakeup) {
    Check(record.kind == LH_RECORD_WAKEUP,
          "nr went up, and no thread came or was woken");
    cpu.awaits_wakeup = false;
  }
}

void Replay::CheckWakeup(Cpu& cpu, const lh_record& record) {
  const lh_record_task& woken = record.task[0];
  // It did not come to the queue, which has one sleeper less.
  delayed_wakeups_ +=
      cpu.nr_running == record.nr_running && cpu.delayed == record.delayed + 1;
  // Interrupts are off since it came, so nobody else asked meanwhile.
  if (cpu.woke_here && record.here == record.cpu && !cpu.asked_then &&
      ClassOf(woken.pid, woken.prio) > ClassOf(record.curr, record.curr_prio)) {
    Check(CpuWord(cpu.word).need_resched(),
          "a thread of a higher class was woken, and need_resched is not said");
  }
}

void Replay::AddHotplug(const lh_record& record) {
  if (!Check(record.a < cpus_.size(), "a record that no recorder made")) return;
  Check(!cpus_[record.a].exported,
        record.kind == LH_RECORD_CPU_UP
            ? "the word says that a CPU came too early"
            : "a CPU went, and its word does not say so");
}

}  // namespace lauberhorn::trace
