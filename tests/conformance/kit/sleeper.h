// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/kit/sleeper.h
//
// A thread that parks on a lane and sleeps there by a futex, as a thread of a
// process does, until it is woken or has no patience any more.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_KIT_SLEEPER_H_
#define LAUBERHORN_TESTS_CONFORMANCE_KIT_SLEEPER_H_

#include <atomic>
#include <thread>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {

class Sleeper {
 public:
  // Parks and sleeps on the next slot of the channel's `in` lane; nobody else
  // uses the channel until Woken(). Returns when the thread is asleep, or has
  // found that it need not be.
  Sleeper(Host& host, HostChannel& channel);
  ~Sleeper();

  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // Waits for the thread's end: whether something came or woke it before its
  // patience was at an end.
  bool Woken();

 private:
  void Run(HostChannel& channel);
  bool IsAsleep() const;

  Host& host_;
  std::atomic<int> id_{0};
  std::atomic<bool> done_{false};
  std::atomic<bool> woken_{false};
  std::thread thread_;
};

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_KIT_SLEEPER_H_
