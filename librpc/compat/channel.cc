// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Channels of the gRPC-compatible API: a native client, made by the first call.
//
// Locking: none while a name is resolved, so that one slow resolver call does
// not hold up threads with a shorter deadline; of several clients that were
// made at the same time the first one stays. Ordering: connected_ is stored
// with release after client_, so who loads it with acquire sees a complete
// client.
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lauberhorn/runtime.h"

namespace grpc {
inline namespace lh_v1 {
namespace {

// Between two attempts to resolve a name, for calls that wait for it.
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);

// Returns whether the call was cancelled meanwhile.
bool PauseFor(const lauberhorn::CallOptions& options, absl::Duration time) {
  if (options.cancellation != nullptr) {
    return options.cancellation->WaitFor(time);
  }
  absl::SleepFor(time);
  return false;
}

// The two count alike; a client has no SHUTDOWN.
static_assert(static_cast<int>(lauberhorn::ConnectionState::kFailed) ==
              GRPC_CHANNEL_TRANSIENT_FAILURE);

}  // namespace

absl::StatusOr<lauberhorn::Client*> Channel::TryConnect() {
  auto runtime = lauberhorn::Runtime::Default();
  if (!runtime.ok()) return runtime.status();
  auto client =
      lauberhorn::Client::Connect(*std::move(runtime), settings().target);
  const std::lock_guard<std::mutex> lock(mutex_);
  unresolved_.store(!client.ok(), std::memory_order_relaxed);
  changed_.notify_all();
  if (!client.ok()) return client.status();
  if (client_ == nullptr) {
    client_ = *std::move(client);
    connected_.store(client_.get(), std::memory_order_release);
  }
  return client_.get();
}

absl::StatusOr<lauberhorn::Client*> Channel::Connect(
    const lauberhorn::CallOptions& options) {
  if (lauberhorn::Client* client = connected_.load(std::memory_order_acquire)) {
    return client;
  }
  if (!refused_.ok()) return refused_;
  for (absl::Duration pause = kFirstPause;;
       pause = std::min(2 * pause, kLongestPause)) {
    absl::StatusOr<lauberhorn::Client*> client = TryConnect();
    if (client.ok() || !options.wait_for_ready ||
        !absl::IsUnavailable(client.status())) {
      return client;
    }
    const absl::Duration left = options.deadline - absl::Now();
    if (PauseFor(options, std::min(pause, left))) {
      return absl::CancelledError(
          absl::StrCat("while waiting for: ", client.status().message()));
    }
    if (left <= pause) {
      return absl::DeadlineExceededError(
          absl::StrCat("while waiting for: ", client.status().message()));
    }
  }
}

grpc_connectivity_state Channel::GetState(bool try_to_connect) {
  lauberhorn::Client* client = connected_.load(std::memory_order_acquire);
  if (client == nullptr && try_to_connect && refused_.ok()) {
    client = TryConnect().value_or(nullptr);
  }
  if (client == nullptr) return StateWithoutClient();
  const auto state = client->GetState(try_to_connect);
  return state.ok() ? static_cast<grpc_connectivity_state>(*state)
                    : GRPC_CHANNEL_TRANSIENT_FAILURE;
}

bool Channel::WaitForStateChangeBy(grpc_connectivity_state last_observed,
                                   absl::Time deadline) {
  lauberhorn::Client* const client = connected_.load(std::memory_order_acquire);
  if (client == nullptr) return WaitForClient(last_observed, deadline);
  if (last_observed == GRPC_CHANNEL_SHUTDOWN) return true;
  const auto known = static_cast<lauberhorn::ConnectionState>(last_observed);
  const auto state = client->WaitForChange(known, deadline);
  return state.ok() && *state != known;
}

bool Channel::WaitForClient(grpc_connectivity_state last_observed,
                            absl::Time deadline) {
  for (absl::Duration pause = kFirstPause;;
       pause = std::min(2 * pause, kLongestPause)) {
    // A name that could not be resolved is tried again; one that nobody asked
    // for is not.
    const bool retries = last_observed == GRPC_CHANNEL_TRANSIENT_FAILURE;
    const absl::Time until =
        retries ? std::min(absl::Now() + pause, deadline) : deadline;
    if (WaitUntilChanged(last_observed, until)) {
      return connected_.load(std::memory_order_acquire) == nullptr ||
             WaitForStateChangeBy(last_observed, deadline);
    }
    if (deadline <= absl::Now()) return false;
    if (retries) (void)TryConnect();
  }
}

bool Channel::WaitUntilChanged(grpc_connectivity_state last_observed,
                               absl::Time until) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto changed = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return client_ != nullptr || StateWithoutClient() != last_observed;
  };
  if (until == absl::InfiniteFuture()) {
    changed_.wait(lock, changed);
    return true;
  }
  return changed_.wait_until(lock, absl::ToChronoTime(until), changed);
}

std::shared_ptr<Channel> CreateChannel(
    const grpc::string& target,
    const std::shared_ptr<ChannelCredentials>& creds) {
  return CreateCustomChannel(target, creds, ChannelArguments());
}

std::shared_ptr<Channel> CreateCustomChannel(
    const grpc::string& target,
    const std::shared_ptr<ChannelCredentials>& creds,
    const ChannelArguments& args) {
  absl::Status refused;
  if (creds == nullptr) {
    refused = absl::InvalidArgumentError(
        absl::StrCat("the channel to '", target,
                     "' has null credentials; give CreateChannel() "
                     "InsecureChannelCredentials()"));
  }
  return std::shared_ptr<Channel>(
      new Channel(std::move(refused), args.SettingsFor(target)));
}

std::shared_ptr<ChannelCredentials> InsecureChannelCredentials() {
  return std::shared_ptr<ChannelCredentials>(new ChannelCredentials());
}

}  // namespace lh_v1
}  // namespace grpc
