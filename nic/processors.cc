// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/processors.h"

#include <algorithm>

#include "abi/host/types.h"

namespace lauberhorn::nic {
namespace {

// Of so many endpoints each look reads the word, to find dead threads.
constexpr std::uint32_t kWordsPerLook = 4;

// So long a CPU is taken to be on its way to a RUN, and not asked again if it
// refused one.
constexpr Nanos kPromise = kMillisecond;

// How soon to try again to wake a thread.
constexpr Nanos kRetry = 20 * kMicrosecond;

// Whoever does not go on for so long after it was preempted is kept from it by
// the kernel: throttled, or behind real-time tasks.
constexpr Nanos kGoesOn = 100 * kMillisecond;

// A thread that waits so long, for a process without work, is in the way.
constexpr Nanos kWaitsInVain = 3 * kMicrosecond;

}  // namespace

Processors::Processors(KernelRegion& region, std::uint32_t processes,
                       std::uint64_t epoch, Interrupter& interrupter)
    : region_(region),
      interrupter_(interrupter),
      epoch_(epoch),
      shares_(processes),
      shown_(region.options().cpus),
      endpoints_(region.options().endpoints),
      owners_(processes) {
  for (std::uint32_t cpu = 0; cpu < region.options().cpus; ++cpu) {
    cpus_.push_back(
        {.line = CpuLine(region.cpu(cpu)->state),
         .channel = KernelChannel(region.OutLane(cpu), region.InLane(cpu))});
    cpus_.back().commands.reserve(region.options().slots);
  }
  told_.reserve(processes);
  wanted_.reserve(endpoints_.size());
  preempted_.reserve(endpoints_.size());
  refused_.reserve(endpoints_.size());
  holders_.resize(cpus_.size());
}

void Processors::Attach(const Attachment& process, Process& listener,
                        Counters& counters) {
  owners_[process.process] = {.listener = &listener,
                              .counters = &counters,
                              .first = process.first,
                              .count = process.count,
                              .told = owners_[process.process].told};
  for (std::uint32_t at = 0; at < process.count; ++at) {
    // What CPUs run, and what was asked of the kernel, does not end with an
    // owner.
    Endpoint& endpoint = endpoints_[process.first + at];
    endpoint = {.owner = process.process,
                .generation = process.generation,
                .on_cpus = endpoint.on_cpus,
                .asked = endpoint.asked,
                .wanted = endpoint.wanted,
                .preempted = endpoint.preempted};
  }
  shares_.Begin(process.process, process.weight);
}

void Processors::Detach(std::uint32_t process) {
  Owner& owner = owners_[process];
  for (std::uint32_t at = owner.first; at < owner.first + owner.count; ++at) {
    endpoints_[at].owner = kNone;
  }
  shares_.End(process);
  owner = {.told = owner.told};
}

// Looking.

bool Processors::HasNews() const {
  return std::any_of(cpus_.begin(), cpus_.end(),
                     [](const Cpu& cpu) { return cpu.line.HasNews(); });
}

bool Processors::HasAnswers() const {
  return !refused_.empty() ||
         std::any_of(cpus_.begin(), cpus_.end(), [](const Cpu& cpu) {
           return !cpu.commands.empty() && cpu.channel.HasAnswer();
         });
}

bool Processors::Look(Nanos now) {
  for (const std::uint32_t process : told_) owners_[process].told = false;
  told_.clear();
  bool news = false;
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) {
    if (cpus_[cpu].line.HasNews()) {
      news = true;
      LookAt(cpu, now);
    } else {
      Charge(cpus_[cpu].seen, now - cpus_[cpu].charged);
      cpus_[cpu].charged = now;
    }
  }
  // After the lines: a thread that answered this RUN, and left, was seen.
  for (std::uint32_t cpu = 0; outstanding_ > 0 && cpu < cpus_.size(); ++cpu) {
    news = TakeAnswers(cpu, now) || news;
  }
  TellRefusedCalls(now);
  ++looks_;
  FindDead(now);
  FindPreempted(now);
  return news;
}

std::uint32_t Processors::EndpointOf(std::uint32_t plus_one) const {
  const bool known = plus_one > 0 && plus_one <= endpoints_.size() &&
                     endpoints_[plus_one - 1].owner != kNone;
  return known ? plus_one - 1 : kNone;
}

Processors::Process& Processors::ListenerOf(std::uint32_t endpoint) {
  const std::uint32_t process = endpoints_[endpoint].owner;
  Owner& owner = owners_[process];
  if (!owner.told) told_.push_back(process);
  owner.told = true;
  return *owner.listener;
}

void Processors::LookAt(std::uint32_t number, Nanos now) {
  Cpu& cpu = cpus_[number];
  const bool told = cpu.line.Look();
  const CpuWord& word = cpu.line.word();
  const std::uint32_t came =
      word.mode == LH_CPU_BOUND ? EndpointOf(word.endpoint) : kNone;
  ChargeThoseOf(cpu, told, came, now);
  if (cpu.seen != kNone) --endpoints_[cpu.seen].on_cpus;
  if (came != kNone) {
    ++endpoints_[came].on_cpus;
    endpoints_[came].last_cpu = number;
  }
  cpu.seen = came;
  if (!cpu.line.left().empty()) cpu.left = EndpointOf(cpu.line.left().back());
  shown_[number].Set(came == kNone ? 0 : std::uint64_t{came} + 1);
  cpu.promised = 0;
  if (told) {
    for (const std::uint32_t plus_one : cpu.line.left()) {
      const std::uint32_t left = EndpointOf(plus_one);
      if (left != kNone) OnLeft(left, now);
    }
  } else {
    // Not only those that were seen here: who came and left within the gap
    // never was.
    for (std::uint32_t at = 0; at < endpoints_.size(); ++at) {
      if (endpoints_[at].owner != kNone) OnLeft(at, now);
    }
  }
  if (came == kNone) return;
  Endpoint& endpoint = endpoints_[came];
  endpoint.slept = kAwake;
  endpoint.refused_until = 0;
  ListenerOf(came).OnCame(came, now);
}

void Processors::OnLeft(std::uint32_t endpoint, Nanos now) {
  Endpoint& entry = endpoints_[endpoint];
  entry.slept = kAwake;
  if (!entry.preempted) preempted_.push_back(endpoint);
  entry.preempted = true;
  entry.left_at = now;
  ListenerOf(endpoint).OnLeft(endpoint, now);
}

// Rule 27. Their words are read at each look: that a thread left for want of
// work may be said after the line.
void Processors::FindPreempted(Nanos now) {
  shares_.ForgetPreempted();
  std::size_t kept = 0;
  for (const std::uint32_t endpoint : preempted_) {
    Endpoint& entry = endpoints_[endpoint];
    entry.preempted = GoesOn(endpoint) && now < entry.left_at + kGoesOn;
    if (!entry.preempted) continue;
    preempted_[kept++] = endpoint;
    if (entry.waits_since == kNever) shares_.SetPreempted(entry.owner);
  }
  preempted_.resize(kept);
}

bool Processors::GoesOn(std::uint32_t endpoint) const {
  return endpoints_[endpoint].owner != kNone &&
         endpoints_[endpoint].on_cpus == 0 &&
         StateOf(endpoint) == LH_ENDPOINT_RUNNABLE;
}

void Processors::Charge(std::uint32_t endpoint, Nanos time) {
  if (endpoint == kNone || endpoints_[endpoint].owner == kNone ||
      endpoints_[endpoint].waits_since != kNever) {
    return;
  }
  shares_.Charge(endpoints_[endpoint].owner, time);
}

// Rule 26: those that left since the last look, and who runs there now, in
// equal parts, as nobody says when they changed.
void Processors::ChargeThoseOf(Cpu& cpu, bool told, std::uint32_t came,
                               Nanos now) {
  const Nanos time = now - cpu.charged;
  cpu.charged = now;
  if (!told) return Charge(cpu.seen, time);
  const Nanos count = cpu.line.left().size() + (came == kNone ? 0 : 1);
  for (const std::uint32_t plus_one : cpu.line.left()) {
    Charge(EndpointOf(plus_one), time / count);
  }
  if (came != kNone) Charge(came, time / count);
}

std::uint32_t Processors::StateOf(std::uint32_t endpoint) const {
  constexpr std::uint32_t kGeneration =
      (1u << LH_ENDPOINT_WORD_GENERATION_BITS) - 1;
  const EndpointWord word = WordOf(endpoint);
  return word.generation == (endpoints_[endpoint].generation & kGeneration)
             ? word.state
             : static_cast<std::uint32_t>(LH_ENDPOINT_UNBOUND);
}

// A few at each look: a death may be published after the line that says that
// the thread left.
void Processors::FindDead(Nanos now) {
  for (std::uint32_t count = 0; count < kWordsPerLook; ++count) {
    if (++next_word_ >= endpoints_.size()) next_word_ = 0;
    Endpoint& entry = endpoints_[next_word_];
    if (entry.owner == kNone || entry.on_cpus > 0 || !IsDead(next_word_)) {
      continue;
    }
    const std::uint32_t thread = WordOf(next_word_).thread;
    if (entry.buried == thread) continue;
    entry.buried = thread;
    OnLeft(next_word_, now);
  }
}

// Asking.

bool Processors::MayRun(std::uint32_t endpoint, bool parked) {
  Endpoint& entry = endpoints_[endpoint];
  if (entry.asked != kNone) return false;
  if (!parked && StateOf(endpoint) != LH_ENDPOINT_PARKED) {
    entry.slept = kAwake;
    return false;
  }
  // It slept before the last look, and nothing was seen of it since.
  if (entry.slept < looks_) return true;
  entry.slept = HasNews() ? looks_ : looks_ - 1;
  return entry.slept < looks_;
}

bool Processors::MayAsk(std::uint32_t endpoint, std::uint32_t number,
                        Nanos now) const {
  const Cpu& cpu = cpus_[number];
  const Endpoint& entry = endpoints_[endpoint];
  if (cpu.line.word().mode == LH_CPU_OFFLINE ||
      cpu.commands.size() == region_.options().slots ||
      !cpu.channel.HasRoom() ||
      (now < entry.refused_until && (entry.refused >> number % 64 & 1) != 0)) {
    return false;
  }
  const std::uint32_t mask = WordOf(endpoint).mask;
  constexpr std::uint32_t kMaskBits = sizeof(lh_cpu_mask::bits) * 8;
  if (mask == 0 || mask > region_.options().masks || number >= kMaskBits) {
    return true;
  }
  const __u64* const bits = region_.mask(mask - 1)->bits;
  return (__atomic_load_n(&bits[number / 64], __ATOMIC_ACQUIRE) >> number % 64 &
          1) != 0;
}

std::uint32_t Processors::FreeCpu(std::uint32_t endpoint, Nanos now) const {
  std::uint32_t best = kNone;
  std::uint32_t best_cost = ~0u;
  bool any = false;
  for (std::uint32_t number = 0; number < cpus_.size(); ++number) {
    const Cpu& cpu = cpus_[number];
    const CpuWord& word = cpu.line.word();
    any = any || word.mode != LH_CPU_OFFLINE;
    if (now < cpu.promised) continue;
    // Who waits where the NIC runs goes on to do so; if nobody does, it is
    // idle when the NIC sleeps.
    const bool own = number == own_cpu_ && word.mode == LH_CPU_OTHER;
    const std::uint32_t holder = own ? HolderOf(cpu) : cpu.seen;
    // One that waits there needs no interrupt; one that a thread waits on has
    // to change hands.
    std::uint32_t cost;
    if (word.mode == LH_CPU_IDLE_WAIT) {
      cost = 0;
    } else if (word.mode == LH_CPU_IDLE || (own && word.nr == 1)) {
      cost = 2;
    } else if (holder != kNone && !SameOwner(holder, endpoint) &&
               endpoints_[holder].waits_since != kNever &&
               endpoints_[holder].waits_since + kWaitsInVain <= now &&
               shares_.MayTake(endpoints_[endpoint].owner)) {
      cost = 4;
    } else {
      continue;
    }
    if ((word.flags & LH_CPU_FLAG_FORCED_IDLE) != 0) continue;
    if (endpoints_[endpoint].last_cpu != number) ++cost;
    if (cost >= best_cost || !MayAsk(endpoint, number, now)) continue;
    best = number;
    best_cost = cost;
  }
  if (any || now < endpoints_[endpoint].refused_until) return best;
  return kByCall;
}

std::uint32_t Processors::HolderOf(const Cpu& cpu) const {
  if (cpu.seen != kNone || cpu.left == kNone) return cpu.seen;
  return GoesOn(cpu.left) ? cpu.left : kNone;
}

std::uint32_t Processors::CpuToTake(std::uint32_t endpoint, Nanos now) {
  if (!shares_.MayTake(endpoints_[endpoint].owner)) return kNone;
  std::uint32_t other = kNone;
  for (std::uint32_t number = 0; number < cpus_.size(); ++number) {
    const Cpu& cpu = cpus_[number];
    const CpuWord& word = cpu.line.word();
    holders_[number] = kNone;
    if (word.scheduling_class != LH_CPU_CLASS_FAIR || now < cpu.promised ||
        !MayAsk(endpoint, number, now)) {
      continue;
    }
    const std::uint32_t holder = HolderOf(cpu);
    if (holder != kNone) {
      holders_[number] = endpoints_[holder].owner;
    } else if (other == kNone || word.nr < cpus_[other].line.word().nr) {
      other = number;
    }
  }
  const std::uint32_t taken =
      shares_.FurthestAhead(holders_, endpoints_[endpoint].owner);
  if (taken != CpuShares::kNone) return taken;
  // That of others is nobody's: in the order in which the free ones are given.
  return shares_.Next(now) == endpoints_[endpoint].owner ? other : kNone;
}

std::uint32_t Processors::AnyCpu(std::uint32_t endpoint, Nanos now) const {
  const std::uint32_t free = FreeCpu(endpoint, now);
  if (free != kNone) return free;
  const std::uint32_t last = endpoints_[endpoint].last_cpu;
  if (last != kNone && MayAsk(endpoint, last, now)) return last;
  for (std::uint32_t number = 0; number < cpus_.size(); ++number) {
    if (MayAsk(endpoint, number, now)) return number;
  }
  return kNone;
}

void Processors::Ask(std::uint8_t kind, std::uint32_t endpoint,
                     std::uint32_t number, Nanos now) {
  if (number == kByCall) return AskByCall(endpoint);
  Cpu& cpu = cpus_[number];
  Endpoint& entry = endpoints_[endpoint];
  Counters& counters = *owners_[entry.owner].counters;
  ++command_;
  if (!cpu.channel.Put({.kind = kind,
                        .number = command_,
                        .epoch = epoch_,
                        .endpoint = lh_handle(endpoint, entry.generation),
                        .cpu = number})) {
    // There was room; a kernel that takes it away is as one that says nothing.
    return;
  }
  cpu.commands.push_back({.number = command_, .endpoint = endpoint});
  ++outstanding_;
  entry.asked = number;
  cpu.promised = now + kPromise;
  answers_until_ = now + kPromise;
  (kind == LH_KIND_PREEMPT ? counters.preempts : counters.runs).Add();
  // Rule 5: a CPU that leaves its wait says so, passes a fence, and looks.
  lh_heavy_fence(0);
  if (cpu.line.ReadWord().mode == LH_CPU_IDLE_WAIT) return;
  counters.interrupts.Add();
  interrupter_.Interrupt(number);
}

// It is answered at once; the dispatcher that asks is told at the next look.
void Processors::AskByCall(std::uint32_t endpoint) {
  Endpoint& entry = endpoints_[endpoint];
  owners_[entry.owner].counters->runs.Add();
  if (interrupter_.RunByCall(endpoint, entry.generation)) {
    entry.waking = false;
  } else if (refused_.size() < refused_.capacity()) {
    refused_.push_back(endpoint);
  }
}

void Processors::TellRefusedCalls(Nanos now) {
  for (const std::uint32_t endpoint : refused_) {
    Endpoint& entry = endpoints_[endpoint];
    entry.waking = false;
    if (entry.owner == kNone) continue;
    entry.refused_until = now + kPromise;
    owners_[entry.owner].counters->runs_refused.Add();
    ListenerOf(endpoint).OnRefused(endpoint, now);
  }
  refused_.clear();
}

void Processors::Wake(std::uint32_t endpoint) {
  if (endpoints_[endpoint].wanted) return;
  endpoints_[endpoint].wanted = true;
  wanted_.push_back(endpoint);
}

void Processors::Flush(Nanos now) {
  std::size_t kept = 0;
  for (const std::uint32_t endpoint : wanted_) {
    Endpoint& entry = endpoints_[endpoint];
    const std::uint32_t cpu = entry.owner == kNone || entry.asked != kNone
                                  ? kNone
                                  : AnyCpu(endpoint, now);
    if (entry.owner != kNone && cpu == kNone) {
      wanted_[kept++] = endpoint;
      continue;
    }
    entry.wanted = false;
    if (cpu == kNone) continue;
    entry.waking = true;
    Ask(LH_KIND_RUN, endpoint, cpu, now);
  }
  wanted_.resize(kept);
}

Nanos Processors::Next(Nanos now) const {
  if (outstanding_ > 0 && now < answers_until_) return now;
  return wanted_.empty() ? kNever : now + kRetry;
}

// Answers.

bool Processors::TakeAnswers(std::uint32_t number, Nanos now) {
  Cpu& cpu = cpus_[number];
  bool any = false;
  KernelAnswer answer;
  while (!cpu.commands.empty() && cpu.channel.Collect(&answer)) {
    any = true;
    const auto command = std::find_if(
        cpu.commands.begin(), cpu.commands.end(),
        [&](const Command& one) { return one.number == answer.number; });
    if (command == cpu.commands.end()) continue;
    const std::uint32_t endpoint = command->endpoint;
    *command = cpu.commands.back();
    cpu.commands.pop_back();
    --outstanding_;
    OnAnswer(endpoint, number, answer.code, now);
  }
  return any;
}

void Processors::OnAnswer(std::uint32_t endpoint, std::uint32_t cpu,
                          std::uint64_t code, Nanos now) {
  Endpoint& entry = endpoints_[endpoint];
  const bool waking = entry.waking;
  entry.asked = kNone;
  entry.waking = false;
  if (entry.owner == kNone) return;
  Counters& counters = *owners_[entry.owner].counters;
  if (code == LH_ANSWER_DONE) return;
  if (code == LH_ANSWER_EARLY) return counters.runs_early.Add();
  cpus_[cpu].promised = 0;
  (code == LH_ANSWER_STALE ? counters.runs_stale : counters.runs_refused).Add();
  if (code == LH_ANSWER_NOT_ALLOWED || code == LH_ANSWER_OFFLINE) {
    if (entry.refused_until <= now) entry.refused = 0;
    entry.refused |= std::uint64_t{1} << cpu % 64;
    entry.refused_until = now + kPromise;
    if (waking) Wake(endpoint);
  }
  ListenerOf(endpoint).OnRefused(endpoint, now);
}

}  // namespace lauberhorn::nic
