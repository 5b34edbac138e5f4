// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/connection.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn {
namespace {

constexpr std::uint32_t kMinDefaultWorkers = 2;

// `endpoints`: how many the device has.
lh_command_limits Limits(const RuntimeOptions& options,
                         std::uint32_t endpoints) {
  lh_command_limits limits = {};
  limits.threads =
      options.max_workers == 0
          ? endpoints / 2
          : std::min(options.max_workers, endpoints - kReservedEndpoints);
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

}  // namespace

Connection::Connection(const RuntimeOptions& options, std::uint64_t number,
                       std::unique_ptr<Device> device,
                       const MethodRows& methods, std::function<void()> renew)
    : number_(number),
      renew_(std::move(renew)),
      device_(std::move(device)),
      endpoints_(std::make_shared<EndpointPool>(*this, *device_,
                                                options.spin_before_park)),
      call_numbers_(device_->Attach().process->call_first,
                    EndpointCalls(*device_->Attach().process)),
      queued_calls_(device_->Attach().process->call_first +
                        EndpointCalls(*device_->Attach().process),
                    device_->Attach().process->call_count -
                        EndpointCalls(*device_->Attach().process)),
      workers_(*endpoints_, methods, device_->Attach(),
               Limits(options, device_->Attach().process->endpoint_count)) {}

Connection::~Connection() {
  workers_.WaitForEnd();
  endpoints_->CloseForever();
}

bool Connection::NoticeLoss() const {
  if (!IsLost()) return false;
  AskForRenewal();
  return true;
}

bool Connection::CloseIfUnused() {
  return workers_.HaveEnded() && endpoints_->CloseIfUnused();
}

absl::Status Connection::NameNewMethod(std::uint64_t id,
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
  if (!status.ok() && !absl::IsResourceExhausted(status)) {
    NoticeLoss();
    return status;
  }
  known_methods_.Add(id, name);
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> Connection::TellAddress(
    lh_command for_ip, lh_command for_socket, std::uint64_t server,
    const ServerAddress& address) {
  const std::string& name = address.socket;
  if (name.empty()) {
    lh_command_listen command = {};
    command.server = server;
    command.address = address.ip;
    return Control(for_ip, command);
  }
  lh_command_socket command = {};
  command.server = server;
  command.name_length = static_cast<__u16>(name.size());
  std::vector<std::uint8_t> payload(sizeof(command) + name.size());
  std::memcpy(payload.data(), &command, sizeof(command));
  std::memcpy(payload.data() + sizeof(command), name.data(), name.size());
  return ControlBytes(for_socket, payload);
}

absl::StatusOr<std::uint64_t> Connection::ControlBytes(
    lh_command number, absl::Span<const std::uint8_t> payload) {
  const absl::StatusOr<Endpoint*> endpoint = endpoints_->ThisThread();
  if (!endpoint.ok()) return endpoint.status();
  absl::StatusOr<std::uint64_t> result = (*endpoint)->Control(number, payload);
  if (!result.ok()) NoticeLoss();
  return result;
}

}  // namespace lauberhorn
