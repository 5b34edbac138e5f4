// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/known_methods.h"

namespace lauberhorn {

const KnownMethods::Entry* KnownMethods::Find(std::uint64_t id,
                                              absl::string_view name,
                                              std::size_t* place) const {
  // An id is a hash already.
  for (*place = id % kPlaces;; *place = (*place + 1) % kPlaces) {
    const Entry* const entry = places_[*place].load(std::memory_order_acquire);
    if (entry == nullptr || (entry->id == id && entry->name == name)) {
      return entry;
    }
  }
}

bool KnownMethods::Contains(std::uint64_t id, absl::string_view name) const {
  std::size_t place;
  return Find(id, name, &place) != nullptr ||
         full_.load(std::memory_order_relaxed);
}

void KnownMethods::Add(std::uint64_t id, absl::string_view name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t place;
  if (Find(id, name, &place) != nullptr) return;
  if (entries_.size() == kMax) {
    full_.store(true, std::memory_order_relaxed);
    return;
  }
  entries_.push_back(
      std::unique_ptr<const Entry>(new Entry{id, std::string(name)}));
  places_[place].store(entries_.back().get(), std::memory_order_release);
}

}  // namespace lauberhorn
