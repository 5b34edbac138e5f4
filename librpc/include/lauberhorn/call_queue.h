// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/call_queue.h
//
// Calls that nobody waits for one by one: any thread starts them, and any
// thread fetches how they ended. A queue is one channel to the NIC, however
// many calls are open.
//
//   auto queue = lauberhorn::CallQueue::Create(runtime);
//   auto call = (*queue)->Start(
//       *client, {kMethods[0].name, kMethods[0].id, bytes, {}}, options, tag);
//   ...
//   lauberhorn::Completion done;
//   while ((*queue)->Next(&done)) {
//     Handle(done.tag(), done.status(), done.reply());
//   }
//
// Each call that was started is fetched exactly once, in the order in which
// calls end. One that finds the NIC busy is kept here and put again when
// others have ended; nobody sees it. Answers that are not fetched stay in the
// NIC and are in nobody's way.
//
// A queue ends with its NIC (lauberhorn/runtime.h): its open calls end with
// UNAVAILABLE, then Next() says that there is none any more, and no other can
// be started. Make another queue when calls are possible again.
//
// Thread-safety: a CallQueue is safe from any thread, a Completion belongs to
// one. Of several threads in Next() one waits for the NIC and the others sleep;
// whoever got a completion hands over to one of them. Blocking: Next() and
// NextBefore(); all others for the bounded time in which the NIC empties a
// lane. In a handler Next() counts as a wait for a call of the handler's own.
// Allocation: none from Start() to the end of the Completion, but for the
// first call of a method, and the message of a status that is not OK.
// Ownership: requests are copied; a Completion owns the reply, and must be gone
// before its queue is.
#ifndef LAUBERHORN_CALL_QUEUE_H_
#define LAUBERHORN_CALL_QUEUE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lauberhorn/client.h"
#include "lauberhorn/runtime.h"

namespace lauberhorn {

class QueuedCalls;

// How one call ended. While there is one, the call counts towards
// RuntimeOptions::max_calls. Only Clear() may be called on an empty one.
class Completion {
 public:
  Completion() = default;
  ~Completion() { Clear(); }

  Completion(Completion&& other) noexcept;
  Completion& operator=(Completion&& other) noexcept;

  // Completion::tag()
  //
  // As it was given to Start().
  void* tag() const;

  // Completion::call()
  //
  // What Start() returned.
  std::uint64_t call() const { return call_; }

  // Completion::status()
  //
  // As UnaryCall::Run() returns it.
  absl::Status status() const;

  // Completion::reply()
  //
  // The bytes of the reply, if the status is OK; good until this is cleared,
  // destroyed, or handed to Next() again.
  absl::Span<const std::uint8_t> reply() const;

  // Completion::reply_metadata()
  //
  // As UnaryCall::reply_metadata(), as long as reply().
  absl::Span<const std::uint8_t> reply_metadata() const;

  // Completion::Clear()
  //
  // Empties it: what it held is gone, and the call counts no more.
  void Clear();

 private:
  friend class CallQueueImpl;

  QueuedCalls* calls_ = nullptr;  // of the runtime; null: empty
  std::uint64_t call_ = 0;
};

struct CallQueueOptions {
  // How many calls may be between Start() and Next(). 0: as many as
  // RuntimeOptions::max_calls leaves; give each queue its share if none may
  // take that of another.
  std::uint32_t max_calls = 0;
};

// What is to be called. All of it is copied.
struct CallRequest {
  absl::string_view name;  // of the method, "/package.Service/Method"
  std::uint64_t id;        // MethodId(name)
  absl::Span<const std::uint8_t> bytes;
  absl::Span<const std::uint8_t> metadata;  // lauberhorn/metadata.h
};

class CallQueue {
 public:
  // Shuts down, cancels the calls that are open, and waits for their ends.
  // Nobody may be in any function of the queue.
  virtual ~CallQueue() = default;

  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // CallQueue::Create()
  //
  // Takes one of the runtime's endpoints. RESOURCE_EXHAUSTED if there is none,
  // UNAVAILABLE while the NIC is lost.
  static absl::StatusOr<std::unique_ptr<CallQueue>> Create(
      std::shared_ptr<Runtime> runtime, const CallQueueOptions& options = {});

  // CallQueue::Start()
  //
  // Starts a call; its end will come out of Next() with this `tag`. Returns a
  // name for Cancel(), which no other call has. The client may go: then the
  // call ends with an error. Errors, after which nothing has been started:
  // RESOURCE_EXHAUSTED (the request does not fit into a packet, or max_calls
  // are under way), INVALID_ARGUMENT (a client of another runtime, or as for
  // UnaryCall::Run()), FAILED_PRECONDITION (after Shutdown()), CANCELLED
  // (`options.cancellation` was cancelled before; it must outlive the call's
  // end in Next()), UNAVAILABLE (the queue's NIC was lost, and another is
  // there; until then such a call ends in Next()).
  virtual absl::StatusOr<std::uint64_t> Start(Client& client,
                                              const CallRequest& request,
                                              const CallOptions& options,
                                              void* tag) = 0;

  // CallQueue::Cancel()
  //
  // The call is no longer wanted: it ends with CANCELLED, unless it has ended.
  virtual void Cancel(std::uint64_t call) = 0;

  // CallQueue::Next()
  //
  // Waits for the end of a call. False: there is none any more, after
  // Shutdown() or the loss of the NIC. Clears `completion` first.
  virtual bool Next(Completion* completion) = 0;

  // CallQueue::NextBefore()
  //
  // The same, at most until `deadline`. One that has passed only looks.
  enum class Got { kCompletion, kTimeout, kShutdown };
  virtual Got NextBefore(absl::Time deadline, Completion* completion) = 0;

  // CallQueue::Shutdown()
  //
  // Starts no more calls. Those that are open end as they would. Safe to call
  // again.
  virtual void Shutdown() = 0;

 protected:
  CallQueue() = default;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_CALL_QUEUE_H_
