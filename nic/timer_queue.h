// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/timer_queue.h
//
// When each of a fixed number of things wants attention: a binary heap with the
// place of each thing, so that setting and clearing cost O(log n) and nothing
// is allocated after construction. Not thread-safe.
#ifndef LAUBERHORN_NIC_TIMER_QUEUE_H_
#define LAUBERHORN_NIC_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nic/time.h"

namespace lauberhorn::nic {

class TimerQueue {
 public:
  // For things 0 .. count - 1, none of them set.
  explicit TimerQueue(std::size_t count);

  // Wakes thing `id` at `when`, in place of what was set before.
  void Set(std::uint32_t id, Nanos when);

  // Does nothing if it is not set.
  void Clear(std::uint32_t id);

  // The earliest time set, or kNever.
  Nanos Next() const { return heap_.empty() ? kNever : heap_.front().when; }

  // Removes one thing that is due; false if there is none.
  bool PopDue(Nanos now, std::uint32_t* id);

 private:
  struct Entry {
    Nanos when;
    std::uint32_t id;
  };
  static constexpr std::size_t kUnset = ~std::size_t{0};

  void Place(std::size_t position, const Entry& entry);
  void Sift(std::size_t position, const Entry& entry);

  std::vector<Entry> heap_;
  std::vector<std::size_t> position_;  // of each id in heap_, or kUnset
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_TIMER_QUEUE_H_
