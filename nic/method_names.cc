// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/method_names.h"

#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {

absl::Status MethodNames::Add(std::uint64_t method, absl::string_view name) {
  const std::uint16_t number = Find(method);
  if (number != kNone) {
    if (names_[number] == name) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("the methods ", names_[number], " and ", name,
                     " have the same id; rename one"));
  }
  if (names_.size() == kMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process calls more than ", kMax, " methods; ", name,
                     " is called by its id alone"));
  }
  numbers_.emplace(method, static_cast<std::uint16_t>(names_.size()));
  names_.emplace_back(name);
  return absl::OkStatus();
}

}  // namespace lauberhorn::nic
