// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/method_names.h
//
// The full names of the methods that a process calls, by their ids, and which
// of them a session has confirmed. Names are told by control commands and stay;
// how many there may be is fixed, so that a session's part is a bitmap.
//
// Not thread-safe. Telling a name allocates; looking one up does not.
#ifndef LAUBERHORN_NIC_METHOD_NAMES_H_
#define LAUBERHORN_NIC_METHOD_NAMES_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::nic {

class MethodNames {
 public:
  static constexpr std::uint16_t kMax = 1024;
  static constexpr std::uint16_t kNone = 0xffff;

  // One for each name: whether it is confirmed.
  using Set = std::bitset<kMax>;

  // The method with this id has this name, 1 to 255 bytes. ALREADY_EXISTS if it
  // has another one, RESOURCE_EXHAUSTED if there are too many; both change
  // nothing. Telling the same again is good.
  absl::Status Add(std::uint64_t method, absl::string_view name);

  // The number of the method's name, or kNone if it was not told.
  std::uint16_t Find(std::uint64_t method) const {
    const auto found = numbers_.find(method);
    return found == numbers_.end() ? kNone : found->second;
  }

  absl::string_view name(std::uint16_t number) const { return names_[number]; }

 private:
  std::vector<std::string> names_;
  absl::flat_hash_map<std::uint64_t, std::uint16_t> numbers_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_METHOD_NAMES_H_
