// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/queue_caller.h
//
// Calls of one method of a server, over one queue of the library: thousands
// may be under way, and one thread starts them all and sees how they end.
#ifndef LAUBERHORN_CLI_LOAD_QUEUE_CALLER_H_
#define LAUBERHORN_CLI_LOAD_QUEUE_CALLER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/load/caller.h"
#include "lauberhorn/call_queue.h"
#include "lauberhorn/client.h"

namespace lauberhorn::cli {

class QueueCaller final : public Caller {
 public:
  // The most calls that can be under way.
  static constexpr std::uint32_t kMostOutstanding = 65'535;

  struct Options {
    std::string target;
    std::string method;  // its full name
    std::string body;    // of each request
    absl::Duration deadline;
    std::uint32_t outstanding = 1;  // numbers of calls are below
  };

  // Opens a runtime of its own. Errors: those of Client::Connect() and
  // Runtime::Open().
  static absl::StatusOr<std::unique_ptr<QueueCaller>> Create(Options options);

  // One call, when no other is under way: how it ended, or why it could not be
  // made.
  absl::Status CallOnce();

  std::uint64_t Now() override;
  absl::Status Start(std::uint32_t number) override;
  std::optional<Ended> Next(std::uint64_t until) override;

 private:
  QueueCaller(Options options, std::shared_ptr<Client> client,
              std::unique_ptr<CallQueue> queue);

  const Options options_;
  const CallRequest request_;  // refers to options_
  const std::shared_ptr<Client> client_;
  const std::unique_ptr<CallQueue> queue_;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_QUEUE_CALLER_H_
