// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulated_kernel.h"

#include <algorithm>
#include <utility>

#include "abi/host/channel_user.h"

namespace lauberhorn::nic::testing {
namespace {

constexpr std::uint64_t kEpoch = 5;
constexpr std::uint32_t kMasks = 8;

// Between two steps of the kernel, at most.
constexpr Nanos kStep = 3 * kMicrosecond;
// The flight of an interrupt.
constexpr Nanos kFlight = 2 * kMicrosecond;

}  // namespace

KernelMistake MistakeOf(absl::string_view name) {
#define LAUBERHORN_MISTAKE(mistake, meaning) \
  if (name == #mistake) return KernelMistake::mistake;
  LAUBERHORN_KERNEL_MISTAKES(LAUBERHORN_MISTAKE)
#undef LAUBERHORN_MISTAKE
  return KernelMistake::kNone;
}

SimulatedKernel::SimulatedKernel(Simulation& simulation, const Options& options)
    : simulation_(simulation),
      options_(options),
      memory_({.cpus = options.cpus,
               .endpoints = options.processes * options.endpoints,
               .masks = kMasks,
               .slots = options.slots}),
      side_(memory_.region()),
      processors_(memory_.region(), options.processes, kEpoch, *this),
      threads_(options.processes * options.endpoints),
      cpus_(options.cpus) {
  // The first mask is of CPU 0, the next of CPU 1, and so on.
  for (std::uint32_t mask = 0; mask < kMasks; ++mask) {
    side_.SetMask(mask, std::uint64_t{1} << mask % options.cpus);
  }
  for (std::uint32_t cpu = 0; cpu < options.cpus; ++cpu) GoIdle(cpu);
}

SimulatedKernel::~SimulatedKernel() {
  for (SimulatedHost* const host : hosts_) {
    if (host->up()) host->Crash();
  }
}

// Processes and threads.

Processors::Attachment SimulatedKernel::Attach(SimulatedHost& host) {
  if (std::find(hosts_.begin(), hosts_.end(), &host) == hosts_.end()) {
    hosts_.push_back(&host);
  }
  const std::uint32_t first = EndpointOf(host, 0);
  for (std::uint32_t at = first; at < first + options_.endpoints; ++at) {
    ++threads_[at].generation;
    threads_[at].host = &host;
    SetWord(at, LH_ENDPOINT_UNBOUND);
  }
  return {.process = first / options_.endpoints,
          .first = first,
          .count = host.options().region.endpoints,
          .generation = threads_[first].generation,
          .weight = host.options().weight};
}

void SimulatedKernel::Crash(SimulatedHost& host) {
  const std::uint32_t first = EndpointOf(host, 0);
  for (std::uint32_t at = first; at < first + options_.endpoints; ++at) {
    if (threads_[at].thread != nullptr) End(*threads_[at].thread);
  }
}

std::uint32_t SimulatedKernel::EndpointOf(const SimulatedHost& host,
                                          std::uint32_t endpoint) const {
  return (host.number() - 1u) * options_.endpoints + endpoint;
}

std::uint32_t SimulatedKernel::EndpointOf(const SimulatedThread& thread) const {
  for (std::uint32_t at = 0; at < threads_.size(); ++at) {
    if (threads_[at].thread == &thread) return at;
  }
  return kNobody;
}

void SimulatedKernel::Begin(SimulatedHost& host, SimulatedThread& thread) {
  if (thread.endpoint() == SimulatedThread::kUnbound) return;
  const std::uint32_t endpoint = EndpointOf(host, thread.endpoint());
  // It may be the last one that begins it, as its last deed.
  if (threads_[endpoint].thread != nullptr) End(*threads_[endpoint].thread);
  const Thread before = threads_[endpoint];
  threads_[endpoint] = {.host = &host,
                        .thread = &thread,
                        .state = kRunnable,
                        .number = ++bindings_,
                        .generation = before.generation,
                        .change = before.change + 1};
  MakeRunnable(endpoint, random().Below(options_.cpus));
}

void SimulatedKernel::End(SimulatedThread& thread) {
  const std::uint32_t endpoint = EndpointOf(thread);
  if (endpoint == kNobody) return;
  Thread& entry = threads_[endpoint];
  const std::uint32_t cpu = entry.state == kOnCpu ? entry.cpu : kNobody;
  entry.state = kDead;
  entry.thread = nullptr;
  ++entry.change;
  runnable_.erase(std::remove(runnable_.begin(), runnable_.end(), endpoint),
                  runnable_.end());
  if (cpu != kNobody) Schedule(cpu);
  Later(10 * kStep, entry,
        [this, endpoint] { SetWord(endpoint, LH_ENDPOINT_DEAD); });
}

bool SimulatedKernel::MayRun(const SimulatedThread& thread) const {
  if (thread.endpoint() == SimulatedThread::kUnbound) return true;
  const std::uint32_t endpoint = EndpointOf(thread);
  return endpoint != kNobody && threads_[endpoint].state == kOnCpu &&
         !threads_[endpoint].parking;
}

void SimulatedKernel::Ran(SimulatedThread& thread, Nanos next) {
  const std::uint32_t endpoint = EndpointOf(thread);
  if (endpoint == kNobody) return;
  Thread& entry = threads_[endpoint];
  if (entry.state != kOnCpu || thread.sleeps_on() == nullptr) return;
  entry.parking = true;
  entry.checked = entry.woken = false;
  ++entry.change;
  Later(kStep, entry, [this, endpoint] { Park(endpoint); });
  if (next == kNever) return;
  // A wait with an end.
  simulation_.At(next, [this, endpoint, number = entry.number] {
    const Thread& late = threads_[endpoint];
    if (late.number == number && late.thread != nullptr &&
        late.thread->sleeps_on() != nullptr) {
      WakeUp(endpoint, late.cpu);
    }
  });
}

void SimulatedKernel::SetWord(std::uint32_t endpoint, lh_endpoint_state state) {
  const Thread& thread = threads_[endpoint];
  side_.SetState(endpoint, state,
                 {.thread = thread.number,
                  .generation = thread.generation,
                  .mask = thread.mask});
}

void SimulatedKernel::SayWhereItMayRun(std::uint32_t endpoint) {
  switch (threads_[endpoint].state) {
    case kRunnable:
    case kOnCpu:
      return SetWord(endpoint, LH_ENDPOINT_RUNNABLE);
    case kBlocked:
      return SetWord(endpoint, LH_ENDPOINT_BLOCKED);
    default:
      return;  // at the next change
  }
}

bool SimulatedKernel::Allowed(const Thread& thread, std::uint32_t cpu) const {
  return thread.mask == 0 || (thread.mask - 1) % options_.cpus == cpu;
}

// The scheduler.

std::uint32_t SimulatedKernel::TakeRunnable(std::uint32_t cpu) {
  for (auto at = runnable_.begin(); at != runnable_.end(); ++at) {
    const Thread& thread = threads_[*at];
    if (thread.held || !Allowed(thread, cpu)) continue;
    const std::uint32_t endpoint = *at;
    runnable_.erase(at);
    return endpoint;
  }
  return kNobody;
}

// Its word says so before a line names it.
void SimulatedKernel::MakeRunnable(std::uint32_t endpoint,
                                   std::uint32_t preferred) {
  Thread& thread = threads_[endpoint];
  thread.state = kRunnable;
  ++thread.change;
  SetWord(endpoint, LH_ENDPOINT_RUNNABLE);
  runnable_.push_back(endpoint);
  if (thread.held) return;
  for (std::uint32_t count = 0; count <= options_.cpus; ++count) {
    const std::uint32_t number = (preferred + count) % options_.cpus;
    if (!IsIdle(cpus_[number]) || !Allowed(thread, number)) continue;
    return simulation_.At(now() + random().Time(kStep), [this, number] {
      IsIdle(cpus_[number]) ? Schedule(number) : SliceAll();
    });
  }
  // One that only waits gives way at once.
  const Cpu& cpu = cpus_[preferred % options_.cpus];
  if (cpu.runs != kNobody && Allowed(thread, preferred % options_.cpus) &&
      threads_[cpu.runs].thread->only_waits()) {
    runnable_.pop_back();
    runnable_.push_front(endpoint);
    return Later(kStep, cpu, [this, number = preferred % options_.cpus] {
      Preempt(number);
    });
  }
  SliceAll();
}

void SimulatedKernel::SliceAll() {
  for (std::uint32_t number = 0; number < options_.cpus; ++number) {
    Slice(number);
  }
}

void SimulatedKernel::Slice(std::uint32_t number) {
  Cpu& cpu = cpus_[number];
  if (cpu.runs == kNobody || cpu.slicing) return;
  cpu.slicing = true;
  simulation_.At(now() + options_.slice, [this, number, change = cpu.change] {
    if (cpus_[number].change == change) Preempt(number);
  });
}

void SimulatedKernel::Tell(std::uint32_t number,
                           const KernelSide::Doing& doing) {
  if (Is(KernelMistake::DEPARTURE_UNTOLD)) side_.ForgetWhoRuns(number);
  side_.Publish(number, doing);
}

void SimulatedKernel::Publish(std::uint32_t number, lh_cpu_mode mode,
                              std::uint32_t endpoint) {
  Cpu& cpu = cpus_[number];
  const bool waited = cpu.mode == LH_CPU_IDLE_WAIT && mode != cpu.mode;
  if (cpu.runs != kNobody) threads_[cpu.runs].left_at = now();
  cpu.mode = mode;
  cpu.runs = endpoint;
  cpu.slicing = false;
  ++cpu.change;
  if (number == nic_cpu_) nic_cpu_ = kNobody;
  Tell(number, DoingOf(cpu));
  if (waited && !Is(KernelMistake::RUN_LOST_ON_LEAVING)) Execute(number);
}

// Who ran there is in no state to go on, or waits for its turn.
void SimulatedKernel::Schedule(std::uint32_t number) {
  const std::uint32_t endpoint = TakeRunnable(number);
  if (endpoint == kNobody) return GoIdle(number);
  SwitchTo(number, endpoint);
}

void SimulatedKernel::SwitchTo(std::uint32_t number, std::uint32_t endpoint) {
  Thread& thread = threads_[endpoint];
  thread.state = kOnCpu;
  thread.cpu = number;
  ++thread.change;
  Publish(number, LH_CPU_BOUND, endpoint);
  if (thread.left_at > 0) thread.thread->Delay(now() - thread.left_at);
  if (!runnable_.empty()) Slice(number);
  if (thread.slept) {
    thread.slept = false;
    Unpark(endpoint);
  } else if (thread.parking) {
    Later(kStep, thread, [this, endpoint] { Park(endpoint); });
  }
  thread.host->RunThreadsAt(now());
}

void SimulatedKernel::Preempt(std::uint32_t number) {
  const std::uint32_t endpoint = cpus_[number].runs;
  if (endpoint == kNobody) return;
  const std::uint32_t next = TakeRunnable(number);
  Thread& thread = threads_[endpoint];
  if (next == kNobody) {
    cpus_[number].slicing = false;
    return;
  }
  thread.state = kRunnable;
  ++thread.change;
  runnable_.push_back(endpoint);
  SwitchTo(number, next);
}

// Somebody else has the CPU for a while, or nobody.
void SimulatedKernel::GiveAway(std::uint32_t number, lh_cpu_mode mode,
                               Nanos most) {
  const std::uint32_t endpoint = cpus_[number].runs;
  Publish(number, mode, kNobody);
  if (mode == LH_CPU_OFFLINE) Execute(number);
  Later(most, cpus_[number], [this, number] { Schedule(number); });
  if (endpoint == kNobody) return;
  threads_[endpoint].state = kRunnable;
  MakeRunnable(endpoint, random().Below(options_.cpus));
}

void SimulatedKernel::GoIdle(std::uint32_t number) {
  Publish(number, LH_CPU_IDLE_WAIT, kNobody);
  Later(options_.idle_wait, cpus_[number],
        [this, number] { Publish(number, LH_CPU_IDLE, kNobody); });
}

// Parks and wakes.

// State set: a RUN that is remembered ends the wait; else one more look.
void SimulatedKernel::Park(std::uint32_t endpoint) {
  Thread& thread = threads_[endpoint];
  const __u64* const word = thread.thread->sleeps_on();
  const bool again =
      thread.remembered || lh_state(lh_load_acquire(word)) != LH_PARKED;
  if (again && !Is(KernelMistake::PARK_WITHOUT_RECHECK)) {
    thread.remembered = false;
    return Unpark(endpoint);
  }
  thread.checked = true;
  Later(kStep, thread, [this, endpoint] { Sleep(endpoint); });
}

void SimulatedKernel::Sleep(std::uint32_t endpoint) {
  Thread& thread = threads_[endpoint];
  if (thread.woken) {
    thread.woken = false;
    return Unpark(endpoint);
  }
  thread.state = kAsleep;
  thread.parking = false;
  ++thread.change;
  Schedule(thread.cpu);
  if (thread.state != kAsleep || Is(KernelMistake::PARKED_UNTOLD)) return;
  Later(kStep, thread,
        [this, endpoint] { SetWord(endpoint, LH_ENDPOINT_PARKED); });
}

// On its CPU: the wait ends.
void SimulatedKernel::Unpark(std::uint32_t endpoint) {
  Thread& thread = threads_[endpoint];
  thread.parking = false;
  ++thread.change;
  thread.thread->Wake(thread.thread->sleeps_on(), now());
  thread.host->RunThreadsAt(now());
}

void SimulatedKernel::WakeUp(std::uint32_t endpoint, std::uint32_t cpu) {
  Thread& thread = threads_[endpoint];
  if (thread.state == kAsleep) {
    thread.slept = true;
    MakeRunnable(endpoint, cpu);
  } else if (!Is(KernelMistake::EARLY_RUN_REFUSED)) {
    (thread.parking && thread.checked ? thread.woken : thread.remembered) =
        true;
  }
}

// Commands.

void SimulatedKernel::Interrupt(std::uint32_t cpu) {
  simulation_.At(now() + random().Time(kFlight), [this, cpu] { Execute(cpu); });
}

void SimulatedKernel::Execute(std::uint32_t cpu) {
  KernelCommand command;
  while (side_.TakeCommand(cpu, &command)) {
    lh_kernel_answer answer = Judge(cpu, command);
    if (Is(KernelMistake::REFUSED_AS_DONE)) answer = LH_ANSWER_DONE;
    if (Is(KernelMistake::ANSWER_MISSING) && random().OneIn(8)) continue;
    (void)side_.Answer(cpu, command.number, answer);
  }
}

lh_kernel_answer SimulatedKernel::Judge(std::uint32_t cpu,
                                        const KernelCommand& command) {
  const std::uint32_t endpoint = lh_handle_index(command.endpoint);
  if (command.epoch != kEpoch || endpoint >= threads_.size() ||
      lh_handle_generation(command.endpoint) != threads_[endpoint].generation) {
    return LH_ANSWER_STALE;
  }
  const Thread& thread = threads_[endpoint];
  if (thread.state == kDead || thread.state == kNoThread) {
    return LH_ANSWER_DEAD;
  }
  if (cpus_[cpu].mode == LH_CPU_OFFLINE) return LH_ANSWER_OFFLINE;
  if (!Allowed(thread, cpu) && random().OneIn(2)) return LH_ANSWER_NOT_ALLOWED;
  const bool asleep = thread.state == kAsleep;
  WakeUp(endpoint, cpu);
  if (asleep) ++woken_;
  if (command.kind == LH_KIND_PREEMPT && random().OneIn(2)) {
    Later(10 * kStep, cpus_[cpu], [this, cpu] { Preempt(cpu); });
  }
  return asleep || thread.woken ? LH_ANSWER_DONE : LH_ANSWER_EARLY;
}

// The kernel has not decided anything: who was there goes on.
void SimulatedKernel::BeginTurn() {
  if (!options_.nic_is_here || nic_cpu_ != kNobody) return;
  const std::uint32_t number = random().Below(options_.cpus);
  const Cpu& cpu = cpus_[number];
  if (cpu.runs == kNobody && !IsIdle(cpu)) {
    return processors_.SetOwnCpu(Processors::kNone);
  }
  nic_cpu_ = number;
  Tell(number, {.mode = LH_CPU_OTHER, .nr = cpu.runs == kNobody ? 1u : 2u});
  if (cpu.mode == LH_CPU_IDLE_WAIT) Execute(number);
  processors_.SetOwnCpu(number);
  simulation_.At(now() + 1, [this] { EndTurn(); });
}

void SimulatedKernel::EndTurn() {
  const std::uint32_t number = std::exchange(nic_cpu_, kNobody);
  if (number == kNobody) return;
  Tell(number, DoingOf(cpus_[number]));
  if (random().OneIn(4)) Preempt(number);
}

void SimulatedKernel::BeforeTurn(Nanos now) {
  BeginTurn();
  if (!processors_.Look(now)) return;
  for (SimulatedHost* const host : hosts_) host->RunEngineSoon(now);
}

void SimulatedKernel::AfterTurn(Nanos now) {
  processors_.Flush(now);
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) {
    if (cpus_[cpu].mode != LH_CPU_IDLE_WAIT || !side_.HasCommand(cpu)) continue;
    Later(kStep, cpus_[cpu], [this, cpu] { Execute(cpu); });
  }
}

}  // namespace lauberhorn::nic::testing
