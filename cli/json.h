// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/json.h
//
// Members of a report, or nothing of their kind where there are none: what a
// process says is not to be relied on.
#ifndef LAUBERHORN_CLI_JSON_H_
#define LAUBERHORN_CLI_JSON_H_

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <string>

namespace lauberhorn::cli {

inline const google::protobuf::Value& At(const google::protobuf::Struct& object,
                                         const std::string& key) {
  static const auto& nothing = *new google::protobuf::Value;
  const auto found = object.fields().find(key);
  return found == object.fields().end() ? nothing : found->second;
}

inline double Number(const google::protobuf::Struct& object,
                     const std::string& key) {
  return At(object, key).number_value();
}

inline const google::protobuf::Struct& Object(
    const google::protobuf::Struct& object, const std::string& key) {
  return At(object, key).struct_value();
}

// Fit for a terminal.
inline std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char character) { return character < ' ' || character > '~'; }, '?');
  return text;
}

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_JSON_H_
