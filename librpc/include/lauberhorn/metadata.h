// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/metadata.h
//
// What travels beside the bytes of a call and of its reply: keys and values, in
// the form in which UnaryCall and ServerCall take and give them. The NIC does
// not look into it.
//
//   std::string metadata;
//   lauberhorn::AppendMetadata({"tenant", "blue"}, &metadata);
//   ...
//   lauberhorn::MetadataReader reader(call.metadata());
//   lauberhorn::MetadataEntry entry;
//   while (reader.Next(&entry)) Use(entry.key, entry.value);
//   if (!reader.complete()) return Malformed();
//
// An entry is a header of four bytes {kind, size of the key, size of the value
// (two bytes, little-endian)}, the key, the value. Keys may repeat.
//
// Thread-safety: values. Blocking: never. Ownership: entries refer to what was
// read.
#ifndef LAUBERHORN_METADATA_H_
#define LAUBERHORN_METADATA_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace lauberhorn {

struct MetadataEntry {
  absl::string_view key;    // 1 to 255 bytes
  absl::string_view value;  // any bytes, at most 65,535
  // Of a reply: whether it belongs to the end of the call rather than to its
  // beginning.
  bool trailing = false;
};

// AppendMetadata()
//
// Adds an entry. False if key or value have no such size: then nothing is
// added.
bool AppendMetadata(const MetadataEntry& entry, std::string* metadata);

// Reads what was appended. What it is given may be anything.
class MetadataReader {
 public:
  explicit MetadataReader(absl::Span<const std::uint8_t> metadata)
      : rest_(metadata) {}

  // MetadataReader::Next()
  //
  // The next entry. False at the end, and if what follows is no entry.
  bool Next(MetadataEntry* entry);

  // MetadataReader::complete()
  //
  // Whether everything has been read.
  bool complete() const { return rest_.empty(); }

 private:
  absl::Span<const std::uint8_t> rest_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_METADATA_H_
