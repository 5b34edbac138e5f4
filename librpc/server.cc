// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/server.h"

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "librpc/device_time.h"
#include "librpc/runtime_impl.h"
#include "librpc/target.h"

namespace lauberhorn {
namespace {

class ServerImpl final : public Server {
 public:
  ServerImpl(std::shared_ptr<Runtime> runtime, std::uint64_t handle)
      : runtime_(std::move(runtime)), handle_(handle) {}

  ~ServerImpl() override { Shutdown(absl::InfiniteFuture()); }

  absl::Status AddService(absl::Span<const Method> methods,
                          void* service) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != kOpen) return Closed();
    for (const Method& method : methods) {
      if (method.name.size() > LH_METHOD_NAME_MAX) {
        return absl::InvalidArgumentError(
            absl::StrCat("the name of a method has at most ",
                         LH_METHOD_NAME_MAX, " bytes: ", method.name));
      }
      for (const absl::Span<const Method> others :
           {absl::MakeConstSpan(methods_), methods}) {
        for (const Method& other : others) {
          if (&other == &method || other.id != method.id) continue;
          return absl::AlreadyExistsError(
              other.name == method.name
                  ? absl::StrCat(method.name, " is there already")
                  : absl::StrCat(method.name, " and ", other.name,
                                 " have the same id; rename one"));
        }
      }
    }
    for (const Method& method : methods) {
      absl::Status status = AddMethod(method, service);
      if (!status.ok()) return status;
      methods_.push_back(method);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int> Listen(absl::string_view address) override {
    const absl::StatusOr<lh_address> resolved =
        ResolveTarget(address, TargetUse::kListen);
    if (!resolved.ok()) return resolved.status();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != kOpen) return Closed();
    lh_command_listen command = {};
    command.server = handle_;
    command.address = *resolved;
    const absl::StatusOr<std::uint64_t> port =
        runtime().Control(LH_COMMAND_LISTEN, command);
    if (!port.ok()) return port.status();
    return static_cast<int>(*port);
  }

  using Server::Shutdown;
  void Shutdown(absl::Time deadline) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ == kOpen) state_ = kClosing;  // nothing is added any more
      if (state_ == kClosed) return;
    }
    lh_command_close command;
    command.server = handle_;
    command.deadline = ToDeviceDeadline(deadline);
    // Whoever comes first is answered when the last call has ended, and
    // finishes; the others are refused at once, and wait.
    const absl::Status closed =
        runtime().endpoints().ControlSurely(LH_COMMAND_SERVER_CLOSE, command);
    if (!absl::IsAlreadyExists(closed) && !absl::IsNotFound(closed)) Finish();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return state_ == kClosed;
    });
  }

 private:
  enum State { kOpen, kClosing, kFinishing, kClosed };

  // No call is in work, and none will come; nor if the NIC is lost, once its
  // workers have ended. The lock is not held while they do.
  void Finish() {
    std::vector<std::uint16_t> rows;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ != kClosing) return;
      state_ = kFinishing;
      rows.swap(rows_);
    }
    if (runtime().IsLost()) runtime().workers().WaitForEnd();
    for (const std::uint16_t row : rows) runtime().methods().Remove(row);
    runtime().workers().Release();
    const std::lock_guard<std::mutex> lock(mutex_);
    state_ = kClosed;
    changed_.notify_all();
  }

  static absl::Status Closed() {
    return absl::FailedPreconditionError("the server has been shut down");
  }

  RuntimeImpl& runtime() const { return RuntimeImpl::From(*runtime_); }

  absl::Status AddMethod(const Method& method, void* service)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::StatusOr<std::uint16_t> row =
        runtime().methods().Add(method.thunk, service);
    if (!row.ok()) return row.status();
    lh_command_method command = {};
    command.server = handle_;
    command.method = method.id;
    command.code = reinterpret_cast<std::uint64_t>(method.thunk);
    command.data = reinterpret_cast<std::uint64_t>(service);
    command.index = *row;
    command.name_length = static_cast<__u16>(method.name.size());
    std::uint8_t payload[sizeof(command) + LH_METHOD_NAME_MAX];
    std::memcpy(payload, &command, sizeof(command));
    std::memcpy(payload + sizeof(command), method.name.data(),
                method.name.size());
    const absl::StatusOr<std::uint64_t> added = runtime().ControlBytes(
        LH_COMMAND_METHOD_ADD, {payload, sizeof(command) + method.name.size()});
    if (!added.ok()) {
      runtime().methods().Remove(*row);
      return added.status();
    }
    rows_.push_back(*row);
    return absl::OkStatus();
  }

  const std::shared_ptr<Runtime> runtime_;
  const std::uint64_t handle_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ ABSL_GUARDED_BY(mutex_) = kOpen;
  std::vector<Method> methods_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint16_t> rows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(
    std::shared_ptr<Runtime> runtime) {
  RuntimeImpl& impl = RuntimeImpl::From(*runtime);
  const absl::Status started = impl.workers().Acquire();
  if (!started.ok()) return started;
  const absl::StatusOr<std::uint64_t> handle =
      impl.ControlBytes(LH_COMMAND_SERVER_OPEN, {});
  if (!handle.ok()) {
    impl.workers().Release();
    return handle.status();
  }
  return std::make_unique<ServerImpl>(std::move(runtime), *handle);
}

}  // namespace lauberhorn
