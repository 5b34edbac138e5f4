// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/dispatcher.h
//
// From calls that arrived to threads that run them, and back: the table of
// arrived calls, the queue, and the endpoints that wait.
//
// A call goes to the endpoint that began to wait last: its thread is the most
// likely to be awake, and its caches are warm. If that thread is parked, the
// call is staged behind a handler that is about to end, or the thread is woken;
// else the call is queued. DispatchPolicy says which; this class does it.
//
// If the kernel publishes its run queues (nic/processors.h) the dispatcher goes
// by these: a call goes to a thread that is on a CPU, or its thread is woken on
// a CPU that is free; what a thread has not taken when it leaves its CPU is
// taken back. That part is in dispatcher_cpus.cc; rules by number are those of
// docs/dispatch.md.
//
// What a thread has not taken can be taken back: it goes to the head of the
// queue. The engine keeps its own copy of every call until it is answered, so
// whatever a thread does to its line, the call can still be given to another.
//
// Not thread-safe; memory for all calls is taken at construction.
#ifndef LAUBERHORN_NIC_DISPATCHER_H_
#define LAUBERHORN_NIC_DISPATCHER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nic/body.h"
#include "nic/channel_table.h"
#include "nic/counters.h"
#include "nic/dispatch_policy.h"
#include "nic/method_counters.h"
#include "nic/process_cpus.h"
#include "nic/region.h"
#include "nic/server_transport.h"
#include "nic/time.h"
#include "nic/timer_queue.h"

namespace lauberhorn::nic {

// What a process registered: given back with each call.
struct MethodTarget {
  std::uint64_t code;
  std::uint64_t data;
  std::uint16_t index;
  std::uint32_t server;                // whose call it is
  MethodCounters* counters = nullptr;  // null if it is not counted by itself
};

class Dispatcher {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;

    // The end of a call that was accepted; not for those that were dropped. A
    // deadline ends it even while a thread has it.
    virtual void OnCallDone(const ReplyTo& to, std::uint8_t status,
                            const Body& body) = 0;

    // The thread that has the call of this handle has been told that nobody
    // waits for it any more.
    virtual void OnCallFlagged(std::uint64_t handle) = 0;

    // A call of this server has ended, dropped or not.
    virtual void OnServerCallEnded(std::uint32_t server) = 0;
  };

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // All outlive it. `cpus` is null if the kernel publishes nothing.
  Dispatcher(Region& region, ChannelTable& channels, Counters& counters,
             Handler& handler, ProcessCpus* cpus = nullptr);

  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void set_limits(const DispatchLimits& limits) { policy_.set_limits(limits); }

  // What time it is, for all that is done until it is said again.
  void set_now(Nanos now) { now_ = now; }

  // Whether the table has a place for another call.
  bool HasPlace() const { return free_ != kNone; }

  // Takes a call in: there is a place for it. Returns its number, or kNone if
  // as many are queued as may be.
  std::uint32_t Accept(const IncomingCall& call, const MethodTarget& target);

  // Nobody waits for the call any more: says why (LH_CALL_*) in its call word;
  // ends it at once if no thread has it.
  void Drop(std::uint32_t call, std::uint8_t why);

  // Ends the call of this handle for its caller, with an error: a thread that
  // has it learns so from its call word. Nothing if it has ended.
  void Cancel(std::uint64_t handle, absl::StatusCode code,
              absl::string_view text);

  // Whether a thread has the call of this handle, and whether it has been told
  // that nobody waits for it any more.
  bool IsHeld(std::uint64_t handle) const;

  // Where the answer of a call that is held goes.
  const ReplyTo& ReplyToOf(std::uint64_t handle) const {
    return calls_[lh_handle_index(handle)].reply_to;
  }
  bool IsFlagged(std::uint64_t handle) const {
    return calls_[lh_handle_index(handle)].flags != 0;
  }

  // Cancel() of all calls of a server; kNone: of all servers.
  void CancelAll(std::uint32_t server, absl::StatusCode code,
                 absl::string_view text);

  // Messages of an endpoint on `serve`. False: it broke the contract.
  bool OnReply(std::uint32_t endpoint, const HostMessage& message);
  bool OnEmpty(std::uint32_t endpoint, const HostMessage& message);
  bool OnLeave(std::uint32_t endpoint, const HostMessage& message);
  bool OnEnter(std::uint32_t endpoint, const HostMessage& message);

  // Gives the endpoint no more calls, and sends its thread home as soon as it
  // has none.
  void Retire(std::uint32_t endpoint);

  // Nobody waits there any more, or another thread is going to: forgets what
  // the last one said, gives to others what it had not taken, and ends the
  // calls that it had with this code.
  void Abandon(std::uint32_t endpoint,
               absl::StatusCode code = absl::StatusCode::kUnknown);

  // What became of the endpoint's thread: a CPU runs it; it left one, or may
  // have, and what it put was collected; or its RUN woke nobody.
  void OnCame(std::uint32_t endpoint);
  void OnLeft(std::uint32_t endpoint);
  void OnRefused(std::uint32_t endpoint);

  // The endpoint's thread is awake and looks: if it waits for a call, it is as
  // if it had begun to last.
  void Prefer(std::uint32_t endpoint);

  // How long the endpoint's thread will be away, usually, if it does what it
  // got and all that is queued. What it got counts as nothing while its method
  // is not known; kNever if it got nothing, or if that of the queue is not.
  Nanos UsualTime(std::uint32_t endpoint) const;

  // Whether the endpoint's thread is being woken for a call.
  bool IsWaking(std::uint32_t endpoint) const { return waking_ == endpoint; }

  // Gives queued calls to waiting endpoints, as far as the rules allow.
  void Dispatch() {
    if (HasQueued() || waking_ != kNone || !staged_.empty() ||
        cpus_ != nullptr) {
      DispatchQueued();
    }
  }

  // Does what is due; Next() says when to come back.
  void Expire();
  Nanos Next();

  // Whether any call waits for a thread.
  bool HasQueued() const { return first_ != kNone; }

  // How many calls the endpoint's thread got and did not answer; may be read by
  // any thread.
  std::uint64_t queued() const { return queued_shown_.value(); }
  std::uint64_t held(std::uint32_t endpoint) const {
    return held_[endpoint].value();
  }

  // How full the queue is, 0 to 255.
  std::uint8_t Fullness() const;

 private:
  enum State : std::uint8_t { kFree, kQueued, kDelivered };
  struct Call {
    ReplyTo reply_to;
    MethodTarget target;
    std::uint64_t method;  // its id
    Nanos deadline;
    Nanos since;  // it is in its state
    std::uint32_t generation;
    std::uint32_t endpoint;  // that it was delivered to
    std::uint32_t next;      // in the queue, and in the list of free ones
    std::uint32_t previous;
    std::uint32_t below;  // delivered to the same endpoint before
    BodySize size;
    State state;
    std::uint8_t flags;    // of its call word
    std::uint8_t revokes;  // how often it was taken back
    bool woken;            // it was delivered to a thread that was parked
    bool ended;            // for its caller; a thread may still have it
  };
  struct Endpoint {
    // Calls that it asked for and did not get; below 0, as many are staged.
    std::int32_t credit = 0;
    std::uint32_t held = 0;        // calls that it got and did not answer
    std::uint32_t newest = kNone;  // of these
    std::uint64_t method = 0;      // of the last that it got
    Nanos progress = 0;            // it last replied, began to wait, or to work
    bool serving = false;          // it has asked for calls
    bool waiting = false;          // in waiting_
    bool running = false;          // it counts as a handler that computes
    bool left = false;             // its handler waits for a call of its own
    bool retire = false;
    bool busy = false;     // in busy_
    bool staged = false;   // in staged_
    bool untaken = false;  // in untaken_
    bool here = false;     // in here_
    bool slow = false;     // was woken, and not seen on a CPU in time
  };

  static std::uint32_t Serve(std::uint32_t endpoint) { return 2 * endpoint; }

  DispatchLoad Load() const;
  Nanos UsualTimeOfQueue() const;
  void Enqueue(std::uint32_t call);
  void EnqueueFirst(std::uint32_t call);
  void Unqueue(std::uint32_t call);
  // The call of a message that the endpoint put, if it has that; else kNone.
  std::uint32_t HeldCall(std::uint32_t endpoint,
                         const HostMessage& message) const;

  void DispatchQueued();
  // One call from the queue to a lane, if there is a thread for it.
  bool GiveFirst();
  bool GiveFirstTo(std::uint32_t endpoint, bool asleep = false);
  bool Stage();
  // `asleep`: the thread is to be woken, by RUN.
  bool Deliver(std::uint32_t endpoint, std::uint32_t call, bool asleep = false);

  // By the words of the kernel: the same with a thread that is on a CPU, or
  // with one that sleeps and a CPU for it.
  bool GiveFirstByWords();
  bool GiveToSleeper();
  // The last to begin to wait of the threads that sleep and may be woken.
  std::uint32_t Sleeper();
  // The thread got its call as it was about to sleep. Whether the call was
  // taken back.
  bool FellAsleep(std::uint32_t endpoint);
  void TakeBackFromLateWake();
  void TellShares();
  Nanos NextByWords();

  // Takes the newest message of the endpoint back. False: it has been taken.
  bool TakeBack(std::uint32_t endpoint);
  // Takes the call back, if it is in a lane and can be; it is queued then.
  void Recall(std::uint32_t call);
  void TakeBackAll(std::uint32_t endpoint);
  void TakeBackStaged();
  void TakeBackLate();
  void TakeBackFromWoken();
  // The endpoint of a thread that waits and is awake: the last that began to;
  // kNone.
  std::uint32_t AwakeWaiter() {
    if (cpus_ != nullptr) return WaiterOnCpu();
    return !waiting_.empty() && !channels_.IsParked(Serve(waiting_.back()))
               ? waiting_.back()
               : kNone;
  }
  std::uint32_t WaiterOnCpu();
  Nanos NextTake();

  void SendRetire(std::uint32_t endpoint);
  void StartWaiting(std::uint32_t endpoint);
  void StartWaitingLast(std::uint32_t endpoint);
  void StopWaiting(std::uint32_t endpoint);
  void Credit(std::uint32_t endpoint, std::uint32_t count);
  // Counts anew whether its handler computes.
  void Recount(Endpoint& state);
  void Forget(std::uint32_t endpoint);
  void RefuseStuck();
  // Ends a call that is queued, or that a thread has: this is told so.
  void EndEarly(std::uint32_t call, std::uint8_t flag, absl::StatusCode code,
                absl::string_view text);
  // Says to the thread that has the call that nobody waits for it.
  void Flag(std::uint32_t call, std::uint8_t flag);
  // Ends a call for its caller; frees it.
  void Fail(std::uint32_t call, absl::StatusCode code, absl::string_view text);
  void End(std::uint32_t call, std::uint8_t status, const Body& body);
  // Tells its caller, who still waits.
  void Answer(std::uint32_t call, std::uint8_t status, const Body& body);
  void Note(Station station, std::uint32_t call, std::uint8_t detail = 0) {
    const Call& entry = calls_[call];
    counters_.trace.Add(station, lh_handle(call, entry.generation),
                        entry.method, entry.endpoint, detail);
  }

  Region& region_;
  ChannelTable& channels_;
  Counters& counters_;
  Handler& handler_;
  std::vector<Call> calls_;
  std::unique_ptr<KeptBody[]> bodies_;  // of calls_; touched as they are used
  std::uint32_t free_ = kNone;
  std::uint32_t first_ = kNone;  // the queue
  std::uint32_t last_ = kNone;
  void SetQueued(std::uint32_t queued) {
    queued_ = queued;
    queued_shown_.Set(queued);
  }
  std::uint32_t queued_ = 0;
  Counter queued_shown_;  // for others to read
  std::vector<Endpoint> endpoints_;
  const std::unique_ptr<Counter[]> held_;  // by endpoint, for others to read
  std::vector<std::uint32_t> waiting_;     // the last began to wait last
  // Endpoints that have calls; that have staged ones; that were awake and may
  // not have taken what they got. What is no longer so is dropped at the next
  // look.
  std::vector<std::uint32_t> busy_;
  std::vector<std::uint32_t> staged_;
  std::vector<std::uint32_t> untaken_;
  std::vector<std::uint32_t> here_;  // whose threads are on CPUs, or were
  bool fell_asleep_ = false;         // the last that got a call
  std::uint32_t waking_ = kNone;     // endpoint that is on its way
  std::uint32_t running_ = 0;
  std::uint32_t left_ = 0;
  std::uint32_t serving_ = 0;
  DispatchPolicy policy_;
  ProcessCpus* const cpus_;
  TimerQueue deadlines_;  // of all calls
  Nanos now_ = 0;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_DISPATCHER_H_
