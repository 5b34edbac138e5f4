// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/caller.h
//
// What a load is made with: calls of one method, several at a time, and a
// clock. The tool has one over a queue of calls (cli/load/queue_caller.h);
// tests have one whose time is simulated.
//
// Thread-safety: for one thread.
#ifndef LAUBERHORN_CLI_LOAD_CALLER_H_
#define LAUBERHORN_CLI_LOAD_CALLER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

namespace lauberhorn::cli {

class Caller {
 public:
  struct Ended {
    std::uint32_t number;
    absl::Status status;
  };

  virtual ~Caller() = default;

  // Nanoseconds since whenever.
  virtual std::uint64_t Now() = 0;

  // Starts call `number`, which is not under way. An error says that it cannot
  // be made at all.
  virtual absl::Status Start(std::uint32_t number) = 0;

  // Waits until a call ends, at most until then.
  virtual std::optional<Ended> Next(std::uint64_t until) = 0;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_CALLER_H_
