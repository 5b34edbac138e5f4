/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The interleaver's steps in words, for the trace of a schedule. Words are
// shown as tag:state.

#include <cstdlib>
#include <string>

#include "interleaver_internal.h"

namespace lauberhorn::testing {

std::string Interleaver::Text(const Word* address, Word value) const {
  const auto name = names_.find(address);
  std::string text = name != names_.end()
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
    return fiber.name + "'s store reaches memory: " + Text(entry.address, 0) +
           " = " + std::to_string(entry.value >> 4) + ":" +
           std::to_string(entry.value & kStateMask);
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
      return fiber.name +
             (fiber.awake ? " is awake, slept on " : " sleeps on ") +
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
