// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/trace/testing/scheduler.h"

#include <algorithm>
#include <cstdint>

#include "nic/state_words.h"

namespace lauberhorn::trace {
namespace {

using nic::CpuWord;
using nic::EndpointWord;

constexpr std::uint64_t At(std::uint64_t value, unsigned shift) {
  return value << shift;
}
constexpr std::uint64_t Bits(unsigned shift, unsigned bits) {
  return ((std::uint64_t{1} << bits) - 1) << shift;
}
constexpr std::uint64_t kSeq = Bits(LH_CPU_SEQ_SHIFT, LH_CPU_SEQ_BITS);
constexpr std::uint64_t kNr = Bits(LH_CPU_NR_SHIFT, LH_CPU_NR_BITS);
constexpr std::uint64_t kFlags = Bits(LH_CPU_FLAGS_SHIFT, LH_CPU_FLAGS_BITS);
constexpr std::uint64_t kNeedResched =
    At(LH_CPU_FLAG_NEED_RESCHED, LH_CPU_FLAGS_SHIFT);
constexpr std::uint64_t kDeparted =
    Bits(LH_CPU_DEPARTED_SHIFT, LH_CPU_DEPARTED_BITS);
constexpr std::uint64_t kState =
    Bits(LH_ENDPOINT_WORD_STATE_SHIFT, LH_ENDPOINT_WORD_STATE_BITS);
constexpr std::uint64_t kMask =
    Bits(LH_ENDPOINT_WORD_MASK_SHIFT, LH_ENDPOINT_WORD_MASK_BITS);

}  // namespace

void Scheduler::AddThread(std::int32_t pid, std::int32_t prio, bool kernel) {
  threads_[pid] = {.prio = prio, .kernel = kernel};
}

lh_record& Scheduler::Add(unsigned kind, unsigned here) {
  lh_record record = {};
  record.seq = records.size() + 1;
  record.clock = record.seq * 1000;
  record.kind = static_cast<std::uint16_t>(kind);
  record.here = static_cast<std::uint8_t>(here);
  records.push_back(record);
  return records.back();
}

lh_record& Scheduler::AddLocked(unsigned kind, unsigned cpu) {
  lh_record& record = Add(kind, cpu);
  const Cpu& queue = cpus_[cpu];
  const Thread& curr = threads_[queue.curr];
  record.cpu = static_cast<std::uint8_t>(cpu);
  record.bits = LH_RECORD_LOCKED;
  if (queue.exported) record.bits |= LH_RECORD_EXPORTED;
  if (queue.need_resched) record.bits |= LH_RECORD_NEED_RESCHED;
  if (curr.delayed) record.bits |= LH_RECORD_CURR_DELAYED;
  if (curr.kernel) record.bits |= LH_RECORD_CURR_KERNEL;
  record.nr_running = queue.nr_running;
  record.delayed = queue.delayed;
  record.curr = queue.curr;
  record.curr_prio = curr.prio;
  if (queue.exported) {
    record.word = queue.word;
    record.count = queue.count;
    std::copy(queue.ring.begin(), queue.ring.end(), record.departed);
  }
  return record;
}

lh_record_task Scheduler::Describe(std::int32_t pid, bool locked) const {
  const Thread& thread = threads_.at(pid);
  lh_record_task task = {};
  task.pid = pid;
  task.prio = thread.prio;
  if (thread.kernel) task.bits |= LH_RECORD_TASK_KERNEL;
  if (thread.queued) task.bits |= LH_RECORD_TASK_ON_RQ;
  if (thread.delayed) task.bits |= LH_RECORD_TASK_DELAYED;
  task.endpoint = thread.endpoint;
  if (thread.endpoint != 0 && locked) task.word = thread.word;
  task.mask = thread.mask;
  return task;
}

void Scheduler::AddMark(unsigned here, lh_mark_what what,
                        std::uint32_t argument, std::uint64_t value,
                        std::int32_t pid) {
  lh_record& record = Add(LH_RECORD_MARK, here);
  record.a = what | std::uint64_t{argument} << 32;
  record.b = value;
  record.task[0] = Describe(pid, false);
}

std::uint64_t Scheduler::Nr(const Cpu& cpu) const {
  return At(std::min(cpu.nr_running - cpu.delayed, 3U), LH_CPU_NR_SHIFT);
}

void Scheduler::Store(unsigned cpu, std::uint64_t word) {
  Cpu& queue = cpus_[cpu];
  const CpuWord old(queue.word);
  word &= ~(kSeq | kDeparted);
  std::uint64_t departed = old.departed;
  if (old.endpoint != 0 && old.endpoint != CpuWord(word).endpoint) {
    departed = (departed + 1) % 256;
    queue.ring[departed % LH_DEPARTED] = old.endpoint;
  }
  word |= At(departed, LH_CPU_DEPARTED_SHIFT);
  if (word == (queue.word & ~kSeq)) return;
  queue.word = word | (At(++queue.count, LH_CPU_SEQ_SHIFT) & kSeq);
  lh_record& record = AddLocked(LH_RECORD_CPU_WORD, cpu);
  record.a = queue.word;
  record.b = queue.count;
}

void Scheduler::Publish(unsigned cpu, std::int32_t next, bool flag) {
  const Thread& thread = threads_[next];
  std::uint64_t word = Nr(cpus_[cpu]) | thread.endpoint;
  if (flag) word |= kNeedResched;
  const unsigned mode = next == 0              ? LH_CPU_IDLE
                        : thread.endpoint != 0 ? LH_CPU_BOUND
                        : thread.kernel        ? LH_CPU_KERNEL
                                               : LH_CPU_OTHER;
  const unsigned scheduling_class = next == 0           ? LH_CPU_CLASS_IDLE
                                    : thread.prio < 100 ? LH_CPU_CLASS_REALTIME
                                                        : LH_CPU_CLASS_FAIR;
  Store(cpu, word | At(mode, LH_CPU_MODE_SHIFT) |
                 At(scheduling_class, LH_CPU_CLASS_SHIFT));
}

void Scheduler::PublishNr(unsigned cpu) {
  Store(cpu, (cpus_[cpu].word & ~kNr) | Nr(cpus_[cpu]));
}

void Scheduler::PublishEndpoint(unsigned here, std::int32_t pid,
                                std::uint64_t word) {
  Thread& thread = threads_[pid];
  const std::uint32_t endpoint = thread.endpoint;
  thread.word = word;
  lh_record& record = Add(LH_RECORD_ENDPOINT_WORD, here);
  record.a = word;
  record.b = endpoint - 1;
  record.word = word;
  record.mask = EndpointWord(word).mask != 0 ? thread.table_mask : 0;
  record.task[0] = Describe(pid, false);
}

void Scheduler::SetState(unsigned here, std::int32_t pid, unsigned state) {
  const std::uint64_t old = threads_[pid].word;
  const std::uint64_t word =
      (old & ~kState) | At(state, LH_ENDPOINT_WORD_STATE_SHIFT);
  if (threads_[pid].endpoint != 0 && word != old) {
    PublishEndpoint(here, pid, word);
  }
}

void Scheduler::ChangeNr(unsigned cpu, int change) {
  cpus_[cpu].nr_running += static_cast<std::uint32_t>(change);
  AddLocked(LH_RECORD_NR_RUNNING, cpu).a =
      static_cast<std::uint64_t>(std::int64_t{change});
  PublishNr(cpu);
}

void Scheduler::Switch(unsigned cpu, std::int32_t next, bool asleep) {
  const std::int32_t prev = cpus_[cpu].curr;
  cpus_[cpu].need_resched = false;
  Publish(cpu, next, false);
  if (asleep) SetState(cpu, prev, LH_ENDPOINT_BLOCKED);
  cpus_[cpu].curr = next;
  lh_record& record = AddLocked(LH_RECORD_SWITCH, cpu);
  record.task[0] = Describe(prev, true);
  record.task[1] = Describe(next, true);
}

void Scheduler::Register() {
  step = records.size();
  for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
    cpus_[cpu].exported = true;
    Publish(cpu, cpus_[cpu].curr, false);
  }
}

void Scheduler::Wake(unsigned cpu, std::int32_t pid, bool asks) {
  step = records.size();
  threads_[pid].queued = true;
  ChangeNr(cpu, 1);
  if (asks) Ask(cpu);
  SetState(cpu, pid, LH_ENDPOINT_RUNNABLE);
  AddLocked(LH_RECORD_WAKEUP, cpu).task[0] = Describe(pid, true);
}

void Scheduler::Sleep(unsigned cpu, std::int32_t next) {
  step = records.size();
  threads_[cpus_[cpu].curr].queued = false;
  ChangeNr(cpu, -1);
  Switch(cpu, next, true);
}

void Scheduler::SleepDelayed(unsigned cpu, std::int32_t next) {
  step = records.size();
  threads_[cpus_[cpu].curr].delayed = true;
  ++cpus_[cpu].delayed;
  PublishNr(cpu);
  Switch(cpu, next, true);
}

void Scheduler::Preempt(unsigned cpu, std::int32_t next) {
  step = records.size();
  Switch(cpu, next, false);
}

void Scheduler::WakeDelayed(unsigned cpu, std::int32_t pid) {
  step = records.size();
  threads_[pid].delayed = false;
  --cpus_[cpu].delayed;
  PublishNr(cpu);
  SetState(cpu, pid, LH_ENDPOINT_RUNNABLE);
  AddLocked(LH_RECORD_WAKEUP, cpu).task[0] = Describe(pid, true);
}

void Scheduler::Ask(unsigned cpu) {
  Store(cpu, cpus_[cpu].word | kNeedResched);
  cpus_[cpu].need_resched = true;
}

void Scheduler::PickAgain(unsigned cpu) {
  cpus_[cpu].need_resched = false;
  Store(cpu, cpus_[cpu].word & ~kFlags);
}

void Scheduler::Bind(unsigned cpu, std::uint32_t endpoint,
                     std::uint32_t generation) {
  step = records.size();
  const std::int32_t pid = cpus_[cpu].curr;
  AddMark(cpu, LH_MARK_BIND, endpoint, generation, pid);
  threads_[pid].endpoint = endpoint + 1;
  PublishEndpoint(cpu, pid,
                  At(++bindings_, LH_ENDPOINT_WORD_THREAD_SHIFT) |
                      At(generation, LH_ENDPOINT_WORD_GENERATION_SHIFT) |
                      At(LH_ENDPOINT_RUNNABLE, LH_ENDPOINT_WORD_STATE_SHIFT));
  Publish(cpu, pid, cpus_[cpu].need_resched);
  AddMark(cpu, LH_MARK_BOUND, 0, 0, pid);
}

void Scheduler::Release(unsigned cpu, unsigned state) {
  const std::int32_t pid = cpus_[cpu].curr;
  Thread& thread = threads_[pid];
  const std::uint32_t endpoint = thread.endpoint;
  thread.endpoint = 0;
  Publish(cpu, pid, cpus_[cpu].need_resched);
  thread.endpoint = endpoint;
  PublishEndpoint(cpu, pid,
                  (thread.word & ~(kState | kMask)) |
                      At(state, LH_ENDPOINT_WORD_STATE_SHIFT));
  thread.endpoint = 0;
}

void Scheduler::Unbind(unsigned cpu) {
  step = records.size();
  const std::int32_t pid = cpus_[cpu].curr;
  AddMark(cpu, LH_MARK_UNBIND, 0, 0, pid);
  Release(cpu, LH_ENDPOINT_UNBOUND);
  AddMark(cpu, LH_MARK_UNBOUND, 0, 0, pid);
}

void Scheduler::SetMask(std::int32_t pid, std::uint64_t cpus,
                        std::uint32_t name) {
  step = records.size();
  threads_[pid].mask = cpus;
  threads_[pid].table_mask = cpus;
  PublishEndpoint(0, pid, (threads_[pid].word & ~kMask) | name);
}

void Scheduler::Exit(unsigned cpu) {
  step = records.size();
  const std::int32_t pid = cpus_[cpu].curr;
  if (threads_[pid].endpoint != 0) Release(cpu, LH_ENDPOINT_DEAD);
  Add(LH_RECORD_EXIT, cpu).task[0] = Describe(pid, false);
}

void Scheduler::Fork(std::int32_t child) {
  step = records.size();
  Add(LH_RECORD_FORK, 0).task[0] = Describe(child, false);
}

void Scheduler::Offline(unsigned cpu) {
  step = records.size();
  AddMark(0, LH_MARK_HOTPLUG, cpu, 0, 0);
  Store(cpu, 0);
  cpus_[cpu].exported = false;
  Add(LH_RECORD_CPU_DOWN, cpu).a = cpu;
  AddMark(0, LH_MARK_HOTPLUGGED, cpu, 0, 0);
}

void Scheduler::Online(unsigned cpu) {
  step = records.size();
  AddMark(0, LH_MARK_HOTPLUG, cpu, 1, 0);
  Add(LH_RECORD_CPU_UP, cpu).a = cpu;
  cpus_[cpu].exported = true;
  Publish(cpu, cpus_[cpu].curr, false);
  AddMark(0, LH_MARK_HOTPLUGGED, cpu, 1, 0);
}

}  // namespace lauberhorn::trace
