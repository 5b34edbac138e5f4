// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/trace/replay.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vm/trace/testing/scheduler.h"

namespace lauberhorn::trace {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

constexpr std::int32_t kThread = 100;
constexpr std::int32_t kOther = 101;
constexpr std::int32_t kRealtime = 102;
constexpr std::int32_t kKernel = 103;
constexpr std::int32_t kChild = 104;
constexpr std::uint32_t kEndpoint = 7;

// A machine in which CPU 0 has come as far as this.
enum Stage {
  kRegistered,
  kWoken,           // kThread, and schedule() is asked for
  kRunning,         // kThread
  kBound,           // kThread
  kAsked,           // for schedule(), of kThread
  kRealtimeWoken,   // and schedule() is asked for, after kThread was picked
                    // again
  kRealtimeRuns,    // kThread was preempted
  kRealtimeSleeps,  // kThread runs again
  kOtherWoken,      // and nothing else
  kAsleep,          // kThread, its dequeue delayed
  kAwake,           // kThread, before it was dequeued
  kRunsAgain,       // kThread; kOther was preempted
  kMoved,           // kThread may use CPU 0 only
  kUnbound,         // kThread
  kBoundAgain,      // kThread
  kDead,            // kThread
  kOffline,         // CPU 1
  kOnline,          // CPU 1
  kKernelRuns,      // on CPU 1
  kLast
};

// The first records of the steps up to a stage, and where the last one begins.
struct Trace {
  std::vector<lh_record> records;
  std::size_t step;
};

Trace TraceOf(Stage last) {
  Scheduler machine;
  machine.AddThread(kThread);
  machine.AddThread(kOther);
  machine.AddThread(kRealtime, 50);
  machine.AddThread(kKernel, 120, true);
  machine.AddThread(kChild);
  const std::function<void()> steps[] = {
      [&] { machine.Register(); },
      [&] { machine.Wake(0, kThread, true); },
      [&] { machine.Preempt(0, kThread); },
      [&] { machine.Bind(0, kEndpoint, 0x1000005); },
      [&] { machine.Ask(0); },
      [&] {
        machine.PickAgain(0);
        machine.Wake(0, kRealtime, true);
      },
      [&] { machine.Preempt(0, kRealtime); },
      [&] { machine.Sleep(0, kThread); },
      [&] { machine.Wake(0, kOther, false); },
      [&] { machine.SleepDelayed(0, kOther); },
      [&] { machine.WakeDelayed(0, kThread); },
      [&] { machine.Preempt(0, kThread); },
      [&] { machine.SetMask(kThread, 1, 1); },
      [&] { machine.Unbind(0); },
      [&] {
        machine.SetMask(kThread, 3, 0);
        machine.records.pop_back();  // it was not bound
        machine.Bind(0, kEndpoint, 6);
      },
      [&] {
        machine.Exit(0);
        const std::size_t exit = machine.step;
        machine.Sleep(0, kOther);
        machine.step = exit;
      },
      [&] { machine.Offline(1); },
      [&] { machine.Online(1); },
      [&] {
        machine.Wake(1, kKernel, true);
        machine.Preempt(1, kKernel);
        machine.Fork(kChild);
      },
  };
  for (int stage = kRegistered; stage <= last; ++stage) steps[stage]();
  return {machine.records, machine.step};
}

struct Outcome {
  std::vector<std::string> findings;
  std::uint64_t wrong;
};

Outcome Judge(const std::vector<lh_record>& records) {
  Replay replay(Scheduler::kCpus);
  for (const lh_record& record : records) replay.Add(record);
  Outcome outcome = {{}, replay.wrong()};
  for (const Replay::Finding& finding : replay.findings()) {
    outcome.findings.push_back(finding.text);
  }
  return outcome;
}

// The record of this kind in the last step, or after it.
lh_record& Find(Trace& trace, unsigned kind, std::size_t which = 0) {
  for (std::size_t at = trace.step; at < trace.records.size(); ++at) {
    if (trace.records[at].kind == kind && which-- == 0) {
      return trace.records[at];
    }
  }
  ADD_FAILURE() << "no record of kind " << kind;
  return trace.records.back();
}

void Drop(Trace& trace, unsigned kind, std::size_t which = 0) {
  const lh_record& record = Find(trace, kind, which);
  trace.records.erase(trace.records.begin() + (&record - trace.records.data()));
}

TEST(ReplayTest, AcceptsWhatIsRight) {
  const Trace trace = TraceOf(static_cast<Stage>(kLast - 1));
  EXPECT_THAT(Judge(trace.records).findings, IsEmpty());
}

TEST(ReplayTest, CountsWhatItSaw) {
  const Trace trace = TraceOf(static_cast<Stage>(kLast - 1));
  Replay replay(Scheduler::kCpus);
  for (const lh_record& record : trace.records) replay.Add(record);
  const auto words = std::count_if(
      trace.records.begin(), trace.records.end(), [](const lh_record& record) {
        return record.kind <= LH_RECORD_ENDPOINT_WORD;
      });
  EXPECT_EQ(replay.words_compared(), static_cast<std::uint64_t>(words));
  EXPECT_EQ(replay.delayed_wakeups(), 1U);
  EXPECT_EQ(replay.event_kinds(), 7U);
}

TEST(ReplayTest, RefusesALogWithoutAnyOneWord) {
  const Trace whole = TraceOf(static_cast<Stage>(kLast - 1));
  for (std::size_t at = 0; at < whole.records.size(); ++at) {
    if (whole.records[at].kind > LH_RECORD_ENDPOINT_WORD) continue;
    std::vector<lh_record> records = whole.records;
    records.erase(records.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_NE(Judge(records).wrong, 0U) << "without record " << at + 1;
  }
}

TEST(ReplayTest, RefusesAnyOneBitOfAWord) {
  const Trace whole = TraceOf(static_cast<Stage>(kLast - 1));
  for (std::size_t at = 0; at < whole.records.size(); ++at) {
    if (whole.records[at].kind > LH_RECORD_ENDPOINT_WORD) continue;
    for (unsigned bit = 0; bit < 64; ++bit) {
      std::vector<lh_record> records = whole.records;
      records[at].a ^= std::uint64_t{1} << bit;
      EXPECT_NE(Judge(records).wrong, 0U)
          << "record " << at + 1 << " with bit " << bit;
    }
  }
}

// The same, and the device's memory and all later words go along: only what
// happened shows that it is wrong. seq, departed and the ring show by
// themselves.
TEST(ReplayTest, RefusesAnyOneBitThatMemoryHoldsToo) {
  const Trace whole = TraceOf(static_cast<Stage>(kLast - 1));
  for (std::size_t at = 0; at < whole.records.size(); ++at) {
    const lh_record& word = whole.records[at];
    if (word.kind != LH_RECORD_CPU_WORD) continue;
    for (unsigned bit = 0; bit < LH_CPU_SEQ_SHIFT; ++bit) {
      const std::uint64_t flip = std::uint64_t{1} << bit;
      std::vector<lh_record> records = whole.records;
      for (std::size_t later = at; later < records.size(); ++later) {
        lh_record& record = records[later];
        if ((record.bits & LH_RECORD_EXPORTED) == 0 || record.cpu != word.cpu) {
          continue;
        }
        record.word ^= flip;
        if (record.kind == LH_RECORD_CPU_WORD) record.a ^= flip;
      }
      EXPECT_NE(Judge(records).wrong, 0U)
          << "from record " << at + 1 << " on with bit " << bit;
    }
  }
}

struct Lie {
  const char* name;
  Stage stage;
  std::function<void(Trace&)> tell;
  const char* finding;
};

class LieTest : public ::testing::TestWithParam<Lie> {};

TEST_P(LieTest, IsFound) {
  Trace trace = TraceOf(GetParam().stage);
  ASSERT_THAT(Judge(trace.records).findings, IsEmpty());
  GetParam().tell(trace);
  EXPECT_THAT(Judge(trace.records).findings, Contains(GetParam().finding));
}

const Lie kLies[] = {
    {"CountStands", kWoken,
     [](Trace& trace) { --Find(trace, LH_RECORD_CPU_WORD).b; },
     "the count does not go up by one"},
    {"MemoryIsBehind", kWoken,
     [](Trace& trace) { --Find(trace, LH_RECORD_CPU_WORD).count; },
     "memory does not hold what was published"},
    {"MemoryChangesUnseen", kWoken,
     [](Trace& trace) { ++Find(trace, LH_RECORD_WAKEUP).count; },
     "memory changed, and no word was published"},
    {"RingNamesAnother", kRealtimeRuns,
     [](Trace& trace) { Find(trace, LH_RECORD_CPU_WORD).departed[1] = 3; },
     "the ring does not name who left"},
    {"NrWithoutCause", kOtherWoken,
     [](Trace& trace) { Drop(trace, LH_RECORD_NR_RUNNING); },
     "the number of threads changed, and no event says so"},
    {"NrOfAnotherQueue", kOtherWoken,
     [](Trace& trace) { Find(trace, LH_RECORD_WAKEUP).delayed = 1; },
     "nr is not the queue's"},
    {"DelayedButAwake", kAsleep,
     [](Trace& trace) {
       Find(trace, LH_RECORD_CPU_WORD).bits &= ~LH_RECORD_CURR_DELAYED;
     },
     "nr went down, and no thread left or fell asleep"},
    {"NobodyAsks", kWoken,
     [](Trace& trace) {
       Find(trace, LH_RECORD_WAKEUP).bits &= ~LH_RECORD_NEED_RESCHED;
     },
     "need_resched is said, but nobody asks for schedule()"},
    {"RealtimeDoesNotAsk", kRealtimeWoken,
     [](Trace& trace) {
       lh_record& wakeup = Find(trace, LH_RECORD_WAKEUP);
       wakeup.word = Find(trace, LH_RECORD_CPU_WORD, 0).a;
       wakeup.count = Find(trace, LH_RECORD_CPU_WORD, 0).b;
       Drop(trace, LH_RECORD_CPU_WORD, 1);
     },
     "a thread of a higher class was woken, and need_resched is not said"},
    {"StillAsked", kRealtimeRuns,
     [](Trace& trace) {
       Find(trace, LH_RECORD_CPU_WORD).bits |= LH_RECORD_NEED_RESCHED;
     },
     "need_resched went, but schedule() is still asked for"},
    {"SwitchedToAnother", kRealtimeRuns,
     [](Trace& trace) {
       Find(trace, LH_RECORD_SWITCH).task[1].bits |= LH_RECORD_TASK_KERNEL;
     },
     "at a switch the word does not say what runs"},
    {"SwitchedToAnotherClass", kRealtimeRuns,
     [](Trace& trace) { Find(trace, LH_RECORD_SWITCH).task[1].prio = 120; },
     "at a switch the word does not say the class of what runs"},
    {"SwitchLeftOut", kOtherWoken,
     [](Trace& trace) {
       trace.step = TraceOf(kRealtimeSleeps).step;
       Drop(trace, LH_RECORD_SWITCH);
     },
     "another thread runs than was switched to"},
    {"BoundUnasked", kBound, [](Trace& trace) { Drop(trace, LH_RECORD_MARK); },
     "an endpoint is bound, and nobody asked for it"},
    {"BoundUnsaid", kBound,
     [](Trace& trace) {
       Drop(trace, LH_RECORD_CPU_WORD);
       Drop(trace, LH_RECORD_ENDPOINT_WORD);
     },
     "a thread was bound, or not, and no word says so"},
    {"BoundToAnotherGeneration", kBound,
     [](Trace& trace) { ++Find(trace, LH_RECORD_MARK).b; },
     "a binding has another generation than was asked for"},
    {"AwakeButBlocked", kAsleep,
     [](Trace& trace) {
       Find(trace, LH_RECORD_SWITCH).task[0].bits &= ~LH_RECORD_TASK_DELAYED;
     },
     "at a switch the endpoint's word does not say whether the thread sleeps"},
    {"BlockedTooEarly", kAsleep,
     [](Trace& trace) {
       std::swap(Find(trace, LH_RECORD_CPU_WORD, 1),
                 Find(trace, LH_RECORD_ENDPOINT_WORD));
       std::swap(Find(trace, LH_RECORD_CPU_WORD, 1).seq,
                 Find(trace, LH_RECORD_ENDPOINT_WORD).seq);
     },
     "the word comes before the line that says who left"},
    {"RunnableWithoutWakeup", kRunsAgain,
     [](Trace& trace) {
       trace.step = TraceOf(kAwake).step;
       Drop(trace, LH_RECORD_WAKEUP);
     },
     "nr went up, and no thread came or was woken"},
    {"UnboundUnasked", kUnbound,
     [](Trace& trace) { Drop(trace, LH_RECORD_MARK); },
     "a binding ends, and nobody asked for it"},
    {"NumberTwice", kBoundAgain,
     [](Trace& trace) {
       lh_record& word = Find(trace, LH_RECORD_ENDPOINT_WORD);
       word.a -= std::uint64_t{1} << LH_ENDPOINT_WORD_THREAD_SHIFT;
       word.word = word.a;
     },
     "a binding has no number of its own"},
    {"AnotherMask", kMoved,
     [](Trace& trace) {
       Find(trace, LH_RECORD_ENDPOINT_WORD).task[0].mask = 3;
     },
     "the table has another mask under this name"},
    {"MaskNotInTable", kMoved,
     [](Trace& trace) { Find(trace, LH_RECORD_ENDPOINT_WORD).mask = 2; },
     "the table has another mask under this name"},
    {"LivesOn", kDead,
     [](Trace& trace) { Find(trace, LH_RECORD_EXIT).kind = LH_RECORD_MARK; },
     "a thread goes on whose endpoint is DEAD"},
    {"DeadUnsaid", kDead,
     [](Trace& trace) { Drop(trace, LH_RECORD_ENDPOINT_WORD); },
     "a thread ended, and its endpoint's word does not say so"},
    {"OfflineUnasked", kOffline,
     [](Trace& trace) { Drop(trace, LH_RECORD_MARK); },
     "OFFLINE, and nobody asked for it"},
    {"OfflineUnsaid", kOffline,
     [](Trace& trace) { Drop(trace, LH_RECORD_CPU_WORD); },
     "a CPU went, and its word does not say so"},
    {"OnlineUnsaid", kOnline,
     [](Trace& trace) { Drop(trace, LH_RECORD_CPU_WORD); },
     "a CPU came or went, and its word does not say so"},
    {"OnlineTooEarly", kOnline,
     [](Trace& trace) {
       std::swap(Find(trace, LH_RECORD_CPU_UP),
                 Find(trace, LH_RECORD_CPU_WORD));
       std::swap(Find(trace, LH_RECORD_CPU_UP).seq,
                 Find(trace, LH_RECORD_CPU_WORD).seq);
     },
     "the word says that a CPU came too early"},
    {"BornBound", kKernelRuns,
     [](Trace& trace) { Find(trace, LH_RECORD_FORK).task[0].endpoint = 8; },
     "a new thread is bound"},
    {"OutOfOrder", kRunning, [](Trace& trace) { trace.records.back().seq = 1; },
     "a record that no recorder made"},
};

INSTANTIATE_TEST_SUITE_P(Replay, LieTest, ::testing::ValuesIn(kLies),
                         [](const ::testing::TestParamInfo<Lie>& lie) {
                           return std::string(lie.param.name);
                         });

}  // namespace
}  // namespace lauberhorn::trace
