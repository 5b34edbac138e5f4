// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/endpoint_pool.h
//
// The endpoints of the process: one for each thread that talks to the NIC,
// taken at its first use and given back when it ends, and one for each queue.
//
// Thread-safety: safe from any thread. ThisThread() takes a lock only at a
// thread's first use.
#ifndef LAUBERHORN_LIBRPC_ENDPOINT_POOL_H_
#define LAUBERHORN_LIBRPC_ENDPOINT_POOL_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "librpc/device.h"
#include "librpc/endpoint.h"

namespace lauberhorn {

class EndpointPool : public std::enable_shared_from_this<EndpointPool> {
 public:
  // The device outlives every use of the pool but the destructor.
  EndpointPool(Device& device, absl::Duration spin);

  EndpointPool(const EndpointPool&) = delete;
  EndpointPool& operator=(const EndpointPool&) = delete;

  // The calling thread's endpoint, until the thread ends or the pool is closed.
  // RESOURCE_EXHAUSTED if all are in use.
  absl::StatusOr<Endpoint*> ThisThread();

  // That, if the thread has one; else null.
  Endpoint* FindThisThread();

  // Gives the calling thread's endpoint back now, if it has one, rather than
  // when the thread has ended.
  void GiveThisThreads();

  // An endpoint that is not a thread's, until it is given back.
  // RESOURCE_EXHAUSTED if all are in use.
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
                                  absl::Span<std::uint8_t> answer = {});

  // Where the client of a call is that this process serves. NOT_FOUND if the
  // call has ended, or the client's session is gone.
  absl::StatusOr<lh_address> PeerOf(std::uint64_t call);

  // Tells the NIC that a call of this process, its own or one that it serves,
  // is no longer wanted. In the same way.
  void Cancel(std::uint64_t call);

  // Cancel() of the EndpointPool `pool`, for a Cancellation.
  static void CancelIn(void* pool, std::uint64_t call) {
    static_cast<EndpointPool*>(pool)->Cancel(call);
  }

  // The device is about to go: threads that end later give nothing back.
  void CloseForever();

 private:
  struct ThreadEntry;
  struct ThreadEntries;
  static ThreadEntries& OfThisThread();

  const lh_endpoint_layout& Layout(std::uint32_t index) const {
    return device_.Attach().endpoints[index];
  }

  Device& device_;
  const absl::Duration spin_;
  std::mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint32_t opened_ ABSL_GUARDED_BY(mutex_) = 1;  // 0 is kept
  std::vector<std::unique_ptr<Endpoint>> endpoints_ ABSL_GUARDED_BY(mutex_);
  std::vector<Endpoint*> given_back_ ABSL_GUARDED_BY(mutex_);
  std::mutex kept_mutex_;
  Endpoint kept_ ABSL_GUARDED_BY(kept_mutex_);
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_ENDPOINT_POOL_H_
