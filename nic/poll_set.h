// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/poll_set.h
//
// What a thread sleeps on that drives engines: descriptors, each with a tag of
// the caller's, and a time in nanoseconds. An epoll set.
//
// Not thread-safe, but for what says so.
#ifndef LAUBERHORN_NIC_POLL_SET_H_
#define LAUBERHORN_NIC_POLL_SET_H_

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nic/time.h"

namespace lauberhorn::nic {

class PollSet {
 public:
  PollSet() = default;
  ~PollSet();

  PollSet(const PollSet&) = delete;
  PollSet& operator=(const PollSet&) = delete;

  // First of all. RESOURCE_EXHAUSTED if the system refuses.
  absl::Status Open();

  // The descriptor wakes whoever waits as long as it is readable or broken,
  // until it is closed. RESOURCE_EXHAUSTED if the system refuses.
  absl::Status Add(int descriptor, std::uint64_t tag);

  // Before one is closed that a child process may have, too: it would wake on.
  void Remove(int descriptor);

  // Sleeps until a descriptor is ready, or until then; now is `now`. Returns
  // the tags of those that are, some of them if they are many; good until the
  // next call. May return early.
  absl::Span<const std::uint64_t> Wait(Nanos now, Nanos until);

  // The same for any number of threads at a time: the tag of one that is ready,
  // or nothing. What is ready ends the sleep of one of them, the last to begin.
  std::optional<std::uint64_t> WaitForOne(Nanos now, Nanos until) const;

  // Wakes one thread each time that it becomes ready, or is made so again, and
  // need not be read.
  absl::Status AddBell(int descriptor, std::uint64_t tag);

  // Readable when one of them is: a set may be in another one.
  int descriptor() const { return epoll_; }

 private:
  static constexpr int kBatch = 64;

  absl::Status Add(int descriptor, std::uint64_t tag, std::uint32_t events);
  int WaitFor(epoll_event* events, int count, Nanos now, Nanos until) const;

  int epoll_ = -1;
  epoll_event events_[kBatch];
  std::uint64_t tags_[kBatch];
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_POLL_SET_H_
