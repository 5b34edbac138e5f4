// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/process.h
//
// Processes that run the library, found by their sockets (nic/report_path.h),
// and asked. Nothing here believes what a process says before it was parsed.
#ifndef LAUBERHORN_CLI_PROCESS_H_
#define LAUBERHORN_CLI_PROCESS_H_

#include <google/protobuf/struct.pb.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::cli {

// An engine of a process.
struct Engine {
  pid_t pid;
  int number;  // of the engine in its process, from 1
  std::string program;
  std::string path;  // of its socket
};

// All engines that this user may ask; root, those of all users.
std::vector<Engine> ListEngines();

// The engines of the process with this number, or of those with this name; at
// least one. The errors say why there is none.
absl::StatusOr<std::vector<Engine>> FindEngines(const std::string& which);

// Sends the request, and gives each line of the answer to `take`, until this
// returns an error. Errors: the socket's, a line that is too long.
absl::Status Ask(const Engine& engine, absl::string_view request,
                 const std::function<absl::Status(const std::string&)>& take);

// A line of JSON; INTERNAL if it is none, the process's error if it says one.
absl::StatusOr<google::protobuf::Value> ParseJson(const std::string& line);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_PROCESS_H_
