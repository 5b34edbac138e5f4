// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/endpoint_pool.h
//
// The endpoints of the process: one for each thread that talks to the NIC,
// taken at its first use and given back when it ends, and one for each queue.
// A thread that comes to the pool of another connection gives those back that
// it has of NICs that are lost, unless it is at work there.
//
// Thread-safety: safe from any thread. ThisThread() takes a lock only at a
// thread's first use.
#ifndef LAUBERHORN_LIBRPC_ENDPOINT_POOL_H_
#define LAUBERHORN_LIBRPC_ENDPOINT_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "librpc/device.h"
#include "librpc/endpoint.h"
#include "librpc/server_address.h"

namespace lauberhorn {

class Connection;

class EndpointPool : public std::enable_shared_from_this<EndpointPool> {
 public:
  // The pool of that connection, which and whose device outlive every use of it
  // but the destructor.
  EndpointPool(Connection& connection, Device& device, absl::Duration spin);

  EndpointPool(const EndpointPool&) = delete;
  EndpointPool& operator=(const EndpointPool&) = delete;

  Connection& connection() const { return connection_; }

  // The calling thread's endpoint, until the thread ends, the pool is closed,
  // or the NIC is lost and the thread uses another one. Errors: as Take().
  absl::StatusOr<Endpoint*> ThisThread();

  // That, if the thread has one; else null. The pool may be gone.
  static Endpoint* FindThisThread(const EndpointPool* pool);
  Endpoint* FindThisThread() { return FindThisThread(this); }

  // Gives the calling thread's endpoint back now, if it has one, rather than
  // when the thread has ended.
  void GiveThisThreads();

  // An endpoint that is not a thread's, until it is given back. If the NIC is
  // lost whatever is done there ends at once. RESOURCE_EXHAUSTED if all are in
  // use; UNAVAILABLE if the pool is closed, or the NIC does not serve it.
  absl::StatusOr<Endpoint*> Take();
  void Give(Endpoint* endpoint);

  // A control command whose payload is one struct, that must not fail for lack
  // of an endpoint: by the thread's own, else by one that is kept for this.
  template <typename Command>
  absl::Status ControlSurely(lh_command number, const Command& command) {
    return ControlBytesSurely(
        number,
        {reinterpret_cast<const std::uint8_t*>(&command), sizeof(command)});
  }

  absl::Status ControlBytesSurely(lh_command number,
                                  absl::Span<const std::uint8_t> payload,
                                  absl::Span<std::uint8_t>* answer = nullptr);

  // Where the client of a call is that this process serves. NOT_FOUND if the
  // call has ended, or the client's session is gone.
  absl::StatusOr<ServerAddress> PeerOf(std::uint64_t call);

  // Tells the NIC that a call of this process, its own or one that it serves,
  // is no longer wanted. In the same way.
  void Cancel(std::uint64_t call);

  // Cancel() of the EndpointPool `pool`, for a Cancellation.
  static void CancelIn(void* pool, std::uint64_t call) {
    static_cast<EndpointPool*>(pool)->Cancel(call);
  }

  // The device is about to go: threads that end later give nothing back.
  void CloseForever();

  // The same, and nobody takes one any more; unless any is in use.
  bool CloseIfUnused();

 private:
  struct ThreadEntry;
  struct ThreadEntries;
  static ThreadEntries& OfThisThread();
  static void GiveThisThreadsLost();

  // Gives the calling thread's endpoint back if the NIC is lost and the thread
  // is not at work there. Whether the thread has it no more.
  bool GiveIfLost(Endpoint* endpoint);
  void GiveLocked(Endpoint* endpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const lh_endpoint_layout& Layout(std::uint32_t index) const {
    return device_.Attach().endpoints[index];
  }

  Connection& connection_;
  Device& device_;
  const absl::Duration spin_;
  const pid_t process_;
  std::mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint32_t opened_ ABSL_GUARDED_BY(mutex_) = 1;  // 0 is kept
  std::uint32_t in_use_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Endpoint>> endpoints_ ABSL_GUARDED_BY(mutex_);
  std::vector<Endpoint*> given_back_ ABSL_GUARDED_BY(mutex_);
  std::mutex kept_mutex_;
  Endpoint kept_ ABSL_GUARDED_BY(kept_mutex_);
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_ENDPOINT_POOL_H_
