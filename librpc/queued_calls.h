// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/queued_calls.h
//
// The calls of a runtime's queues: one record for each number that the NIC has
// for them, so that the handle of an answer leads to its call. A record keeps
// the request as long as the NIC may want it again, then the reply in the same
// bytes.
//
// A record belongs to whoever took its number; from the moment that its CALL is
// put until the answer is taken, to the thread that gets for its queue. The
// words that others read are atomic: is a handle that somebody names an open
// call of this queue? What comes from the NIC is checked by them, too.
//
// Thread-safety: Take() and Give() from any thread, without a lock. Memory is
// reserved at construction and touched as it is used.
#ifndef LAUBERHORN_LIBRPC_QUEUED_CALLS_H_
#define LAUBERHORN_LIBRPC_QUEUED_CALLS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "librpc/call_numbers.h"
#include "librpc/message_body.h"

namespace lauberhorn {

class CallQueueImpl;
class Cancellation;

struct QueuedCall {
  void* tag;
  Cancellation* cancellation;  // or null
  std::uint64_t method;
  std::uint64_t peer;
  std::uint64_t deadline;  // on the device's clock, 0 if none
  std::uint64_t code;      // of the answer
  std::uint64_t next;      // handle of the next that is kept
  std::uint32_t length;    // of the request, then of the reply
  std::uint8_t flags;      // of the message: LH_FLAG_*
  bool kept;               // it has been answered BUSY
};

class QueuedCalls {
 public:
  // For calls first .. first + count - 1 of the device's table.
  QueuedCalls(std::uint32_t first, std::uint32_t count)
      : first_(first),
        numbers_(first, count),
        states_(count),
        calls_(new QueuedCall[count]),
        bytes_(new Bytes[count]) {}

  QueuedCalls(const QueuedCalls&) = delete;
  QueuedCalls& operator=(const QueuedCalls&) = delete;

  // A handle for a new call, which is not open yet; 0 if all are taken.
  std::uint64_t Take() { return numbers_.Take(); }
  void Give(std::uint64_t call) { numbers_.Give(call); }

  QueuedCall& At(std::uint64_t call) { return calls_[Index(call)]; }
  std::uint8_t* BytesOf(std::uint64_t call) { return bytes_[Index(call)].at; }

  // The call begins, is open, and has ended.
  void Open(std::uint64_t call, const CallQueueImpl* queue) {
    State& state = states_[Index(call)];
    state.cancelled.store(false, std::memory_order_relaxed);
    state.queue.store(queue, std::memory_order_relaxed);
    state.open.store(call, std::memory_order_release);
  }
  bool IsOpen(std::uint64_t call, const CallQueueImpl* queue) const {
    const std::uint32_t index = Index(call);
    return index < states_.size() &&
           states_[index].open.load(std::memory_order_acquire) == call &&
           states_[index].queue.load(std::memory_order_relaxed) == queue;
  }
  void End(std::uint64_t call) {
    states_[Index(call)].open.store(0, std::memory_order_relaxed);
  }

  // A hint that the NIC has been told to cancel the call.
  void SetCancelled(std::uint64_t call) {
    states_[Index(call)].cancelled.store(true, std::memory_order_relaxed);
  }
  bool IsCancelled(std::uint64_t call) const {
    return states_[Index(call)].cancelled.load(std::memory_order_relaxed);
  }

  // Calls `visit` with each open call of the queue.
  template <typename Visit>
  void ForEachOpen(const CallQueueImpl* queue, Visit visit) const {
    for (const State& state : states_) {
      const std::uint64_t call = state.open.load(std::memory_order_acquire);
      if (call != 0 && IsOpen(call, queue)) visit(call);
    }
  }

 private:
  struct State {
    std::atomic<std::uint64_t> open{0};  // handle, while it is
    std::atomic<const CallQueueImpl*> queue{nullptr};
    std::atomic<bool> cancelled{false};
  };
  struct Bytes {
    std::uint8_t at[kMaxMessage];
  };

  std::uint32_t Index(std::uint64_t call) const {
    return lh_handle_index(call) - first_;
  }

  const std::uint32_t first_;
  CallNumbers numbers_;
  std::vector<State> states_;
  const std::unique_ptr<QueuedCall[]> calls_;
  const std::unique_ptr<Bytes[]> bytes_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_QUEUED_CALLS_H_
