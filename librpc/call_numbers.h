// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/call_numbers.h
//
// The numbers of this process's own calls: an index that no other open call
// has, and its generation. A stack of free indices that any thread may use
// without a lock; the generation of an index belongs to whoever holds it.
//
// Memory ordering: Take() acquires what Give() released, so the next holder
// sees the generation that the last one left.
#ifndef LAUBERHORN_LIBRPC_CALL_NUMBERS_H_
#define LAUBERHORN_LIBRPC_CALL_NUMBERS_H_

#include <atomic>
#include <cstdint>
#include <memory>

namespace lauberhorn {

class CallNumbers {
 public:
  // For calls first .. first + count - 1 of the device's table.
  CallNumbers(std::uint32_t first, std::uint32_t count);

  CallNumbers(const CallNumbers&) = delete;
  CallNumbers& operator=(const CallNumbers&) = delete;

  // A handle for a new call; 0 if all are open.
  std::uint64_t Take();

  // The call with this handle has ended.
  void Give(std::uint64_t handle);

 private:
  struct Entry {
    std::atomic<std::uint32_t> next{0};  // index below it, plus one
    std::uint32_t generation = 0;
  };

  const std::uint32_t first_;
  std::unique_ptr<Entry[]> entries_;
  // Index of the top plus one, and how often it changed, so that a stale top is
  // never taken for the present one.
  std::atomic<std::uint64_t> top_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_CALL_NUMBERS_H_
