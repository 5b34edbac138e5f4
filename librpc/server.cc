// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/server.h"

#include <condition_variable>
#include <cstddef>
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

absl::Status Closed() {
  return absl::FailedPreconditionError("the server has been shut down");
}

// In a connection it has a handle, workers, and what it was given: its methods
// and its ports. All of that is made again in the next. A row of a method stays
// until the server ends, since workers of lost connections may be at it.
class ServerImpl final : public Server, public Registration {
 public:
  explicit ServerImpl(std::shared_ptr<Runtime> runtime)
      : runtime_(std::move(runtime)) {}

  ~ServerImpl() override {
    Shutdown(absl::InfiniteFuture());
    runtime().RemoveRegistration(this);
  }

  absl::Status AddService(absl::Span<const Method> methods,
                          void* service) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != kOpen) return Closed();
    absl::Status fits = CheckMethods(methods);
    if (!fits.ok()) return fits;
    for (const Method& method : methods) {
      absl::Status status = AddMethod(method, service);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int> Listen(absl::string_view address) override {
    absl::StatusOr<ServerAddress> resolved =
        ResolveTarget(address, TargetUse::kListen);
    if (!resolved.ok()) return resolved.status();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != kOpen) return Closed();
    const absl::StatusOr<std::uint64_t> port =
        connection_->Listen(handle_, *resolved);
    if (!port.ok()) return port.status();
    resolved->ip.port = static_cast<__u16>(*port);
    addresses_.push_back(*resolved);
    ++listening_;
    return static_cast<int>(*port);
  }

  absl::Status Register(const std::shared_ptr<Connection>& to) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != kOpen) return absl::OkStatus();
    if (connection_ != to) {
      absl::Status opened = Open(to);
      if (!opened.ok()) return opened;
    }
    // A port may be somebody else's by now, and free again later.
    for (; listening_ < addresses_.size(); ++listening_) {
      absl::Status status =
          connection_->Listen(handle_, addresses_[listening_]).status();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  using Server::Shutdown;
  void Shutdown(absl::Time deadline) override {
    std::shared_ptr<Connection> connection;
    lh_command_close command;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      // Nothing is added any more, nor registered anew.
      if (state_ == kOpen) state_ = kClosing;
      if (state_ == kClosed) return;
      connection = connection_;
      command.server = handle_;
    }
    if (connection == nullptr) return;  // it was never made
    command.deadline = ToDeviceDeadline(deadline);
    // Whoever comes first is answered when the last call has ended, and
    // finishes; the others are refused at once, and wait.
    const absl::Status closed =
        connection->endpoints().ControlSurely(LH_COMMAND_SERVER_CLOSE, command);
    if (!absl::IsAlreadyExists(closed) && !absl::IsNotFound(closed)) {
      Finish(*connection);
    }
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return state_ == kClosed;
    });
  }

 private:
  enum State { kOpen, kClosing, kFinishing, kClosed };

  struct Service {
    Method method;
    void* service;
    std::uint16_t row;
  };

  RuntimeImpl& runtime() const { return RuntimeImpl::From(*runtime_); }

  // No call is in work, and none will come; nor from a NIC that is lost, once
  // its workers have ended. The lock is not held while they do.
  void Finish(Connection& connection) {
    std::vector<std::uint16_t> rows;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ != kClosing) return;
      state_ = kFinishing;
      rows.swap(rows_);
    }
    if (connection.NoticeLoss()) connection.workers().WaitForEnd();
    runtime().WaitForLostWorkers();
    for (const std::uint16_t row : rows) runtime().methods().Remove(row);
    connection.workers().Release();
    const std::lock_guard<std::mutex> lock(mutex_);
    state_ = kClosed;
    changed_.notify_all();
  }

  // Registers without ports, and leaves the last connection for this one.
  absl::Status Open(const std::shared_ptr<Connection>& to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::Status started = to->workers().Acquire();
    if (!started.ok()) return started;
    const absl::StatusOr<std::uint64_t> handle =
        to->ControlBytes(LH_COMMAND_SERVER_OPEN, {});
    absl::Status status = handle.status();
    for (const Service& each : services_) {
      if (status.ok()) status = TellMethod(*to, *handle, each);
    }
    if (!status.ok()) {
      lh_command_close command = {};
      command.server = handle.value_or(0);
      // It has no calls, so it is closed at once.
      if (handle.ok()) (void)to->Control(LH_COMMAND_SERVER_CLOSE, command);
      to->workers().Release();
      return status;
    }
    connection_ = to;
    handle_ = *handle;
    listening_ = 0;
    return absl::OkStatus();
  }

  // Whether all of these can be added.
  absl::Status CheckMethods(absl::Span<const Method> methods) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const Method& method : methods) {
      if (method.name.size() > LH_METHOD_NAME_MAX) {
        return absl::InvalidArgumentError(
            absl::StrCat("the name of a method has at most ",
                         LH_METHOD_NAME_MAX, " bytes: ", method.name));
      }
      for (const Service& other : services_) {
        absl::Status status = CheckPair(method, other.method);
        if (!status.ok()) return status;
      }
      for (const Method& other : methods) {
        if (&other == &method) continue;
        absl::Status status = CheckPair(method, other);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  static absl::Status CheckPair(const Method& method, const Method& other) {
    if (other.id != method.id) return absl::OkStatus();
    return absl::AlreadyExistsError(
        other.name == method.name
            ? absl::StrCat(method.name, " is there already")
            : absl::StrCat(method.name, " and ", other.name,
                           " have the same id; rename one"));
  }

  absl::Status AddMethod(const Method& method, void* service)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::StatusOr<std::uint16_t> row =
        runtime().methods().Add(method.thunk, service);
    if (!row.ok()) return row.status();
    const Service added = {method, service, *row};
    absl::Status status = TellMethod(*connection_, handle_, added);
    // A NIC that is lost may have let a worker call it before.
    if (status.ok() || connection_->NoticeLoss()) {
      rows_.push_back(*row);
    } else {
      runtime().methods().Remove(*row);
    }
    if (status.ok()) services_.push_back(added);
    return status;
  }

  static absl::Status TellMethod(Connection& connection, std::uint64_t server,
                                 const Service& service) {
    const absl::string_view name = service.method.name;
    lh_command_method command = {};
    command.server = server;
    command.method = service.method.id;
    command.code = reinterpret_cast<std::uint64_t>(service.method.thunk);
    command.data = reinterpret_cast<std::uint64_t>(service.service);
    command.index = service.row;
    command.name_length = static_cast<__u16>(name.size());
    std::uint8_t payload[sizeof(command) + LH_METHOD_NAME_MAX];
    std::memcpy(payload, &command, sizeof(command));
    std::memcpy(payload + sizeof(command), name.data(), name.size());
    return connection
        .ControlBytes(LH_COMMAND_METHOD_ADD,
                      {payload, sizeof(command) + name.size()})
        .status();
  }

  const std::shared_ptr<Runtime> runtime_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ ABSL_GUARDED_BY(mutex_) = kOpen;
  // Where it is registered; null until it is for the first time.
  std::shared_ptr<Connection> connection_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t handle_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Service> services_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint16_t> rows_ ABSL_GUARDED_BY(mutex_);
  std::vector<ServerAddress> addresses_ ABSL_GUARDED_BY(mutex_);
  std::size_t listening_ ABSL_GUARDED_BY(mutex_) = 0;  // at so many of these
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(
    std::shared_ptr<Runtime> runtime) {
  RuntimeImpl& impl = RuntimeImpl::From(*runtime);
  auto server = std::make_unique<ServerImpl>(std::move(runtime));
  const absl::Status registered = impl.AddRegistration(server.get());
  if (!registered.ok()) return registered;
  return server;
}

}  // namespace lauberhorn
