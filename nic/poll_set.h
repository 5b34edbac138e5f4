// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/poll_set.h
//
// What a thread sleeps on that drives engines: descriptors, each with a tag of
// the caller's, and a time in nanoseconds. An epoll set.
//
// Not thread-safe.
#ifndef LAUBERHORN_NIC_POLL_SET_H_
#define LAUBERHORN_NIC_POLL_SET_H_

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>

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

  // Readable when one of them is: a set may be in another one.
  int descriptor() const { return epoll_; }

 private:
  static constexpr std::size_t kBatch = 64;

  int epoll_ = -1;
  epoll_event events_[kBatch];
  std::uint64_t tags_[kBatch];
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_POLL_SET_H_
