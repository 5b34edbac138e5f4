// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/dispatcher.h
//
// From calls that arrived to threads that run them, and back: the table of
// arrived calls, the queue, and the endpoints that wait.
//
// A call goes to the endpoint that began to wait last: its thread is the most
// likely to be awake, and its caches are warm. Else it is queued. A thread that
// is parked is woken, but only one at a time: it is on its way, and one thread
// may well empty the queue before a second has woken up.
//
// The engine keeps its own copy of every call until it is answered, so whatever
// a thread does to its line, the call can still be given to another.
//
// Not thread-safe; memory for all calls is taken at construction.
#ifndef LAUBERHORN_NIC_DISPATCHER_H_
#define LAUBERHORN_NIC_DISPATCHER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "nic/channel_table.h"
#include "nic/counters.h"
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
  std::uint32_t server;  // whose call it is
};

class Dispatcher {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;

    // The end of a call that was accepted; not for those that were dropped. A
    // deadline ends it even while a thread has it.
    virtual void OnCallDone(const ReplyTo& to, std::uint8_t status,
                            absl::Span<const std::uint8_t> payload) = 0;

    // A call of this server has ended, dropped or not.
    virtual void OnServerCallEnded(std::uint32_t server) = 0;
  };

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  Dispatcher(Region& region, ChannelTable& channels, Counters& counters,
             Handler& handler);

  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Takes a call in. Returns its number, or kNone if the table is full.
  std::uint32_t Accept(const IncomingCall& call, const MethodTarget& target);

  // Nobody waits for the call any more: says so in its call word; ends it at
  // once if no thread has it.
  void Drop(std::uint32_t call);

  // Messages of an endpoint on `serve`. False: it broke the contract.
  bool OnReply(std::uint32_t endpoint, const HostMessage& message);
  bool OnEmpty(std::uint32_t endpoint, const HostMessage& message);

  // Gives the endpoint no more calls, and sends its thread home as soon as it
  // has none.
  void Retire(std::uint32_t endpoint);

  // Another thread is going to wait there: forgets what the last one said.
  void Reopen(std::uint32_t endpoint);

  // Gives queued calls to waiting endpoints, as far as the rules allow.
  void Dispatch();

  // Ends what is due by `now`; Next() says when to come back.
  void Expire(Nanos now);
  Nanos Next(Nanos now) const;

 private:
  enum State : std::uint8_t { kFree, kQueued, kDelivered };
  struct Call {
    ReplyTo reply_to;
    MethodTarget target;
    Nanos deadline;
    std::uint32_t generation;
    std::uint32_t endpoint;  // that it was delivered to
    std::uint32_t next;      // in the queue, and in the list of free ones
    std::uint32_t previous;
    std::uint16_t length;
    State state;
    std::uint8_t flags;  // of its call word
    bool ended;          // for its caller; a thread may still have it
  };
  struct Payload {
    std::uint8_t bytes[kMaxPayload];
  };
  struct Endpoint {
    std::uint32_t credit;  // calls that it will take
    bool waiting;          // in waiting_
    bool retire;
  };

  static std::uint32_t Serve(std::uint32_t endpoint) { return 2 * endpoint; }

  void Enqueue(std::uint32_t call);
  void Unqueue(std::uint32_t call);
  bool DeliverTo(std::uint32_t endpoint, std::uint32_t call);
  void SendRetire(std::uint32_t endpoint);
  void StopWaiting(std::uint32_t endpoint);
  void Credit(std::uint32_t endpoint, std::uint32_t count);
  // Says to the thread that has the call that nobody waits for it.
  void Flag(std::uint32_t call, std::uint8_t flag);
  // Frees the call; tells the handler, unless it has ended for its caller.
  void End(std::uint32_t call, std::uint8_t status,
           absl::Span<const std::uint8_t> payload);

  Region& region_;
  ChannelTable& channels_;
  Counters& counters_;
  Handler& handler_;
  std::vector<Call> calls_;
  std::unique_ptr<Payload[]> payloads_;  // of calls_; touched as they are used
  std::uint32_t free_ = kNone;
  std::uint32_t first_ = kNone;  // the queue
  std::uint32_t last_ = kNone;
  std::vector<Endpoint> endpoints_;
  std::vector<std::uint32_t> waiting_;  // the last began to wait last
  std::uint32_t waking_ = kNone;        // endpoint that is on its way
  TimerQueue deadlines_;                // of all calls
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_DISPATCHER_H_
