/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// What the files of the interleaver share: a fiber, its store buffer and what
// it does next, and what the clocks know of a word. Nobody else includes this.
//
// Processes of the search: fiber i, the flush of its buffer (kMostFibers + i)
// and the end of its sleep for no reason (2 * kMostFibers + i).

#ifndef LAUBERHORN_ABI_HOST_TESTING_INTERLEAVER_INTERNAL_H_
#define LAUBERHORN_ABI_HOST_TESTING_INTERLEAVER_INTERNAL_H_

#include <ucontext.h>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "interleaver.h"

namespace lauberhorn::testing {

// The bits of a word that hold a state.
inline constexpr int kStateMask = 15;

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

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_INTERLEAVER_INTERNAL_H_
