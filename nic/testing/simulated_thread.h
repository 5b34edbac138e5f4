// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulated_thread.h
//
// What simulated threads have in common: how they wait for a message and how
// they give one.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATED_THREAD_H_
#define LAUBERHORN_NIC_TESTING_SIMULATED_THREAD_H_

#include <cstdint>
#include <deque>
#include <string>

#include "absl/strings/string_view.h"
#include "nic/testing/host_side.h"
#include "nic/testing/random.h"
#include "nic/testing/simulated_host.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

// Waiting for the next message of an `in` lane: watches it for a while, parks,
// and sleeps until it is woken. The thread comes up to `lag` later than it
// could, as threads do that others push from their CPUs.
class LaneWait {
 public:
  LaneWait(HostChannel& channel, Random& random, Nanos lag)
      : channel_(channel), random_(random), lag_(lag) {}

  // Takes what has come, if the thread is there by `now`. Otherwise `next` is
  // when to look again; kNever if it sleeps.
  bool Take(Nanos now, TakenMessage* message, lh_line** held, Nanos* next);

  void Wake(const __u64* word, Nanos now);

  // The word that it sleeps on, or null; whether it watches.
  const __u64* sleeps_on() const { return state_ == kAsleep ? word_ : nullptr; }
  bool watches() const { return state_ == kWatching; }

 private:
  enum State { kIdle, kWatching, kComing, kAsleep, kWoken };

  HostChannel& channel_;
  Random& random_;
  const Nanos lag_;
  State state_ = kIdle;
  Nanos until_ = 0;
  const __u64* word_ = nullptr;
};

// Messages on their way to `out` lanes, in order; most find room at once.
class Outbox {
 public:
  void Put(HostChannel& channel, const lh_message& header,
           absl::string_view payload = "");

  // Puts what there is room for now. Whether that was all.
  bool Flush();

 private:
  struct Message {
    HostChannel* channel;
    lh_message header;
    std::string payload;
  };
  std::deque<Message> messages_;
};

// How soon to look again for room in a lane.
inline constexpr Nanos kRetryPut = kMicrosecond;

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATED_THREAD_H_
