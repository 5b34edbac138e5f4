// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/known_methods.h
//
// The methods whose names the NIC has been told: each is told once for a
// runtime, before its first call. A set that only grows, of a fixed size:
// looking a method up takes no lock and a few loads; adding one is rare.
//
// Memory ordering: an entry is complete before its pointer is stored with
// release; who loads that with acquire sees it whole. Entries live as long as
// the set.
#ifndef LAUBERHORN_LIBRPC_KNOWN_METHODS_H_
#define LAUBERHORN_LIBRPC_KNOWN_METHODS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace lauberhorn {

class KnownMethods {
 public:
  // More than the NIC keeps names; methods beyond are taken to be known, and
  // called by their ids.
  static constexpr std::size_t kMax = 2048;

  KnownMethods() = default;

  KnownMethods(const KnownMethods&) = delete;
  KnownMethods& operator=(const KnownMethods&) = delete;

  // Whether this id with this name was added, or there is no room for it.
  bool Contains(std::uint64_t id, absl::string_view name) const;

  // Does nothing if it is there.
  void Add(std::uint64_t id, absl::string_view name);

 private:
  struct Entry {
    std::uint64_t id;
    std::string name;
  };

  // At most half full, so that a look for what is not there ends soon.
  static constexpr std::size_t kPlaces = 2 * kMax;

  // The entry, or null; `place` is where it is or would be.
  const Entry* Find(std::uint64_t id, absl::string_view name,
                    std::size_t* place) const;

  std::atomic<const Entry*> places_[kPlaces] = {};
  std::atomic<bool> full_{false};
  std::mutex mutex_;  // of who adds
  std::vector<std::unique_ptr<const Entry>> entries_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_KNOWN_METHODS_H_
