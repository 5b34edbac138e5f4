/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// What the search asks of the interleaver: who can move, what the next step of
// each accesses, and which events it needs. Changes nothing.

#include <cstdlib>

#include "interleaver_internal.h"

namespace lauberhorn::testing {

int Interleaver::IndexOf(const Word* address) const {
  const char* byte = reinterpret_cast<const char*>(address);
  if (byte < memory_ || byte >= memory_ + size_) std::abort();
  return static_cast<int>((byte - memory_) / static_cast<int>(sizeof(Word)));
}

Interleaver::Place& Interleaver::PlaceOf(const Word* address) const {
  return places_[static_cast<size_t>(IndexOf(address))];
}

Word Interleaver::Visible(int fiber, const Word* address) const {
  const std::deque<Entry>& buffer = fibers_[static_cast<size_t>(fiber)]->buffer;
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
        const Word bits = Visible(fiber.index, condition.address) & kStateMask;
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
    const bool one_place = pending.op == Op::kAsleep
                               ? !pending.may_leave
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

}  // namespace lauberhorn::testing
