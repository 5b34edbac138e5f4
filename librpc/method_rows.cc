// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/method_rows.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn {

MethodRows::MethodRows() : rows_(kCapacity) {
  free_.reserve(kCapacity);
  for (std::size_t index = kCapacity; index > 0; --index) {
    free_.push_back(static_cast<std::uint16_t>(index - 1));
  }
}

absl::StatusOr<std::uint16_t> MethodRows::Add(Thunk thunk, void* service) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process serves ", kCapacity, " methods already"));
  }
  const std::uint16_t index = free_.back();
  free_.pop_back();
  rows_[index] = {thunk, service};
  return index;
}

void MethodRows::Remove(std::uint16_t index) {
  const std::lock_guard<std::mutex> lock(mutex_);
  rows_[index] = {};
  free_.push_back(index);
}

}  // namespace lauberhorn
