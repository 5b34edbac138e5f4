// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as metadata. Entries that were read, appended again, are the bytes
// that they were read from; all were read just if nothing is left.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lauberhorn/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  lauberhorn::MetadataReader reader({data, size});
  lauberhorn::MetadataEntry entry;
  std::string again;
  while (reader.Next(&entry)) {
    if (!lauberhorn::AppendMetadata(entry, &again)) std::abort();
  }
  if (bytes.substr(0, again.size()) != again) std::abort();
  if (reader.complete() != (again.size() == size)) std::abort();
  // What was no entry stays none.
  if (reader.Next(&entry)) std::abort();
  return 0;
}
