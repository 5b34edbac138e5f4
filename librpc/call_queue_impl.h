// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/call_queue_impl.h
//
// A queue owns an endpoint, whose `call.in` brings its answers. Threads put
// calls on their own channels, with aux naming this one.
//
// The getter. One thread at a time takes from the lane; it also keeps the calls
// that were answered BUSY, and puts them again: two for each that ends, one for
// the place that it left and one to find out whether there is more; one each
// millisecond, in case that the place is another's; and at once those that were
// cancelled or whose deadline has passed, which the NIC then ends. `getting_`
// is that role. Its holder hands over by clearing it and waking one of the
// sleepers, if there are any; who wants it counts itself among those first and
// then tries once more, so one of the two sees the other (both sequentially
// consistent). What the getter keeps passes with the role.
//
// The end. `state_` counts the calls that were started and not fetched, and
// says whether the queue is shut down, in one word: nobody can be late.
// Shutdown() starts a call of its own, to nobody, which the NIC answers at
// once: so whoever waits hears of it as of any other.
//
// The lane out of the queue's endpoint is for those rare puts; `out_mutex_`
// guards it.
#ifndef LAUBERHORN_LIBRPC_CALL_QUEUE_IMPL_H_
#define LAUBERHORN_LIBRPC_CALL_QUEUE_IMPL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "lauberhorn/call_queue.h"
#include "librpc/connection.h"
#include "librpc/queued_calls.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn {

class CallQueueImpl final : public CallQueue {
 public:
  // `endpoint` and the number `last` are the connection's, and the queue's
  // until it is destroyed.
  CallQueueImpl(std::shared_ptr<Runtime> runtime,
                std::shared_ptr<Connection> connection,
                const CallQueueOptions& options, Endpoint& endpoint,
                std::uint64_t last);
  ~CallQueueImpl() override;

  absl::StatusOr<std::uint64_t> Start(Client& client,
                                      const CallRequest& request,
                                      const CallOptions& options,
                                      void* tag) override;
  void Cancel(std::uint64_t call) override;
  bool Next(Completion* completion) override;
  Got NextBefore(absl::Time deadline, Completion* completion) override;
  void Shutdown() override;

 private:
  static constexpr std::uint64_t kShutdown = std::uint64_t{1} << 63;

  RuntimeImpl& runtime() const { return RuntimeImpl::From(*runtime_); }

  // Counts a call that is started; not OK if it may not be.
  absl::Status Count();
  // The call is open: begins its cancellation, counts it.
  absl::Status Begin(std::uint64_t call);
  // Cancel() of the queue `queue`, for a Cancellation.
  static void CancelIn(void* queue, std::uint64_t call) {
    static_cast<CallQueueImpl*>(queue)->Cancel(call);
  }
  bool Drained() const {
    return state_.load(std::memory_order_acquire) == kShutdown;
  }

  // Takes the getter's role, until then at most. False: others have it.
  bool BeginGetting(std::int64_t until);
  void EndGetting();

  // The rest is the getter's.
  Got Get(std::int64_t until, Completion* completion);
  // Handles a message that was taken; true if it is the end of a call.
  bool OnAnswer(lh_line* line, std::uint32_t slot, Completion* completion);
  // An open call has ended: its record has the answer.
  void Complete(std::uint64_t call, Completion* completion);
  // The NIC answers nothing any more: ends an open call; false if there is
  // none.
  bool EndOne(Completion* completion);
  void Keep(std::uint64_t call);
  // Puts kept calls again: all that are to end, and `count` of the others.
  void PutKept(int count);
  // Whether the NIC would end it at once.
  bool IsDue(std::uint64_t call, std::int64_t now) const;
  void Put(Endpoint& endpoint, std::uint64_t call);

  const std::shared_ptr<Runtime> runtime_;
  const std::shared_ptr<Connection> connection_;
  QueuedCalls& calls_;
  const std::uint64_t max_calls_;
  Endpoint& endpoint_;
  const std::uint64_t last_;  // Shutdown()'s own call
  std::mutex out_mutex_;
  std::atomic<std::uint64_t> state_{0};
  std::atomic<bool> cancelled_{false};  // one that may be kept

  std::atomic<bool> getting_{false};
  std::atomic<std::uint32_t> sleepers_{0};
  std::mutex sleep_mutex_;
  std::condition_variable handed_over_;

  // The calls that are kept: a list, and the earliest of their deadlines.
  std::uint64_t first_kept_ = 0;
  std::uint64_t last_kept_ = 0;
  std::int64_t due_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_CALL_QUEUE_IMPL_H_
