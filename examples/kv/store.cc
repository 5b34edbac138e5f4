// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Values by key; see store.h.
#include "store.h"

namespace kv {

std::optional<Value> Store::Get(const std::string& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

PutResult Store::Put(const std::string& key, const std::string& value,
                     std::optional<std::uint64_t> expected_version,
                     std::uint64_t* version) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = values_.find(key);
  *version = found == values_.end() ? 0 : found->second.version;
  if (expected_version.has_value() && *expected_version != *version) {
    if (*expected_version == 0) return PutResult::kExists;
    return *version == 0 ? PutResult::kMissing : PutResult::kOtherVersion;
  }
  *version = next_version_++;
  values_[key] = {value, *version};
  return PutResult::kStored;
}

std::optional<Store::Entry> Store::Next(const std::string& prefix,
                                        const std::string& after) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  // All keys with the prefix stand together, the prefix itself first.
  const auto next =
      after < prefix ? values_.lower_bound(prefix) : values_.upper_bound(after);
  if (next == values_.end() ||
      next->first.compare(0, prefix.size(), prefix) != 0) {
    return std::nullopt;
  }
  return Entry{next->first, next->second};
}

}  // namespace kv
