// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/call_numbers.h"

#include "abi/host/types.h"

namespace lauberhorn {

CallNumbers::CallNumbers(std::uint32_t first, std::uint32_t count)
    : first_(first), entries_(new Entry[count]), top_(count) {
  for (std::uint32_t index = 0; index < count; ++index) {
    entries_[index].next.store(index, std::memory_order_relaxed);
  }
}

std::uint64_t CallNumbers::Take() {
  std::uint64_t top = top_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint32_t index = lh_handle_index(top);
    if (index == 0) return 0;
    Entry& entry = entries_[index - 1];
    const std::uint64_t below =
        lh_handle(entry.next.load(std::memory_order_relaxed),
                  lh_handle_generation(top) + 1);
    if (top_.compare_exchange_weak(top, below, std::memory_order_acquire,
                                   std::memory_order_acquire)) {
      return lh_handle(first_ + index - 1, ++entry.generation);
    }
  }
}

void CallNumbers::Give(std::uint64_t handle) {
  const std::uint32_t index = lh_handle_index(handle) - first_;
  Entry& entry = entries_[index];
  std::uint64_t top = top_.load(std::memory_order_relaxed);
  std::uint64_t above;
  do {
    entry.next.store(lh_handle_index(top), std::memory_order_relaxed);
    above = lh_handle(index + 1, lh_handle_generation(top) + 1);
  } while (!top_.compare_exchange_weak(top, above, std::memory_order_release,
                                       std::memory_order_relaxed));
}

}  // namespace lauberhorn
