// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/runtime_impl.h
//
// What a runtime is made of: a device, the endpoints of the threads, the
// workers, the methods, and the numbers of the process's own calls. There
// is one for each endpoint, for the blocking call of its thread or for the
// shutdown of its queue; those of queued calls are apart, so that however many
// there are, a thread finds one for its own.
#ifndef LAUBERHORN_LIBRPC_RUNTIME_IMPL_H_
#define LAUBERHORN_LIBRPC_RUNTIME_IMPL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "lauberhorn/runtime.h"
#include "librpc/call_numbers.h"
#include "librpc/device.h"
#include "librpc/endpoint_pool.h"
#include "librpc/known_methods.h"
#include "librpc/method_rows.h"
#include "librpc/queued_calls.h"
#include "librpc/workers.h"

namespace lauberhorn {

class RuntimeImpl final : public Runtime {
 public:
  RuntimeImpl(const RuntimeOptions& options, std::unique_ptr<Device> device);
  ~RuntimeImpl() override;

  // Every Runtime is one of these.
  static RuntimeImpl& From(Runtime& runtime) {
    return static_cast<RuntimeImpl&>(runtime);
  }

  // Whether the NIC is gone: then nothing that begins succeeds, what is under
  // way ends with UNAVAILABLE, and the workers end.
  bool IsLost() const { return device_->Attach().IsLost(); }

  absl::StatusOr<Endpoint*> ThisThread() { return endpoints_->ThisThread(); }

  // A control command whose payload is one struct, by the calling thread.
  template <typename Command>
  absl::StatusOr<std::uint64_t> Control(lh_command number,
                                        const Command& command) {
    return ControlBytes(
        number,
        {reinterpret_cast<const std::uint8_t*>(&command), sizeof(command)});
  }
  absl::StatusOr<std::uint64_t> ControlBytes(
      lh_command number, absl::Span<const std::uint8_t> payload);

  // Tells the NIC the name of a method before its first call. INVALID_ARGUMENT
  // if the name is too long, or if another one has this id.
  absl::Status NameMethod(std::uint64_t id, absl::string_view name) {
    if (known_methods_.Contains(id, name)) return absl::OkStatus();
    return NameNewMethod(id, name);
  }

  EndpointPool& endpoints() { return *endpoints_; }
  Workers& workers() { return workers_; }
  MethodRows& methods() { return methods_; }
  CallNumbers& call_numbers() { return call_numbers_; }
  QueuedCalls& queued_calls() { return queued_calls_; }

 private:
  absl::Status NameNewMethod(std::uint64_t id, absl::string_view name);

  const std::unique_ptr<Device> device_;
  const std::shared_ptr<EndpointPool> endpoints_;
  MethodRows methods_;
  CallNumbers call_numbers_;  // of endpoints
  QueuedCalls queued_calls_;
  KnownMethods known_methods_;
  Workers workers_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_RUNTIME_IMPL_H_
