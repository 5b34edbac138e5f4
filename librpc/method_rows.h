// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/method_rows.h
//
// All methods of the process, by the index that the NIC gives back with a call.
// The library jumps only to what stands here, and only if the code pointer in
// the message is the one that the row names.
//
// A row is written before the NIC is told of it and cleared after the NIC said
// that its server is closed, so no call reads a row that changes: the channel
// orders the two. Rows never move.
#ifndef LAUBERHORN_LIBRPC_METHOD_ROWS_H_
#define LAUBERHORN_LIBRPC_METHOD_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "lauberhorn/method.h"

namespace lauberhorn {

class MethodRows {
 public:
  static constexpr std::size_t kCapacity = 4096;

  struct Row {
    Thunk thunk = nullptr;
    void* service = nullptr;
  };

  MethodRows();
  MethodRows(const MethodRows&) = delete;
  MethodRows& operator=(const MethodRows&) = delete;

  // Takes a row. RESOURCE_EXHAUSTED if there is none.
  absl::StatusOr<std::uint16_t> Add(Thunk thunk, void* service);
  void Remove(std::uint16_t index);

  // The row that a message names, or null if it names none of ours.
  const Row* Find(std::uint16_t index, std::uint64_t code) const {
    if (index >= kCapacity) return nullptr;
    const Row& row = rows_[index];
    if (row.thunk == nullptr ||
        reinterpret_cast<std::uint64_t>(row.thunk) != code) {
      return nullptr;
    }
    return &row;
  }

 private:
  std::vector<Row> rows_;
  std::mutex mutex_;
  std::vector<std::uint16_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_METHOD_ROWS_H_
