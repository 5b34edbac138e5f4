/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The scheduler of interleaver.h. One thread: fibers are switched with
// swapcontext(), so nothing here is atomic or locked; the memory model lives in
// the store buffers and the clocks of interleaver_internal.h.

#include "interleaver.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "interleaver_internal.h"

namespace lauberhorn::testing {
namespace {

constexpr size_t kStackSize = size_t{64} * 1024;

thread_local Interleaver* current = nullptr;

// Unwinds the fiber that failed.
struct Stopped {};

// AddressSanitizer marks the frames on a stack, and would take those that never
// returned for ones that are still there.
void ForgetFrames(const char* stack) {
  ASAN_UNPOISON_MEMORY_REGION(stack, kStackSize);
  static_cast<void>(stack);
}

}  // namespace

Interleaver::Interleaver(void* memory, size_t size)
    : memory_(static_cast<char*>(memory)), size_(size) {
  places_ = std::make_unique<Place[]>(size / sizeof(Word));
  for (int i = 0; i < kMostFibers; ++i) {
    fibers_.push_back(std::make_unique<Fiber>());
    fibers_.back()->index = i;
    fibers_.back()->stack = std::make_unique<char[]>(kStackSize);
  }
}

Interleaver::~Interleaver() = default;

Interleaver& Interleaver::Current() { return *current; }

void Interleaver::Spawn(std::string name, std::function<void()> body) {
  if (fiber_count_ == kMostFibers) std::abort();
  Fiber& fiber = *fibers_[static_cast<size_t>(fiber_count_++)];
  fiber.name = std::move(name);
  fiber.body = std::move(body);
}

void Interleaver::Name(const Word* address, std::string name) {
  names_[address] = std::move(name);
}

// ---------------------------------------------------------------------------
// Steps: a fiber says what it does next and lets the scheduler go on.

void Interleaver::Body() {
  Interleaver& run = *current;
  Fiber& fiber = *run.fibers_[static_cast<size_t>(run.running_)];
  try {
    fiber.body();
  } catch (const Stopped&) {
    // Its violation ends the schedule.
  }
  Pending done;
  run.Step(done);
}

Word Interleaver::Step(const Pending& pending) {
  Fiber& fiber = *fibers_[static_cast<size_t>(running_)];
  fiber.pending = pending;
  swapcontext(&fiber.context, &fiber.scheduler);
  return fiber.result;
}

Word Interleaver::Load(const Word* address) {
  Pending pending;
  pending.op = Op::kLoad;
  pending.address = const_cast<Word*>(address);
  return Step(pending);
}

Word Interleaver::PlainLoad(const Word* address) {
  Pending pending;
  pending.op = Op::kPlainLoad;
  pending.address = const_cast<Word*>(address);
  return Step(pending);
}

void Interleaver::Store(Word* address, Word value) {
  Pending pending;
  pending.op = Op::kStore;
  pending.address = address;
  pending.value = value;
  Step(pending);
}

void Interleaver::PlainStore(Word* address, Word value) {
  Pending pending;
  pending.op = Op::kPlainStore;
  pending.address = address;
  pending.value = value;
  Step(pending);
}

bool Interleaver::Cas(Word* address, Word expected, Word value) {
  Pending pending;
  pending.op = Op::kCas;
  pending.address = address;
  pending.expected = expected;
  pending.value = value;
  return Step(pending) != 0;
}

void Interleaver::LightFence(bool asymmetric) {
  if (asymmetric || options_.fault == Fault::kNoLightFence) return;
  Pending pending;
  pending.op = Op::kFence;
  Step(pending);
}

void Interleaver::HeavyFence(bool asymmetric) {
  if (options_.fault == Fault::kNoHeavyFence) return;
  Pending pending;
  pending.op = Op::kFence;
  Step(pending);
  if (!asymmetric || options_.fault == Fault::kHeavyFenceReachesSelf) return;
  pending.op = Op::kHeavyBegin;
  Step(pending);
}

bool Interleaver::Sleep(const Word* address, Word value, bool may_leave) {
  Pending pending;
  pending.op = Op::kSleep;
  pending.address = const_cast<Word*>(address);
  pending.value = value;
  pending.may_leave = may_leave;
  return Step(pending) != 0;
}

void Interleaver::Wake(const Word* address) {
  if (options_.fault == Fault::kWakeIsLost) return;
  Pending pending;
  pending.op = Op::kWake;
  pending.address = const_cast<Word*>(address);
  Step(pending);
}

void Interleaver::Ring() {
  if (options_.fault == Fault::kRingIsLost) return;
  Pending pending;
  pending.op = Op::kRing;
  Step(pending);
}

void Interleaver::AwaitRing() {
  Pending pending;
  pending.op = Op::kAwaitRing;
  Step(pending);
}

void Interleaver::Await(std::initializer_list<Condition> conditions) {
  Pending pending;
  pending.op = Op::kAwait;
  if (conditions.size() > pending.conditions.size()) std::abort();
  for (const Condition& condition : conditions) {
    pending.conditions[pending.condition_count++] = condition;
  }
  Step(pending);
}

void Interleaver::OnEdge(int edge, const Word* address, Word old, Word value) {
  scenario_->OnEdge(*this, running_, edge, address, old, value);
}

void Interleaver::Fail(std::string violation) {
  if (violation_.empty()) violation_ = std::move(violation);
  if (running_ < 0) return;
  ForgetFrames(fibers_[static_cast<size_t>(running_)]->stack.get());
  throw Stopped();
}

// ---------------------------------------------------------------------------
// Moving.

void Interleaver::Resume(Fiber& fiber, Word result) {
  fiber.result = result;
  running_ = fiber.index;
  swapcontext(&fiber.scheduler, &fiber.context);
  running_ = -1;
}

void Interleaver::Commit(int fiber, Word* address, Word value) {
  const Word old = *address;
  *address = value;
  scenario_->OnWrite(*this, fiber, address, old, value);
}

void Interleaver::Flush(Fiber& fiber) {
  const Entry entry = fiber.buffer.front();
  fiber.buffer.pop_front();
  if (entry.publishes) {
    PlaceOf(entry.address).published = entry.clock;
  }
  Commit(fiber.index, entry.address, entry.value);
}

// Two accesses of which one writes must be ordered by release and acquire.
void Interleaver::CheckOrder(const Fiber& fiber, const Word* address,
                             bool write) {
  Place& place = PlaceOf(address);
  const auto self = static_cast<size_t>(fiber.index);
  if (place.writer >= 0 && place.writer != fiber.index &&
      fiber.clock[static_cast<size_t>(place.writer)] < place.written) {
    Fail(fiber.name + (write ? " writes " : " reads ") + Text(address, 0) +
         ", which no release and acquire order after the write by " +
         fibers_[static_cast<size_t>(place.writer)]->name);
  }
  if (!write) {
    place.read[self] = fiber.clock[self];
    return;
  }
  for (int i = 0; i < fiber_count_; ++i) {
    const auto other = static_cast<size_t>(i);
    if (other != self && fiber.clock[other] < place.read[other]) {
      Fail(fiber.name + " writes " + Text(address, 0) +
           ", which no release and acquire order after the read by " +
           fibers_[other]->name);
    }
  }
  place.writer = static_cast<int16_t>(fiber.index);
  place.written = fiber.clock[self];
}

void Interleaver::Perform(Fiber& fiber) {
  Pending& pending = fiber.pending;
  const auto self = static_cast<size_t>(fiber.index);
  const Fault fault = options_.fault;
  const auto acquire = [&](const Place& place) {
    for (size_t i = 0; i < fiber.clock.size(); ++i) {
      fiber.clock[i] = std::max(fiber.clock[i], place.published[i]);
    }
  };
  switch (pending.op) {
    case Op::kLoad:
    case Op::kPlainLoad: {
      const bool own = std::any_of(
          fiber.buffer.begin(), fiber.buffer.end(),
          [&](const Entry& e) { return e.address == pending.address; });
      if (pending.op == Op::kPlainLoad) {
        scenario_->OnAccess(*this, fiber.index, pending.address, false);
        CheckOrder(fiber, pending.address, false);
      } else if (!own && fault != Fault::kLoadIsRelaxed) {
        acquire(PlaceOf(pending.address));
      }
      if (violation_.empty()) {
        Resume(fiber, Visible(fiber.index, pending.address));
      }
      break;
    }
    case Op::kStore:
    case Op::kPlainStore: {
      Entry entry{pending.address, pending.value, pending.op == Op::kStore,
                  fiber.clock, -1};
      if (pending.op == Op::kPlainStore) {
        scenario_->OnAccess(*this, fiber.index, pending.address, true);
        CheckOrder(fiber, pending.address, true);
      } else {
        if (fault == Fault::kStoreIsRelaxed) entry.clock = Clock{};
        ++fiber.clock[self];
      }
      if (fault == Fault::kStoreOvertakes && pending.op == Op::kStore) {
        fiber.buffer.push_front(entry);
      } else {
        fiber.buffer.push_back(entry);
      }
      ++fiber.stores;
      if (violation_.empty()) Resume(fiber, 0);
      break;
    }
    case Op::kCas: {
      Place& place = PlaceOf(pending.address);
      const bool equal = *pending.address == pending.expected ||
                         fault == Fault::kCasIgnoresExpected;
      if (equal) {
        if (fault == Fault::kCasIsRelaxed) {
          place.published = Clock{};
        } else {
          acquire(place);
          place.published = fiber.clock;
        }
        ++fiber.clock[self];
        Commit(fiber.index, pending.address, pending.value);
      }
      if (violation_.empty()) Resume(fiber, equal);
      break;
    }
    case Op::kHeavyBegin:
      fiber.awaited.clear();
      for (int i = 0; i < fiber_count_; ++i) {
        fiber.awaited.push_back(fibers_[static_cast<size_t>(i)]->stores);
      }
      pending.op = Op::kHeavyEnd;
      break;
    case Op::kSleep:
      ++fiber.sleep_number;
      if (*pending.address != pending.value &&
          fault != Fault::kSleepDoesNotLook) {
        Resume(fiber, 1);
        break;
      }
      fiber.awake = false;
      fiber.left = false;
      pending.op = Op::kAsleep;
      break;
    case Op::kAsleep:
      Resume(fiber, !fiber.left);
      break;
    case Op::kWake:
      for (const auto& other : fibers_) {
        if (other->pending.op == Op::kAsleep &&
            other->pending.address == pending.address) {
          other->awake = true;
        }
      }
      Resume(fiber, 0);
      break;
    case Op::kRing:
      rings_ = 1;
      Resume(fiber, 0);
      break;
    case Op::kAwaitRing:
      rings_ = 0;
      Resume(fiber, 0);
      break;
    case Op::kFence:
    case Op::kHeavyEnd:
    case Op::kAwait:
      Resume(fiber, 0);
      break;
    case Op::kDone:
      std::abort();
  }
}

void Interleaver::Execute(int process) {
  Fiber& fiber = *fibers_[static_cast<size_t>(process % kMostFibers)];
  if (process < kMostFibers) {
    Perform(fiber);
  } else if (process < 2 * kMostFibers) {
    Flush(fiber);
  } else {
    if (fiber.pending.op == Op::kAsleep && !fiber.awake &&
        fiber.timers.front().first == fiber.sleep_number) {
      fiber.awake = true;
      fiber.left = true;
    }
    fiber.timers.pop_front();
  }
}

void Interleaver::Reset(Scenario& scenario) {
  scenario_ = &scenario;
  current = this;
  running_ = -1;
  rings_ = 0;
  fiber_count_ = 0;
  violation_.clear();
  trace_.clear();
  std::fill_n(places_.get(), size_ / sizeof(Word), Place{});
  scenario.Start(*this);
  for (int i = 0; i < fiber_count_ && violation_.empty(); ++i) {
    Fiber& fiber = *fibers_[static_cast<size_t>(i)];
    fiber.buffer.clear();
    fiber.flushes.clear();
    fiber.timers.clear();
    fiber.stores = 0;
    fiber.awake = true;
    fiber.sleep_number = 0;
    fiber.clock = Clock{};
    fiber.clock[static_cast<size_t>(i)] = 1;
    ForgetFrames(fiber.stack.get());
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackSize;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Interleaver::Body, 0);
    Resume(fiber, 0);  // to its first step
  }
}

// Returns false if the schedule was cut.
bool Interleaver::RunSchedule(Scenario& scenario, ScheduleSearch& search) {
  search.Begin();
  Reset(scenario);
  for (int steps = 0; violation_.empty(); ++steps) {
    if (!Enabled()) break;
    if (steps == options_.most_steps) {
      Fail("does not end in " + std::to_string(steps) + " steps");
      break;
    }
    const int process = search.Choose(*this);
    if (process < 0) return false;
    if (traced_) trace_ += Describe(process) + "\n";
    Fiber& fiber = *fibers_[static_cast<size_t>(process % kMostFibers)];
    const Op op = fiber.pending.op;
    const bool may_leave = fiber.pending.may_leave;
    const size_t stores = fiber.stores;
    const int event = search.Moved(process, AccessesOf(process),
                                   CausesOf(process), Waits(process));
    Execute(process);
    if (process < kMostFibers && fiber.stores != stores) {
      for (Entry& entry : fiber.buffer) {
        if (entry.event < 0) entry.event = event;
      }
    } else if (process >= kMostFibers && process < 2 * kMostFibers) {
      fiber.flushes.push_back(event);
    }
    if (process < kMostFibers && op == Op::kSleep && may_leave &&
        fiber.pending.op == Op::kAsleep) {
      fiber.timers.emplace_back(fiber.sleep_number, event);
    }
  }
  if (!violation_.empty()) return true;

  std::string stuck;
  for (int i = 0; i < fiber_count_; ++i) {
    const Fiber& fiber = *fibers_[static_cast<size_t>(i)];
    if (fiber.pending.op == Op::kDone) continue;
    search.Stuck(i, AccessesOf(i));
    stuck += (stuck.empty() ? "" : "; ") + Describe(i);
  }
  if (stuck.empty()) {
    scenario.Finish(*this);
  } else {
    Fail("nobody can move any more: " + stuck);
  }
  return true;
}

Outcome Interleaver::Run(Scenario& scenario, const Options& options) {
  options_ = options;
  traced_ = false;
  Outcome outcome;
  ScheduleSearch search(options.reduce);
  bool more = true;
  while (more) {
    if (options.most_schedules != 0 &&
        outcome.schedules == options.most_schedules) {
      return outcome;
    }
    const bool complete = RunSchedule(scenario, search);
    ++(complete ? outcome.schedules : outcome.cut);
    const std::string path = search.Path();
    outcome.longest = std::max(outcome.longest, static_cast<int>(path.size()));
    if (!violation_.empty()) {
      const Outcome replayed = Replay(scenario, options, path);
      outcome.violation = replayed.violation;
      outcome.trace = replayed.trace;
      outcome.replay = path;
      return outcome;
    }
    more = search.Next();
  }
  outcome.exhaustive = true;
  return outcome;
}

Outcome Interleaver::Replay(Scenario& scenario, const Options& options,
                            const std::string& replay) {
  options_ = options;
  traced_ = true;
  Outcome outcome;
  ScheduleSearch search(false);
  search.ReplayOnly(replay);
  outcome.schedules = RunSchedule(scenario, search);
  outcome.longest = static_cast<int>(replay.size());
  outcome.violation = violation_;
  outcome.trace = trace_;
  outcome.replay = replay;
  return outcome;
}

}  // namespace lauberhorn::testing
