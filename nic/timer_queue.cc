// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/timer_queue.h"

namespace lauberhorn::nic {

TimerQueue::TimerQueue(std::size_t count) : position_(count, kUnset) {
  heap_.reserve(count);
}

void TimerQueue::Set(std::uint32_t id, Nanos when) {
  std::size_t position = position_[id];
  if (position == kUnset) {
    position = heap_.size();
    heap_.push_back({});
  }
  Sift(position, {when, id});
}

void TimerQueue::Clear(std::uint32_t id) {
  const std::size_t position = position_[id];
  if (position == kUnset) return;
  position_[id] = kUnset;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) Sift(position, last);
}

bool TimerQueue::PopDue(Nanos now, std::uint32_t* id) {
  if (heap_.empty() || heap_.front().when > now) return false;
  *id = heap_.front().id;
  Clear(*id);
  return true;
}

void TimerQueue::Place(std::size_t position, const Entry& entry) {
  heap_[position] = entry;
  position_[entry.id] = position;
}

// Puts `entry` where it belongs on the path through `position`, which is free.
void TimerQueue::Sift(std::size_t position, const Entry& entry) {
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (heap_[parent].when <= entry.when) break;
    Place(position, heap_[parent]);
    position = parent;
  }
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when) {
      ++child;
    }
    if (heap_[child].when >= entry.when) break;
    Place(position, heap_[child]);
    position = child;
  }
  Place(position, entry);
}

}  // namespace lauberhorn::nic
