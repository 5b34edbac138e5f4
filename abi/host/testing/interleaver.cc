/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The scheduler of interleaver.h. One thread: fibers are switched with
// swapcontext(), so nothing here is atomic or locked; the memory model lives in
// the store buffers and the clocks below.
//
// Processes of the search: fiber i, the flush of its buffer (kMostFibers + i)
// and the end of its sleep for no reason (2 * kMostFibers + i).

#include "interleaver.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <utility>

namespace lauberhorn::testing {
namespace {

constexpr size_t kStackSize = size_t{64} * 1024;
constexpr int kStateMask = 15;

thread_local Interleaver* current = nullptr;

}  // namespace

enum class Interleaver::Op : uint8_t {
  kLoad,
  kPlainLoad,
  kStore,
  kPlainStore,
  kCas,
  kFence,
  kHeavyBegin,
  kHeavyEnd,
  kSleep,
  kAsleep,
  kWake,
  kRing,
  kAwaitRing,
  kAwait,
  kDone,
};

// What a fiber does when it moves next.
struct Interleaver::Pending {
  Op op = Op::kDone;
  Word* address = nullptr;
  Word expected = 0;
  Word value = 0;
  bool may_leave = false;
  std::array<Condition, 4> conditions{};
  size_t condition_count = 0;
};

// A store that is not in memory yet.
struct Interleaver::Entry {
  Word* address;
  Word value;
  bool publishes;  // a release
  Clock clock;
  int event;
};

struct Interleaver::Fiber {
  int index = 0;
  std::string name;
  std::function<void()> body;
  ucontext_t context;
  ucontext_t scheduler;
  std::unique_ptr<char[]> stack;
  Pending pending;
  Word result = 0;
  std::deque<Entry> buffer;
  std::vector<int> flushes;     // their events, in order
  size_t stores = 0;            // how many will have been flushed
  std::vector<size_t> awaited;  // a heavy fence: stores of each fiber
  // The sleep that goes on, and those that may still end for no reason.
  bool awake = true;
  bool left = false;
  int sleep_number = 0;
  std::deque<std::pair<int, int>> timers;  // number of the sleep, its event
  Clock clock{};
};

// What the clocks know of one word.
struct Interleaver::Place {
  Clock published{};
  Clock read{};
  uint16_t written = 0;
  int16_t writer = -1;
};

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
  fiber.body();
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
  // Never resumed: the schedule ends here.
  Fiber& fiber = *fibers_[static_cast<size_t>(running_)];
  swapcontext(&fiber.context, &fiber.scheduler);
}

// ---------------------------------------------------------------------------
// The state of a schedule, as the search asks for it.

int Interleaver::IndexOf(const Word* address) const {
  const char* byte = reinterpret_cast<const char*>(address);
  if (byte < memory_ || byte >= memory_ + size_) std::abort();
  return static_cast<int>((byte - memory_) / static_cast<int>(sizeof(Word)));
}

Interleaver::Place& Interleaver::PlaceOf(const Word* address) const {
  return places_[static_cast<size_t>(IndexOf(address))];
}

Word Interleaver::Visible(int fiber, const Word* address) const {
  const std::deque<Entry>& buffer =
      fibers_[static_cast<size_t>(fiber)]->buffer;
  for (auto entry = buffer.rbegin(); entry != buffer.rend(); ++entry) {
    if (entry->address == address) return entry->value;
  }
  return *address;
}

bool Interleaver::ConditionHolds(const Fiber& fiber) const {
  const Pending& pending = fiber.pending;
  switch (pending.op) {
    case Op::kAsleep:
      return fiber.awake;
    case Op::kAwaitRing:
      return rings_ > 0;
    case Op::kAwait:
      for (size_t i = 0; i < pending.condition_count; ++i) {
        const Condition& condition = pending.conditions[i];
        const Word bits =
            Visible(fiber.index, condition.address) & kStateMask;
        if (condition.low_bits & (1u << bits)) return true;
      }
      return false;
    default:
      return true;
  }
}

bool Interleaver::CanMove(const Fiber& fiber) const {
  switch (fiber.pending.op) {
    case Op::kDone:
      return false;
    case Op::kCas:
    case Op::kFence:
    case Op::kHeavyBegin:
    case Op::kSleep:
    case Op::kWake:
    case Op::kRing:
      return fiber.buffer.empty();
    case Op::kHeavyEnd:
      for (int i = 0; i < fiber_count_; ++i) {
        const auto other = static_cast<size_t>(i);
        if (fibers_[other]->flushes.size() < fiber.awaited[other]) {
          return false;
        }
      }
      return true;
    default:
      return ConditionHolds(fiber);
  }
}

Processes Interleaver::Enabled() const {
  Processes enabled = 0;
  for (int i = 0; i < fiber_count_; ++i) {
    const Fiber& fiber = *fibers_[static_cast<size_t>(i)];
    if (CanMove(fiber)) enabled |= 1u << i;
    if (!fiber.buffer.empty()) enabled |= 1u << (kMostFibers + i);
    if (!fiber.timers.empty()) enabled |= 1u << (2 * kMostFibers + i);
  }
  return enabled;
}

Processes Interleaver::Unmet() const {
  Processes unmet = 0;
  for (int i = 0; i < fiber_count_; ++i) {
    const Fiber& fiber = *fibers_[static_cast<size_t>(i)];
    const Pending& pending = fiber.pending;
    const bool one_place =
        pending.op == Op::kAsleep ? !pending.may_leave
                                  : pending.condition_count <= 1;
    if (one_place && !ConditionHolds(fiber)) unmet |= 1u << i;
  }
  return unmet;
}

bool Interleaver::Waits(int process) const {
  if (process >= kMostFibers) return false;
  const Op op = fibers_[static_cast<size_t>(process)]->pending.op;
  return op == Op::kAsleep || op == Op::kAwait || op == Op::kAwaitRing;
}

// Places: the words, then the queue of sleepers of each word, then the bell and
// what orders a heavy fence with the stores of others.
Accesses Interleaver::AccessesOf(int process) const {
  const int words = static_cast<int>(size_ / sizeof(Word));
  const int ring = 2 * words;
  const int heavy = 2 * words + 1;
  const Fiber& fiber = *fibers_[static_cast<size_t>(process % kMostFibers)];
  const Pending& pending = fiber.pending;
  Accesses accesses;
  if (process >= 2 * kMostFibers) {
    accesses.Write(2 * words + 2 + fiber.index);
    return accesses;
  }
  if (process >= kMostFibers) {
    accesses.Write(IndexOf(fiber.buffer.front().address));
    return accesses;
  }
  switch (pending.op) {
    case Op::kLoad:
    case Op::kPlainLoad:
      accesses.Read(IndexOf(pending.address));
      break;
    case Op::kStore:
    case Op::kPlainStore:
      accesses.Read(heavy);
      break;
    case Op::kCas:
      accesses.Write(IndexOf(pending.address));
      break;
    case Op::kHeavyBegin:
      accesses.Write(heavy);
      break;
    case Op::kSleep:
      accesses.Read(IndexOf(pending.address));
      accesses.Write(words + IndexOf(pending.address));
      break;
    case Op::kAsleep:
      accesses.Read(words + IndexOf(pending.address));
      accesses.Read(2 * words + 2 + fiber.index);
      break;
    case Op::kWake:
      accesses.Write(words + IndexOf(pending.address));
      // Whom it finds asleep depends on who left for no reason.
      for (int i = 0; i < fiber_count_; ++i) {
        if (i != fiber.index) accesses.Write(2 * words + 2 + i);
      }
      break;
    case Op::kRing:
    case Op::kAwaitRing:
      accesses.Write(ring);
      break;
    case Op::kAwait:
      for (size_t i = 0; i < pending.condition_count; ++i) {
        accesses.Read(IndexOf(pending.conditions[i].address));
      }
      break;
    case Op::kFence:
    case Op::kHeavyEnd:
    case Op::kDone:
      break;
  }
  return accesses;
}

// Events without which the process could not move: the store that it flushes,
// the flushes that its fence waited for, the sleep that it ends.
std::vector<int> Interleaver::CausesOf(int process) const {
  const Fiber& fiber = *fibers_[static_cast<size_t>(process % kMostFibers)];
  std::vector<int> causes;
  if (process >= 2 * kMostFibers) {
    causes.push_back(fiber.timers.front().second);
  } else if (process >= kMostFibers) {
    causes.push_back(fiber.buffer.front().event);
  } else if (fiber.pending.op == Op::kHeavyEnd) {
    for (int i = 0; i < fiber_count_; ++i) {
      const auto other = static_cast<size_t>(i);
      if (fiber.awaited[other] > 0) {
        causes.push_back(fibers_[other]->flushes[fiber.awaited[other] - 1]);
      }
    }
  } else if (fiber.pending.op != Op::kLoad &&
             fiber.pending.op != Op::kPlainLoad &&
             fiber.pending.op != Op::kStore &&
             fiber.pending.op != Op::kPlainStore && !Waits(process) &&
             !fiber.flushes.empty()) {
    causes.push_back(fiber.flushes.back());
  }
  return causes;
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
      Entry entry{pending.address, pending.value,
                  pending.op == Op::kStore, fiber.clock, -1};
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
    outcome.longest =
        std::max(outcome.longest, static_cast<int>(path.size()));
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

// ---------------------------------------------------------------------------
// Traces.

std::string Interleaver::Text(const Word* address, Word value) const {
  const auto name = names_.find(address);
  const std::string text = name != names_.end()
                               ? name->second
                               : "word " + std::to_string(IndexOf(address));
  if (value == 0) return text;
  return text + " " + std::to_string(value >> 4) + ":" +
         std::to_string(value & kStateMask);
}

std::string Interleaver::Describe(int process) const {
  const Fiber& fiber = *fibers_[static_cast<size_t>(process % kMostFibers)];
  const Pending& pending = fiber.pending;
  if (process >= 2 * kMostFibers) {
    return fiber.name + "'s sleep may end for no reason";
  }
  if (process >= kMostFibers) {
    const Entry& entry = fiber.buffer.front();
    return fiber.name + "'s store reaches memory: " +
           Text(entry.address, 0) + " = " + std::to_string(entry.value >> 4) +
           ":" + std::to_string(entry.value & kStateMask);
  }
  const auto number = [](Word word) {
    return std::to_string(word >> 4) + ":" + std::to_string(word & kStateMask);
  };
  switch (pending.op) {
    case Op::kLoad:
    case Op::kPlainLoad:
      return fiber.name + " loads " + Text(pending.address, 0) + ": " +
             number(Visible(fiber.index, pending.address));
    case Op::kStore:
    case Op::kPlainStore:
      return fiber.name + " stores " + Text(pending.address, 0) + " = " +
             number(pending.value);
    case Op::kCas:
      return fiber.name + " compares and swaps " + Text(pending.address, 0) +
             " " + number(pending.expected) + " -> " + number(pending.value) +
             (*pending.address == pending.expected
                  ? ""
                  : ", but it is " + number(*pending.address));
    case Op::kFence:
      return fiber.name + " fences";
    case Op::kHeavyBegin:
      return fiber.name + " begins a heavy fence";
    case Op::kHeavyEnd:
      return fiber.name + " ends its heavy fence";
    case Op::kSleep:
      return fiber.name + " goes to sleep on " + Text(pending.address, 0) +
             " if it is " + number(pending.value) + ": it is " +
             number(*pending.address);
    case Op::kAsleep:
      return fiber.name + (fiber.awake ? " is awake, slept on "
                                       : " sleeps on ") +
             Text(pending.address, 0) + ": " + number(*pending.address);
    case Op::kWake:
      return fiber.name + " wakes who sleeps on " + Text(pending.address, 0);
    case Op::kRing:
      return fiber.name + " rings";
    case Op::kAwaitRing:
      return fiber.name + " waits for a ring";
    case Op::kAwait: {
      std::string text = fiber.name + " polls";
      for (size_t i = 0; i < pending.condition_count; ++i) {
        const Word* address = pending.conditions[i].address;
        text += (i ? ", " : " ") + Text(address, 0) + ": " +
                number(Visible(fiber.index, address));
      }
      return text;
    }
    case Op::kDone:
      return fiber.name + " has ended";
  }
  std::abort();
}

}  // namespace lauberhorn::testing
