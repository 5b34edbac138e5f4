/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// A deterministic scheduler that runs code in all its interleavings.
//
// The code under test runs as fibers of one thread. Each atomic access, fence
// and system call of it is a step at which the scheduler decides who moves
// next; atomic_interleaved.h makes the six macros of the channel header such
// steps. Run() executes a scenario again and again, each time with another
// order of the steps, until all orders that can differ were seen
// (schedule_search.h).
//
// Memory: x86-TSO. Each fiber has a first-in-first-out store buffer; the flush
// of its oldest entry is a step of its own; a fiber sees its own stores at
// once. Compare-and-swap, full fences and system calls wait until the own
// buffer is empty; an asymmetric heavy fence (membarrier) until every store
// that was in any buffer when it began is flushed. What TSO hides, release and
// acquire of the C11 model, is checked apart, with vector clocks: two accesses
// to a message of which one writes and that no release and acquire order are a
// violation, also where the buffers happened to keep them in order. Not
// executed: loads that the processor reorders (arm64); an acquire that is
// missing there is found by the clocks alone.
//
// A scenario keeps what it allocates outside the fibers' stacks: a violation
// unwinds the fiber that found it, but the others end where they are.

#ifndef LAUBERHORN_ABI_HOST_TESTING_INTERLEAVER_H_
#define LAUBERHORN_ABI_HOST_TESTING_INTERLEAVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schedule_search.h"

namespace lauberhorn::testing {

// As in <linux/types.h>, so that the header's pointers convert.
using Word = unsigned long long;  // NOLINT(runtime/int)

// Ways to break the macros or the system calls on purpose.
enum class Fault {
  kNone,
  kCasIgnoresExpected,     // writes whatever the word holds
  kStoreIsRelaxed,         // the release store orders nothing, by the clocks
  kStoreOvertakes,         // the release store passes the buffered message
  kLoadIsRelaxed,          // the acquire load orders nothing, by the clocks
  kCasIsRelaxed,           // as both, for compare-and-swap
  kNoLightFence,           // where it is a full fence
  kNoHeavyFence,           // not even on the own processor
  kHeavyFenceReachesSelf,  // membarrier that is a full fence only
  kSleepDoesNotLook,       // sleeps even if the word moved on
  kWakeIsLost,
  kRingIsLost,
  kTagStays,  // a fill keeps the tag; in atomic_interleaved.h
};

struct Options {
  Fault fault = Fault::kNone;
  bool reduce = true;
  // Schedules after which the search stops without being exhaustive; 0: none.
  uint64_t most_schedules = 0;
  // A schedule longer than this counts as one that never ends.
  int most_steps = 1000;
};

struct Outcome {
  uint64_t schedules = 0;  // complete ones, each different from all others
  uint64_t cut = 0;        // given up as equal to one that was run
  int longest = 0;         // steps
  bool exhaustive = false;
  // The first violation; the search stops there. Empty: none.
  std::string violation;
  std::string trace;   // readable, one step a line
  std::string replay;  // for Interleaver::Replay()
};

class Interleaver;

// What runs in all interleavings: memory, fibers and what must hold.
class Scenario {
 public:
  virtual ~Scenario() = default;
  // Before each schedule: sets the memory to its first state and spawns.
  virtual void Start(Interleaver& run) = 0;
  // After each complete schedule, when all fibers ended.
  virtual void Finish(Interleaver& run) = 0;
  // `fiber` says that it is about to take, or has just taken, an edge.
  virtual void OnEdge(Interleaver& /*run*/, int /*fiber*/, int /*edge*/,
                      const Word* /*address*/, Word /*old*/, Word /*value*/) {}
  // A word changed in memory; `fiber` wrote it.
  virtual void OnWrite(Interleaver& /*run*/, int /*fiber*/,
                       const Word* /*address*/, Word /*old*/, Word /*value*/) {}
  // A message is accessed by `fiber`, in program order.
  virtual void OnAccess(Interleaver& /*run*/, int /*fiber*/,
                        const Word* /*address*/, bool /*write*/) {}
};

// What a polling fiber waits for: the low four bits of a word, as a set.
struct Condition {
  const Word* address;
  uint32_t low_bits;  // bit i: satisfied by a word with i in its low bits
};

class Interleaver : private SchedulePoint {
 public:
  static constexpr int kMostFibers = kMostProcesses / 3;

  // `memory`, of `size` bytes, holds all words that the fibers share.
  Interleaver(void* memory, size_t size);
  ~Interleaver() override;
  Interleaver(const Interleaver&) = delete;
  Interleaver& operator=(const Interleaver&) = delete;

  // Runs all schedules of the scenario.
  Outcome Run(Scenario& scenario, const Options& options);
  // Runs the one schedule of Outcome::replay, with its trace.
  Outcome Replay(Scenario& scenario, const Options& options,
                 const std::string& replay);

  // The one that runs now on this thread; the steps below belong to it.
  static Interleaver& Current();

  // Set-up, from Scenario::Start(). Fibers are numbered from 0.
  void Spawn(std::string name, std::function<void()> body);
  // A name for a word in traces.
  void Name(const Word* address, std::string name);

  // Steps, from fibers.
  Word Load(const Word* address);
  void Store(Word* address, Word value);
  bool Cas(Word* address, Word expected, Word value);
  void LightFence(bool asymmetric);
  void HeavyFence(bool asymmetric);
  Word PlainLoad(const Word* address);
  void PlainStore(Word* address, Word value);
  // Sleeps on the word while it holds `value`. Returns false if it left for
  // another reason than a wake or another value, which it does in some
  // schedules if `may_leave`.
  bool Sleep(const Word* address, Word value, bool may_leave);
  void Wake(const Word* address);
  // A bell that is remembered until it was waited for.
  void Ring();
  void AwaitRing();
  // Polls until one of the conditions holds, at most four.
  void Await(std::initializer_list<Condition> conditions);

  // Not steps.
  void OnEdge(int edge, const Word* address, Word old, Word value);
  // What the fiber sees at the address now.
  Word Visible(int fiber, const Word* address) const;
  Fault fault() const { return options_.fault; }
  // Ends the schedule with a violation; does not return to a fiber.
  void Fail(std::string violation);

 private:
  enum class Op : uint8_t;
  struct Pending;
  struct Entry;
  struct Fiber;
  struct Place;
  using Clock = std::array<uint16_t, kMostFibers>;

  Processes Enabled() const override;
  Processes Unmet() const override;
  Accesses AccessesOf(int process) const override;

  static void Body();
  Word Step(const Pending& pending);
  void Reset(Scenario& scenario);
  bool RunSchedule(Scenario& scenario, ScheduleSearch& search);
  void Execute(int process);
  void Perform(Fiber& fiber);
  void Resume(Fiber& fiber, Word result);
  void Flush(Fiber& fiber);
  void Commit(int fiber, Word* address, Word value);
  bool CanMove(const Fiber& fiber) const;
  bool ConditionHolds(const Fiber& fiber) const;
  std::vector<int> CausesOf(int process) const;
  bool Waits(int process) const;
  int IndexOf(const Word* address) const;
  Place& PlaceOf(const Word* address) const;
  void CheckOrder(const Fiber& fiber, const Word* address, bool write);
  std::string Text(const Word* address, Word value) const;
  std::string Describe(int process) const;

  char* const memory_;
  const size_t size_;
  Options options_;
  Scenario* scenario_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  int fiber_count_ = 0;
  int running_ = -1;
  int rings_ = 0;
  std::unique_ptr<Place[]> places_;
  std::map<const Word*, std::string> names_;
  std::string violation_;
  bool traced_ = false;
  std::string trace_;
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_INTERLEAVER_H_
