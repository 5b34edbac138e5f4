// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The words of CPUs: each by itself, and whether something explains it.
#include <cstddef>
#include <cstdint>

#include "tests/vm/trace/replay.h"

namespace lauberhorn::trace {

// Whether the word says mode and endpoint of this thread.
bool Replay::SaysThatRuns(CpuWord word, std::int32_t pid, bool kernel) const {
  const auto thread = threads_.find(pid);
  const std::uint32_t endpoint =
      thread == threads_.end() ? 0 : thread->second.endpoint;
  const std::uint32_t mode = pid == 0        ? LH_CPU_IDLE
                             : endpoint != 0 ? LH_CPU_BOUND
                             : kernel        ? LH_CPU_KERNEL
                                             : LH_CPU_OTHER;
  return word.mode == mode && word.endpoint == endpoint;
}

bool Replay::Settled(const Cpu& cpu) const {
  return SaysThatRuns(CpuWord(cpu.word), cpu.curr, cpu.curr_kernel);
}

// After something wrong: goes on from what the record says.
void Replay::Adopt(Cpu& cpu, const lh_record& record) {
  cpu.exported = (record.bits & LH_RECORD_EXPORTED) != 0;
  cpu.word = record.word;
  cpu.count = record.count;
  for (std::size_t slot = 0; slot < cpu.departed.size(); ++slot) {
    cpu.departed[slot] = record.departed[slot];
  }
  cpu.curr = record.curr;
  cpu.curr_kernel = (record.bits & LH_RECORD_CURR_KERNEL) != 0;
  cpu.unsettled = false;
  cpu.awaits_wakeup = false;
}

void Replay::AddCpuWord(const lh_record& record) {
  Cpu& cpu = cpus_[record.cpu];
  ++words_compared_;
  CheckStored(cpu, record);
  const CpuWord word(record.a);
  if (word.mode == LH_CPU_OFFLINE) {
    CheckGoes(cpu, word);
  } else if (!cpu.exported) {
    CheckComes(cpu, record);
  } else {
    CheckChange(cpu, record);
  }
  CheckNamed(cpu, word);
  cpu.exported = word.mode != LH_CPU_OFFLINE;
  cpu.word = record.a;
  cpu.count = record.b;
  cpu.after_nr_running = false;
}

// What holds of each word: how it is numbered, and what memory then holds.
void Replay::CheckStored(Cpu& cpu, const lh_record& record) {
  const CpuWord old(cpu.word);
  const CpuWord word(record.a);
  constexpr std::uint64_t kSeq = (std::uint64_t{1} << LH_CPU_SEQ_BITS) - 1;
  constexpr std::uint64_t kRest = (std::uint64_t{1} << LH_CPU_SEQ_SHIFT) - 1;

  Check(record.b == cpu.count + 1, "the count does not go up by one");
  Check(word.seq == (record.b & kSeq), "seq is not the count's low bits");
  Check(record.word == record.a && record.count == record.b,
        "memory does not hold what was published");
  Check((record.a & kRest) != (cpu.word & kRest),
        "the word was stored though it did not change");

  const bool leaves = old.endpoint != 0 && old.endpoint != word.endpoint;
  const std::uint32_t departed = (old.departed + leaves) % 256;
  Check(word.departed == departed, "departed does not count who left");
  if (leaves) cpu.departed[departed % LH_DEPARTED] = old.endpoint;
  for (std::size_t slot = 0; slot < cpu.departed.size(); ++slot) {
    if (!Check(record.departed[slot] == cpu.departed[slot],
               "the ring does not name who left")) {
      cpu.departed[slot] = record.departed[slot];
    }
  }
}

void Replay::CheckGoes(Cpu& cpu, CpuWord word) {
  Check(cpu.hotplug == Hotplug::kGoes, "OFFLINE, and nobody asked for it");
  Check(word.flags == 0 && word.nr == 0 && word.scheduling_class == 0 &&
            word.endpoint == 0,
        "OFFLINE with something that runs");
  cpu.unsettled = false;
}

void Replay::CheckComes(Cpu& cpu, const lh_record& record) {
  const CpuWord word(record.a);
  Check(record.b == 1 || cpu.hotplug != Hotplug::kNone,
        "a CPU comes back, and nobody asked for it");
  cpu.curr = record.curr;
  cpu.curr_kernel = (record.bits & LH_RECORD_CURR_KERNEL) != 0;
  Check(SaysThatRuns(word, cpu.curr, cpu.curr_kernel) &&
            word.scheduling_class == ClassOf(record.curr, record.curr_prio),
        "the first word does not say what runs");
  Check(word.nr == QuantisedNr(record), "the first nr is not the queue's");
  Check(word.need_resched() == ((record.bits & LH_RECORD_NEED_RESCHED) != 0),
        "the first need_resched is not the running thread's");
}

void Replay::CheckChange(Cpu& cpu, const lh_record& record) {
  const CpuWord old(cpu.word);
  const CpuWord word(record.a);
  if (cpu.unsettled) {
    Check(Settled(cpu),
          "the word before says that another thread runs, and "
          "none was switched to");
    cpu.unsettled = false;
  }
  const bool nr = word.nr != old.nr;
  const bool asked = word.need_resched() && !old.need_resched();
  const bool answered = !word.need_resched() && old.need_resched();
  const bool runs = word.mode != old.mode || word.endpoint != old.endpoint ||
                    word.scheduling_class != old.scheduling_class;
  Check(nr + asked + (answered || runs) <= 1, "a word of two changes");
  Check((word.flags | LH_CPU_FLAG_NEED_RESCHED) == LH_CPU_FLAG_NEED_RESCHED,
        "an unknown flag");
  if (nr) CheckNrChange(cpu, record);
  if (answered) {
    Check((record.bits & LH_RECORD_NEED_RESCHED) == 0 || record.curr == 0,
          "need_resched went, but schedule() is still asked for");
  }
  if (answered || runs) {
    cpu.unsettled =
        !SaysThatRuns(word, cpu.curr, cpu.curr_kernel) ||
        word.scheduling_class != ClassOf(record.curr, record.curr_prio);
  }
}

void Replay::CheckNrChange(Cpu& cpu, const lh_record& record) {
  const CpuWord word(record.a);
  Check(word.nr == QuantisedNr(record), "nr is not the queue's");
  if (cpu.after_nr_running) return;
  if (word.nr > CpuWord(cpu.word).nr) {
    cpu.awaits_wakeup = true;
    return;
  }
  Check((record.bits & LH_RECORD_CURR_DELAYED) != 0 && record.curr == cpu.curr,
        "nr went down, and no thread left or fell asleep");
}

// An endpoint is named by one line, and only while its word says RUNNABLE.
void Replay::CheckNamed(const Cpu& cpu, CpuWord word) {
  if (word.endpoint == 0) return;
  const auto endpoint = endpoints_.find(word.endpoint - 1);
  Check(endpoint != endpoints_.end() && endpoint->second.pid != 0 &&
            EndpointWord(endpoint->second.word).state == LH_ENDPOINT_RUNNABLE,
        "a line names an endpoint that is not RUNNABLE");
  for (const Cpu& other : cpus_) {
    Check(&other == &cpu || !other.exported ||
              CpuWord(other.word).endpoint != word.endpoint,
          "two lines name an endpoint");
  }
}

}  // namespace lauberhorn::trace
