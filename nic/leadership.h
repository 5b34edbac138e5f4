// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/leadership.h
//
// Who sleeps on the wires, of the threads that drive an engine: one, the
// leader. Others that have nothing to do follow: each sleeps on a word of its
// own.
//
// It holds at any time that somebody leads, or the standby thread is watching:
// it looks once a millisecond, and leads if nobody has looked meanwhile. So who
// stops leading need not wake anybody for the moment of a short handler.
//
//   Begin()   a thread that is about to sleep leads if nobody does, or follows
//   Relieve() one that only looks leads in place of the standby thread
//   Resign()  its wait is over: the next leads, whether it is awake or not, or
//             nobody, and then the standby thread watches
//
// Leadership is given, not offered: a follower that was made the leader is it
// from then on, also if what it waits for comes before it has woken up, and
// gives it to the next as soon as its wait is over.
//
// Lost wake-ups: all is decided under one mutex, so a thread follows a leader
// who will see it there, or finds that there is none. A follower sleeps as long
// as its count of wakes is what it was before Begin(): who gives it the lead,
// or fills the word that it waits for, raises that. So neither is lost on a
// thread that is only about to sleep. Nobody sleeps or does a turn under the
// mutex.
//
// Thread-safety: safe from any thread; a Waiter belongs to one.
#ifndef LAUBERHORN_NIC_LEADERSHIP_H_
#define LAUBERHORN_NIC_LEADERSHIP_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace lauberhorn::nic {

class Leadership {
 public:
  // How often a thread was woken; a futex.
  using Wakes = std::atomic<std::uint32_t>;

  // One thread's; as long as it waits.
  class Waiter {
   public:
    // To be asked by its thread when it is awake, after Begin() or Awake().
    bool leads() const { return leads_; }

   private:
    friend class Leadership;
    bool leads_ = false;
    bool follows_ = false;
    Wakes* wakes_ = nullptr;  // that it sleeps on as it follows
    Waiter* next_ = nullptr;
    Waiter* previous_ = nullptr;
  };

  Leadership() = default;
  Leadership(const Leadership&) = delete;
  Leadership& operator=(const Leadership&) = delete;

  // The waiter is about to sleep. True: it leads, and `*from_standby` says
  // whether the standby thread did, which is to be woken then. False: it
  // follows, and sleeps on `wakes`; Awake() must come next.
  bool Begin(Waiter& waiter, Wakes* wakes, bool* from_standby);
  void Awake(Waiter& waiter);

  // The waiter looks, and does not follow. Whether it leads from now on, as the
  // standby thread did, which is to be woken then.
  bool Relieve(Waiter& waiter);

  // A waiter that leads stops to. `to_another`: not for a moment only.
  struct Woken {
    Wakes* wakes = nullptr;  // of the new leader, who sleeps there; or null
    bool standby = false;    // the standby thread is to be woken
  };
  Woken Resign(Waiter& waiter, bool to_another);

  // What the standby thread does next, if it was woken, or a millisecond has
  // passed and somebody has looked at the wires meanwhile or not. At first it
  // leads.
  enum class Standby : std::uint8_t { kSleeps, kWatches, kLeads };
  Standby Watch(bool passed, bool looked);
  bool StandbyLeads();

 private:
  // So long nobody may resign before the standby thread sleeps.
  static constexpr int kCalmLooks = 10;

  void Unlink(Waiter& waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::mutex mutex_;
  // Null if there is none; the standby thread's, or a thread's own.
  Waiter* leader_ ABSL_GUARDED_BY(mutex_) = &standby_;
  Waiter* followers_ ABSL_GUARDED_BY(mutex_) = nullptr;  // the last comes first
  bool watching_ ABSL_GUARDED_BY(mutex_) = true;
  bool resigned_ ABSL_GUARDED_BY(mutex_) = false;  // since the last Watch()
  int calm_ ABSL_GUARDED_BY(mutex_) = 0;           // looks since then
  Waiter standby_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_LEADERSHIP_H_
