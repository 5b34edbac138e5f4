// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/request_body.h
//
// The bytes of a request, from what a user writes.
//
// Thread-safety: functions without state. Errors say what is wrong where.
#ifndef LAUBERHORN_CLI_LOAD_REQUEST_BODY_H_
#define LAUBERHORN_CLI_LOAD_REQUEST_BODY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::cli {

// "0a 05 48", with or without spaces.
absl::StatusOr<std::string> BodyFromHex(absl::string_view hex);

// All of a file.
absl::StatusOr<std::string> BodyFromFile(const std::string& path);

struct TextRequest {
  std::string proto;                      // the file that has the service
  std::vector<std::string> import_paths;  // none: the folder of `proto`
  std::string method;                     // "/package.Service/Method"
  std::string text;                       // the message in text format
};

// The request of that method, serialized. NOT_FOUND if the file has no such
// method; it says which there are.
absl::StatusOr<std::string> BodyFromText(const TextRequest& request);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_REQUEST_BODY_H_
