// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/runtime_impl.h
//
// What a runtime is made of: a connection to its NIC, the methods of the
// process, and its servers.
//
// When the NIC is lost, whoever finds out first starts a thread that attaches
// to the next one as soon as it is there, lets the servers register again, and
// makes the new connection the current one. Servers keep their shared pointer
// to theirs, queues too; a client has a handle in one and gets another in the
// next. A connection that was lost goes at the next attempt after its last user
// has, so what is kept does not grow with the number of NICs; of the kernel's
// nothing is kept from the first attempt on.
//
// The child of a fork has connections of its own; the servers are the parent's.
//
// Threads that have an endpoint in the current connection find it without a
// lock: it is an acquire load of what is compared only. The thread's endpoint
// keeps the connection, so nothing is counted per call.
//
// Locks, in this order: servers_mutex_, that of a server, mutex_.
#ifndef LAUBERHORN_LIBRPC_RUNTIME_IMPL_H_
#define LAUBERHORN_LIBRPC_RUNTIME_IMPL_H_

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lauberhorn/cancellation.h"
#include "lauberhorn/runtime.h"
#include "librpc/connection.h"
#include "librpc/device.h"
#include "librpc/method_rows.h"
#include "librpc/retry_thread.h"

namespace lauberhorn {

// What the NIC is told anew in each connection: a server.
class Registration {
 public:
  virtual ~Registration() = default;

  // Registers with the NIC of this connection, as far as that has not been
  // done. Not called by two threads at a time.
  virtual absl::Status Register(const std::shared_ptr<Connection>& to) = 0;
};

class RuntimeImpl final : public Runtime {
 public:
  // Opens the device anew; UNAVAILABLE while no NIC serves.
  using OpenDevice = std::function<absl::StatusOr<std::unique_ptr<Device>>()>;

  // Without `open` it ends with the device's NIC.
  RuntimeImpl(const RuntimeOptions& options, std::unique_ptr<Device> device,
              OpenDevice open = nullptr);
  ~RuntimeImpl() override;

  // Every Runtime is one of these.
  static RuntimeImpl& From(Runtime& runtime) {
    return static_cast<RuntimeImpl&>(runtime);
  }

  // The connection to the NIC, or to the one that was lost if there is no other
  // yet. Takes a lock.
  std::shared_ptr<Connection> Current() const;

  // The calling thread's endpoint in the current connection, which stays as
  // long as the thread has that. No lock but at a thread's first use. Errors:
  // of EndpointPool::ThisThread().
  absl::StatusOr<Endpoint*> ThisThread(Connection** connection) {
    EndpointPool* const endpoints =
        current_endpoints_.load(std::memory_order_acquire);
    if (Endpoint* const mine = EndpointPool::FindThisThread(endpoints)) {
      *connection = &endpoints->connection();
      return mine;
    }
    return TakeThisThread(connection);
  }

  // Waits while the NIC is lost: until then (device_time.h), and until the
  // cancellation, if it is not null, says so. UNAVAILABLE if no other NIC will
  // come, DEADLINE_EXCEEDED, CANCELLED.
  absl::Status AwaitNic(std::int64_t until, Cancellation* cancellation);

  // Registers now, and again in each connection that follows, until it is
  // removed. If that fails it is not added. Waits for the NIC.
  absl::Status AddRegistration(Registration* registration);
  void RemoveRegistration(Registration* registration);

  // Waits until no worker of a NIC that was lost runs a handler. Not for
  // handlers.
  void WaitForLostWorkers();

  MethodRows& methods() { return methods_; }

 private:
  absl::StatusOr<Endpoint*> TakeThisThread(Connection** connection);
  std::shared_ptr<Connection> MakeConnection(std::unique_ptr<Device> device);
  void Publish(std::shared_ptr<Connection> connection);
  // Whether the NIC is there, knows all servers, and lacked no workers.
  bool Renew();
  bool RegisterAll(const std::shared_ptr<Connection>& to);
  void DropLost();

  const RuntimeOptions options_;
  const OpenDevice open_;
  RetryThread renewal_;
  MethodRows methods_;
  std::uint64_t connections_made_ = 0;  // the constructor's, then renewal_'s
  std::atomic<EndpointPool*> current_endpoints_{nullptr};
  std::mutex servers_mutex_;
  std::vector<Registration*> servers_ ABSL_GUARDED_BY(servers_mutex_);
  pid_t process_ ABSL_GUARDED_BY(servers_mutex_) = getpid();  // theirs
  mutable std::mutex mutex_;
  std::shared_ptr<Connection> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Connection>> lost_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_RUNTIME_IMPL_H_
