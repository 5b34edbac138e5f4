// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/runtime_impl.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "librpc/device_time.h"
#include "librpc/environment.h"
#include "librpc/open_device.h"

namespace lauberhorn {
namespace {

constexpr std::uint32_t kMinEndpoints = 4;
constexpr std::uint32_t kMaxEndpoints = 1024;
constexpr std::uint32_t kMaxCalls = 65'536;

// How often a call that waits for the NIC looks whether it is there.
constexpr std::int64_t kLookForNic = 10'000'000;

absl::StatusOr<std::unique_ptr<Device>> OpenUsableDevice(
    const std::string& path, const RuntimeOptions& options) {
  absl::StatusOr<std::unique_ptr<Device>> device = OpenDevice(path, options);
  if (!device.ok()) return device;
  const std::uint32_t endpoints = (*device)->Attach().process->endpoint_count;
  if (endpoints >= kMinEndpoints) return device;
  return absl::FailedPreconditionError(absl::StrCat(
      "the device has ", endpoints,
      " endpoints for a process, and this library needs ", kMinEndpoints));
}

ABSL_CONST_INIT std::mutex default_mutex;

// Guarded by default_mutex. Never destroyed: threads may still run when the
// process exits.
std::weak_ptr<Runtime>& DefaultRuntime() {
  static auto& runtime = *new std::weak_ptr<Runtime>;
  return runtime;
}

}  // namespace

absl::StatusOr<std::shared_ptr<Runtime>> Runtime::Open(
    const RuntimeOptions& options) {
  if (options.endpoints < kMinEndpoints || options.endpoints > kMaxEndpoints) {
    return absl::InvalidArgumentError(
        "RuntimeOptions::endpoints must be 4 to 1024");
  }
  if (options.max_workers > options.endpoints - kReservedEndpoints) {
    return absl::InvalidArgumentError(
        "RuntimeOptions::max_workers must be at most endpoints - 2");
  }
  if (options.max_queued == 0) {
    return absl::InvalidArgumentError(
        "RuntimeOptions::max_queued must be at least 1");
  }
  if (options.max_calls == 0 || options.max_calls > kMaxCalls) {
    return absl::InvalidArgumentError(
        "RuntimeOptions::max_calls must be 1 to 65536");
  }
  if (options.spin_before_park < absl::ZeroDuration() ||
      options.spin_before_park > absl::Seconds(1)) {
    return absl::InvalidArgumentError(
        "RuntimeOptions::spin_before_park must be 0 to 1 s");
  }
  // Once: a runtime stays with the device that it began with.
  const absl::StatusOr<std::string> path =
      DevicePath(options.device, Environment("LAUBERHORN_DEVICE"));
  if (!path.ok()) return path.status();
  const RuntimeImpl::OpenDevice open = [path = *path, options] {
    return OpenUsableDevice(path, options);
  };
  absl::StatusOr<std::unique_ptr<Device>> device = open();
  if (!device.ok()) return device.status();
  return std::make_shared<RuntimeImpl>(options, *std::move(device), open);
}

absl::StatusOr<std::shared_ptr<Runtime>> Runtime::Default() {
  const std::lock_guard<std::mutex> lock(default_mutex);
  std::weak_ptr<Runtime>& shared = DefaultRuntime();
  if (std::shared_ptr<Runtime> runtime = shared.lock()) return runtime;
  absl::StatusOr<std::shared_ptr<Runtime>> runtime = Open({});
  if (runtime.ok()) shared = *runtime;
  return runtime;
}

RuntimeImpl::RuntimeImpl(const RuntimeOptions& options,
                         std::unique_ptr<Device> device, OpenDevice open)
    : options_(options),
      open_(std::move(open)),
      renewal_([this] { return Renew(); }) {
  Publish(MakeConnection(std::move(device)));
}

RuntimeImpl::~RuntimeImpl() { renewal_.Stop(); }

std::shared_ptr<Connection> RuntimeImpl::MakeConnection(
    std::unique_ptr<Device> device) {
  return std::make_shared<Connection>(options_, ++connections_made_,
                                      std::move(device), methods_, [this] {
                                        if (open_ != nullptr) renewal_.Start();
                                      });
}

std::shared_ptr<Connection> RuntimeImpl::Current() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return current_;
}

absl::StatusOr<Endpoint*> RuntimeImpl::TakeThisThread(Connection** connection) {
  const std::shared_ptr<Connection> current = Current();
  *connection = current.get();
  return current->endpoints().ThisThread();
}

absl::Status RuntimeImpl::AwaitNic(std::int64_t until,
                                   Cancellation* cancellation) {
  while (Current()->NoticeLoss()) {
    if (open_ == nullptr) return NicIsLost();
    const std::int64_t left = until - MonotonicNanos();
    if (left <= 0) {
      return absl::DeadlineExceededError("while waiting for the NIC");
    }
    // The cancellation can be waited for, but not together with anything else.
    const absl::Duration pause = absl::Nanoseconds(std::min(left, kLookForNic));
    if (cancellation == nullptr) {
      absl::SleepFor(pause);
    } else if (cancellation->WaitFor(pause)) {
      return absl::CancelledError("while waiting for the NIC");
    }
  }
  return absl::OkStatus();
}

absl::Status RuntimeImpl::AddRegistration(Registration* registration) {
  const std::lock_guard<std::mutex> lock(servers_mutex_);
  absl::Status status = registration->Register(Current());
  if (status.ok()) servers_.push_back(registration);
  return status;
}

void RuntimeImpl::RemoveRegistration(Registration* registration) {
  const std::lock_guard<std::mutex> lock(servers_mutex_);
  servers_.erase(std::remove(servers_.begin(), servers_.end(), registration),
                 servers_.end());
}

void RuntimeImpl::WaitForLostWorkers() {
  std::vector<std::shared_ptr<Connection>> lost;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    lost = lost_;
    if (current_->IsLost()) lost.push_back(current_);
  }
  for (const std::shared_ptr<Connection>& connection : lost) {
    connection->workers().WaitForEnd();
  }
}

bool RuntimeImpl::Renew() {
  DropLost();
  const std::shared_ptr<Connection> last = Current();
  // One that was just started may end at once: that is not settled yet.
  if (!last->IsLost()) {
    return RegisterAll(last) && !last->workers().ReplaceMissing();
  }
  // The module may have to go before the next NIC comes.
  last->LetGo();
  absl::StatusOr<std::unique_ptr<Device>> device = open_();
  if (!device.ok()) return false;
  const std::shared_ptr<Connection> next = MakeConnection(*std::move(device));
  // First: whoever finds the NIC there again finds the servers, too.
  const bool registered = RegisterAll(next);
  Publish(next);
  DropLost();
  return registered && !next->IsLost();
}

bool RuntimeImpl::RegisterAll(const std::shared_ptr<Connection>& to) {
  const std::lock_guard<std::mutex> lock(servers_mutex_);
  // In the child of a fork: they serve in the parent.
  const pid_t here = getpid();
  if (std::exchange(process_, here) != here) servers_.clear();
  bool all = true;
  for (Registration* const server : servers_) {
    if (!server->Register(to).ok()) all = false;
  }
  return all;
}

void RuntimeImpl::Publish(std::shared_ptr<Connection> connection) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (current_ != nullptr) lost_.push_back(std::move(current_));
  current_ = std::move(connection);
  current_endpoints_.store(&current_->endpoints(), std::memory_order_release);
}

// Only here do connections go that were lost, so it is no worker who waits for
// its own end.
void RuntimeImpl::DropLost() {
  std::vector<std::shared_ptr<Connection>> unused;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto used = [](const std::shared_ptr<Connection>& connection) {
      return connection.use_count() > 1 || !connection->CloseIfUnused();
    };
    const auto end = std::stable_partition(lost_.begin(), lost_.end(), used);
    unused.assign(std::make_move_iterator(end),
                  std::make_move_iterator(lost_.end()));
    lost_.erase(end, lost_.end());
  }
}

}  // namespace lauberhorn
