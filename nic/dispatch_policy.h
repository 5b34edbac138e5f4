// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/dispatch_policy.h
//
// The decisions of the dispatcher: when to wake a thread, when to put a call
// behind a running handler, when to take one back, when to refuse. The
// dispatcher counts and acts; this class only judges numbers, so that each rule
// can be read, tested and replaced alone.
//
// The rules:
//  * A thread that is awake and waits gets a call at once; nobody asks here.
//  * A parked thread is woken while fewer handlers compute than CPUs are
//    reckoned for them; but not for less work than a wake costs, which those
//    that run will do sooner, if they are not held up. Beyond that, the first
//    of the queue must have waited for the target delay: then the handlers are
//    taken to be blocked, and one more may run; and so on, one for each target
//    delay.
//  * One wake at a time: one thread may well empty the queue before a second
//    has woken up.
//  * A call is staged behind a running handler of a method that is usually
//    short, since that costs less than a wake; it is taken back if the handler
//    is long after all.
//  * If every thread that there may be waits for a call of its own, nobody can
//    ever take what is queued: it is refused, the oldest first, after the
//    target delay.
//
// Passive; not thread-safe.
#ifndef LAUBERHORN_NIC_DISPATCH_POLICY_H_
#define LAUBERHORN_NIC_DISPATCH_POLICY_H_

#include <array>
#include <cstdint>

#include "nic/time.h"

namespace lauberhorn::nic {

// What a process may use.
struct DispatchLimits {
  std::uint32_t running = 4;    // handlers that compute at a time
  std::uint32_t threads = 64;   // threads that serve, those that wait included
  std::uint32_t queued = 4096;  // calls that wait for a thread
};

// What there is, now.
struct DispatchLoad {
  std::uint32_t queued = 0;
  Nanos head_since = 0;       // since when the first of the queue is queued
  Nanos work = kNever;        // what the queue usually takes; kNever: unknown
  std::uint32_t running = 0;  // handlers that compute
  std::uint32_t left = 0;     // handlers that wait for a call of their own
  std::uint32_t serving = 0;  // threads that run handlers or wait for a call
  bool waking = false;        // a woken thread has not come yet
};

class DispatchPolicy {
 public:
  DispatchPolicy();

  const DispatchLimits& limits() const { return limits_; }
  void set_limits(const DispatchLimits& limits) { limits_ = limits; }

  // From when on a parked thread may be woken for the first of the queue;
  // kNever if something else must happen first.
  Nanos WakeFrom(const DispatchLoad& load) const;

  // A thread was woken although the limit of running handlers was reached.
  void WokeBeyondLimit(Nanos now) { beyond_limit_ = now; }
  bool IsBeyondLimit(const DispatchLoad& load) const {
    return load.running >= limits_.running;
  }

  // From when on the first of the queue is to be refused; kNever if not.
  Nanos RefuseFrom(const DispatchLoad& load) const;

  // How many calls may stand behind a running handler of this method in a lane
  // of `slots` slots: 0 unless it is usually short, several if many are queued.
  std::uint32_t StageDepth(std::uint64_t method, const DispatchLoad& load,
                           std::uint32_t slots) const;

  // How long a staged call may stand without a reply from the handler before
  // it.
  Nanos stage_limit() const;

  // How long a call may stand untaken before a thread that was awake, while
  // others wait; longer for a call that was taken back before.
  Nanos TakeLimit(std::uint32_t revokes) const;

  // How long a thread that the kernel was asked to wake has for its call.
  Nanos RunLimit() const;

  // A handler of the method ran so long.
  void Ran(std::uint64_t method, Nanos time);

  // What it usually takes; kNever if it is not known.
  Nanos Mean(std::uint64_t method) const { return means_[Bucket(method)]; }

  // When a thread that has waited since `since` is to be sent home, `waiting`
  // of them being there; kNever if it is to stay.
  Nanos RetireFrom(std::uint32_t waiting, Nanos since) const;

 private:
  // Methods that share a bucket share their mean: a guess that costs little if
  // it is wrong.
  static constexpr std::size_t kBuckets = 256;
  static std::size_t Bucket(std::uint64_t method) {
    return method * 0x9e3779b97f4a7c15u >> 56;
  }

  DispatchLimits limits_;
  Nanos beyond_limit_ = 0;
  std::array<Nanos, kBuckets> means_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_DISPATCH_POLICY_H_
