// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/poll_set.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {
namespace {

absl::Status SystemError(const char* what) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, ": ", std::strerror(errno)));
}

}  // namespace

PollSet::~PollSet() {
  if (epoll_ >= 0) close(epoll_);
}

absl::Status PollSet::Open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  return epoll_ < 0 ? SystemError("cannot create an epoll set")
                    : absl::OkStatus();
}

absl::Status PollSet::Add(int descriptor, std::uint64_t tag) {
  return Add(descriptor, tag, EPOLLIN);
}

absl::Status PollSet::AddBell(int descriptor, std::uint64_t tag) {
  return Add(descriptor, tag, EPOLLIN | EPOLLET);
}

absl::Status PollSet::Add(int descriptor, std::uint64_t tag,
                          std::uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0
             ? SystemError("cannot watch a descriptor")
             : absl::OkStatus();
}

void PollSet::Remove(int descriptor) {
  (void)epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

absl::Span<const std::uint64_t> PollSet::Wait(Nanos now, Nanos until) {
  const int count = WaitFor(events_, kBatch, now, until);
  for (int at = 0; at < count; ++at) tags_[at] = events_[at].data.u64;
  return {tags_, static_cast<std::size_t>(std::max(count, 0))};
}

std::optional<std::uint64_t> PollSet::WaitForOne(Nanos now, Nanos until) const {
  epoll_event event;
  if (WaitFor(&event, 1, now, until) <= 0) return std::nullopt;
  const std::uint64_t tag = event.data.u64;  // out of a packed struct
  return tag;
}

int PollSet::WaitFor(epoll_event* events, int count, Nanos now,
                     Nanos until) const {
  until = std::max(until, now);
  timespec timeout;
  timespec* limit = nullptr;
  if (until != kNever) {
    timeout.tv_sec = static_cast<time_t>((until - now) / kSecond);
    timeout.tv_nsec = static_cast<long>((until - now) % kSecond);
    limit = &timeout;
  }
  const int ready = epoll_pwait2(epoll_, events, count, limit, nullptr);
  if (ready >= 0 || errno == EINTR) return ready;
  // A kernel or a sandbox that counts in milliseconds: round up.
  const int milliseconds =
      limit == nullptr
          ? -1
          : static_cast<int>(std::min<Nanos>(
                (until - now + kMillisecond - 1) / kMillisecond, 60'000));
  return epoll_wait(epoll_, events, count, milliseconds);
}

}  // namespace lauberhorn::nic
