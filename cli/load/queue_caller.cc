// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/queue_caller.h"

#include <sys/prctl.h>

#include <chrono>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/time/clock.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"

namespace lauberhorn::cli {
namespace {

// A call's number as its tag in the queue, and back.
void* TagOf(std::uint32_t number) {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
}
std::uint32_t NumberOf(const void* tag) {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(tag));
}

}  // namespace

absl::StatusOr<std::unique_ptr<QueueCaller>> QueueCaller::Create(
    Options options) {
  RuntimeOptions wanted;
  // One more: a call counts until its completion is gone.
  wanted.max_calls = options.outstanding + 1;
  auto runtime = Runtime::Open(wanted);
  if (!runtime.ok()) return runtime.status();
  auto client = Client::Connect(*runtime, options.target);
  if (!client.ok()) return client.status();
  auto queue = CallQueue::Create(*runtime);
  if (!queue.ok()) return queue.status();
  // Waits end when they should, not 50 us later.
  prctl(PR_SET_TIMERSLACK, 1);
  return absl::WrapUnique(new QueueCaller(
      std::move(options), *std::move(client), *std::move(queue)));
}

QueueCaller::QueueCaller(Options options, std::shared_ptr<Client> client,
                         std::unique_ptr<CallQueue> queue)
    : options_(std::move(options)),
      request_{options_.method,
               MethodId(options_.method),
               {reinterpret_cast<const std::uint8_t*>(options_.body.data()),
                options_.body.size()},
               {}},
      client_(std::move(client)),
      queue_(std::move(queue)) {}

absl::Status QueueCaller::CallOnce() {
  absl::Status started = Start(0);
  if (!started.ok()) return started;
  Completion completion;
  queue_->Next(&completion);
  return completion.status();
}

std::uint64_t QueueCaller::Now() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

absl::Status QueueCaller::Start(std::uint32_t number) {
  CallOptions call;
  call.deadline = absl::Now() + options_.deadline;
  return queue_->Start(*client_, request_, call, TagOf(number)).status();
}

std::optional<Caller::Ended> QueueCaller::Next(std::uint64_t until) {
  const std::uint64_t now = Now();
  const absl::Duration wait = absl::Nanoseconds(
      static_cast<std::int64_t>(until > now ? until - now : 0));
  Completion completion;
  if (queue_->NextBefore(absl::Now() + wait, &completion) !=
      CallQueue::Got::kCompletion) {
    return std::nullopt;
  }
  return Ended{NumberOf(completion.tag()), completion.status()};
}

}  // namespace lauberhorn::cli
