// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/counters.h
//
// What the engine counts: one number for each thing that can happen to a
// packet, a call or a channel, so that nothing is dropped without a trace.
// What methods count is in nic/method_counters.h.
//
// Written by the thread that polls the engine; others may read a value that is
// a little old.
#ifndef LAUBERHORN_NIC_COUNTERS_H_
#define LAUBERHORN_NIC_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "nic/trace.h"

namespace lauberhorn::nic {

// X(name, what it counts)
#define LAUBERHORN_NIC_COUNTERS(X)                                             \
  X(packets_received, "packets that came on any wire")                         \
  X(packets_linked, "of these, through memory, from this host")                \
  X(packets_sent, "packets sent")                                              \
  X(packets_malformed, "dropped: header, length or checksum wrong")            \
  X(packets_unexpected, "dropped: a type that this end never gets")            \
  X(packets_unknown_token, "answered RESET: no such session")                  \
  X(packets_wrong_address,                                                     \
    "dropped: from a server or to a listener that is not the session's")       \
  X(packets_stale, "dropped: an older call of the slot, or a late answer")     \
  X(cookies_refused, "dropped: OPEN with a cookie that is wrong or too old")   \
  X(challenges_sent, "dropped: a token from another address; CHALLENGE sent")  \
  X(challenges_failed, "dropped: RESPONSE that is forged, old or for another") \
  X(sessions_moved, "sessions that go on from another address")                \
  X(sessions_accepted, "sessions opened by clients")                           \
  X(sessions_grown, "times that a session was granted more slots")             \
  X(sessions_evicted, "sessions without calls that made room for others")      \
  X(sessions_refused, "answered REFUSE: OPEN while no session can make room")  \
  X(clients_lost, "sessions whose client died while calls were running")       \
  X(sessions_opened, "sessions opened to servers")                             \
  X(challenges_answered, "times that a server asked after this end moved")     \
  X(unreachable_heard, "times that the network said that nobody listens")      \
  X(openings_refused, "sessions that a server had no room for")                \
  X(sessions_failed, "peers that could not be reached")                        \
  X(resets_received, "sessions that the server does not know any more")        \
  X(calls_arrived, "calls accepted from clients")                              \
  X(calls_duplicate, "calls that came again while running or answered")        \
  X(calls_superseded, "calls that a higher sequence ended")                    \
  X(cancels_early, "calls that were given up before they came")                \
  X(calls_unasked, "running calls that a client gave up without a word")       \
  X(calls_unimplemented, "calls of methods that the server has not")           \
  X(names_refused, "calls of a method that has another name at the server")    \
  X(calls_refused, "calls answered RESOURCE_EXHAUSTED: no room")               \
  X(calls_busy, "calls answered BUSY: no place in the table")                  \
  X(calls_expired, "calls whose deadline passed before they were taken")       \
  X(calls_cancelled, "calls that the server itself ended early")               \
  X(calls_delivered, "calls given to a thread that was awake")                 \
  X(calls_delivered_wake, "calls given to a thread that was parked")           \
  X(calls_run, "of these, by RUN or PREEMPT to the kernel")                    \
  X(calls_queued, "calls that had to wait for a thread")                       \
  X(calls_staged, "calls put behind a running handler")                        \
  X(calls_revoked, "calls taken back from a lane")                             \
  X(takes_late, "of these, from a thread that was awake and did not take it")  \
  X(takes_left, "of these, from a thread that left its CPU")                   \
  X(wakes_late, "of these, from a thread that was woken and did not come")     \
  X(calls_stuck, "calls refused: all threads wait for calls of their own")     \
  X(threads_retired, "threads sent home")                                      \
  X(deliveries_failed, "deliveries that found the lane closed or full")        \
  X(replies_collected, "replies taken from handlers")                          \
  X(replies_late, "replies to calls that had ended")                           \
  X(messages_refused, "messages of the process that broke the contract")       \
  X(channels_quarantined, "channels that are not served any more")             \
  X(outgoing_calls, "calls of this process")                                   \
  X(outgoing_failed, "of these, ended by this engine: deadline, no server")    \
  X(outgoing_busy, "of these, answered BUSY: too many at a time")              \
  X(answers_waited, "answers that found no room in their lane at first")       \
  X(busy_received, "calls that a server had no place for, for now")            \
  X(retransmissions, "packets sent again")                                     \
  X(probes, "questions whether a call still runs")                             \
  X(controls, "control commands")                                              \
  X(wakes, "threads woken")                                                    \
  X(runs, "times that the kernel was asked to wake a thread")                  \
  X(preempts, "times that it was asked to take a CPU from another, too")       \
  X(runs_early, "of these, for a thread that did not sleep: remembered")       \
  X(runs_refused, "of these, that woke nobody: dead, or not on that CPU")      \
  X(runs_stale, "of these, for an endpoint that had another owner by then")    \
  X(interrupts, "CPUs interrupted, as they did not look at their channels")    \
  X(sleeps, "times the engine went to sleep")

// A counter with one writer: an increment is no read-modify-write.
class Counter {
 public:
  void Add(std::uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count,
                 std::memory_order_relaxed);
  }
  // For what goes up and down.
  void Set(std::uint64_t value) {
    value_.store(value, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// The edges of spec/channel.table that the NIC takes on one channel, and what
// it sees of the host's: a `put` when it collects the message, a `park` when it
// delivers to a PARKED slot, a `take` when it wants the message back and is too
// late, a `close` when it wants to deliver. It does not see `unpark` and
// `release`.
//
// X(name, what it counts)
#define LAUBERHORN_NIC_CHANNEL_COUNTERS(X)                      \
  X(collected, "put, collect: messages taken from the process") \
  X(delivered, "deliver: messages given to the process")        \
  X(parked, "of these, to a slot that was PARKED")              \
  X(full, "deliveries that found no room")                      \
  X(closed, "close: deliveries that found the lane CLOSED")     \
  X(revoked, "revoke: messages taken back")                     \
  X(taken, "take: messages that could not be taken back")       \
  X(reopened, "reopen: times that the next thread began")

struct ChannelCounters {
#define LAUBERHORN_NIC_COUNTER(name, meaning) Counter name;
  LAUBERHORN_NIC_CHANNEL_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
};

struct Counters {
#define LAUBERHORN_NIC_COUNTER(name, meaning) Counter name;
  LAUBERHORN_NIC_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER

  Trace trace;  // goes wherever things are counted
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_COUNTERS_H_
