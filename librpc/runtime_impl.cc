// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/runtime_impl.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "abi/host/control.h"
#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "librpc/open_device.h"

namespace lauberhorn {
namespace {

constexpr std::uint32_t kMinEndpoints = 4;
constexpr std::uint32_t kMaxEndpoints = 1024;
constexpr std::uint32_t kMinDefaultWorkers = 2;
constexpr std::uint32_t kMaxCalls = 65'536;

// Endpoints that workers must leave to others: one for the main thread, and the
// one that is kept for control commands.
constexpr std::uint32_t kReserved = 2;

// `endpoints`: how many the device has.
lh_command_limits Limits(const RuntimeOptions& options,
                         std::uint32_t endpoints) {
  lh_command_limits limits = {};
  limits.threads = options.max_workers == 0
                       ? endpoints / 2
                       : std::min(options.max_workers, endpoints - kReserved);
  limits.running =
      options.workers == 0
          ? std::max(std::thread::hardware_concurrency(), kMinDefaultWorkers)
          : options.workers;
  limits.queued = options.max_queued;
  return limits;
}

// Of the numbers of own calls, those that are for endpoints.
std::uint32_t EndpointCalls(const lh_process_layout& process) {
  return std::min(process.endpoint_count, process.call_count);
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
  if (options.max_workers > options.endpoints - kReserved) {
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
  absl::StatusOr<std::unique_ptr<Device>> device = OpenDevice(options);
  if (!device.ok()) return device.status();
  const std::uint32_t endpoints = (*device)->Attach().process->endpoint_count;
  if (endpoints < kMinEndpoints) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the device has ", endpoints,
        " endpoints for a process, and this library needs ", kMinEndpoints));
  }
  return std::make_shared<RuntimeImpl>(options, *std::move(device));
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
                         std::unique_ptr<Device> device)
    : device_(std::move(device)),
      endpoints_(
          std::make_shared<EndpointPool>(*device_, options.spin_before_park)),
      call_numbers_(device_->Attach().process->call_first,
                    EndpointCalls(*device_->Attach().process)),
      queued_calls_(device_->Attach().process->call_first +
                        EndpointCalls(*device_->Attach().process),
                    device_->Attach().process->call_count -
                        EndpointCalls(*device_->Attach().process)),
      workers_(*endpoints_, methods_, device_->Attach(),
               Limits(options, device_->Attach().process->endpoint_count)) {}

RuntimeImpl::~RuntimeImpl() { endpoints_->CloseForever(); }

absl::Status RuntimeImpl::NameNewMethod(std::uint64_t id,
                                        absl::string_view name) {
  if (name.empty() || name.size() > LH_METHOD_NAME_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name of the method '", name.substr(0, 20), "...' has ",
        name.size(), " bytes; it must have 1 to ", LH_METHOD_NAME_MAX));
  }
  lh_command_method_name command = {};
  command.method = id;
  command.name_length = static_cast<__u16>(name.size());
  std::uint8_t payload[sizeof(command) + LH_METHOD_NAME_MAX];
  std::memcpy(payload, &command, sizeof(command));
  std::memcpy(payload + sizeof(command), name.data(), name.size());
  absl::Status status = endpoints_->ControlBytesSurely(
      LH_COMMAND_METHOD_NAME, {payload, sizeof(command) + name.size()});
  if (absl::IsAlreadyExists(status)) {
    return absl::InvalidArgumentError(status.message());
  }
  // The NIC keeps no more names: calls of this method go by its id.
  if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  known_methods_.Add(id, name);
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> RuntimeImpl::ControlBytes(
    lh_command number, absl::Span<const std::uint8_t> payload) {
  const absl::StatusOr<Endpoint*> endpoint = ThisThread();
  if (!endpoint.ok()) return endpoint.status();
  return (*endpoint)->Control(number, payload);
}

}  // namespace lauberhorn
