// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/metadata.h"

namespace lauberhorn {
namespace {

constexpr std::size_t kHeader = 4;
constexpr std::size_t kMaxKey = 0xff;
constexpr std::size_t kMaxValue = 0xffff;

enum Kind : std::uint8_t { kInitial = 0, kTrailing = 1 };

absl::string_view Text(absl::Span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool AppendMetadata(const MetadataEntry& entry, std::string* metadata) {
  const std::size_t key = entry.key.size();
  const std::size_t value = entry.value.size();
  if (key == 0 || key > kMaxKey || value > kMaxValue) return false;
  const std::uint8_t header[kHeader] = {entry.trailing ? kTrailing : kInitial,
                                        static_cast<std::uint8_t>(key),
                                        static_cast<std::uint8_t>(value & 0xff),
                                        static_cast<std::uint8_t>(value >> 8)};
  metadata->append(reinterpret_cast<const char*>(header), kHeader);
  metadata->append(entry.key.data(), key);
  metadata->append(entry.value.data(), value);
  return true;
}

bool MetadataReader::Next(MetadataEntry* entry) {
  if (rest_.size() < kHeader) return false;
  const std::uint8_t kind = rest_[0];
  const std::size_t key = rest_[1];
  const std::size_t value = rest_[2] | std::size_t{rest_[3]} << 8;
  const absl::Span<const std::uint8_t> bytes = rest_.subspan(kHeader);
  if (kind > kTrailing || key == 0 || bytes.size() < key + value) return false;
  entry->trailing = kind == kTrailing;
  entry->key = Text(bytes.first(key));
  entry->value = Text(bytes.subspan(key, value));
  rest_ = bytes.subspan(key + value);
  return true;
}

}  // namespace lauberhorn
