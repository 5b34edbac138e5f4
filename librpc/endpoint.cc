// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/endpoint.h"

#include <sched.h>
#include <time.h>

#include <cstring>

#include "absl/status/status.h"

namespace lauberhorn {
namespace {

std::int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

}  // namespace

Endpoint::Endpoint(Device& device, const lh_endpoint_layout& layout,
                   absl::Duration spin)
    : device_(device),
      handle_(lh_handle(layout.index, layout.generation)),
      spin_ns_(absl::ToInt64Nanoseconds(spin)),
      serve_(device.Channel(layout.serve)),
      call_(device.Channel(layout.call)),
      waiter_{&Spin, &Sleep, &Ring, this} {}

lh_line* Endpoint::Get(lh_channel& channel) {
  spin_until_ = 0;
  return lh_get(&channel.in, &waiter_);
}

int Endpoint::Spin(void* endpoint) {
  Endpoint& self = *static_cast<Endpoint*>(endpoint);
  if (self.spin_ns_ == 0) return 0;
  if (self.spin_until_ == 0) {
    const __u64 nic =
        lh_load_acquire(&self.device_.Attach().At<lh_info>(0)->nic_cpu);
    if (nic == static_cast<__u64>(sched_getcpu()) + 1) return 0;
    self.spin_until_ = MonotonicNanos() + self.spin_ns_;
    return 1;
  }
  Relax();
  return MonotonicNanos() < self.spin_until_;
}

int Endpoint::Sleep(void* endpoint, __u64* word, __u64 parked) {
  static_cast<Endpoint*>(endpoint)->device_.Wait(word, parked);
  return 1;
}

void Endpoint::Ring(void* endpoint) {
  static_cast<Endpoint*>(endpoint)->device_.Ring();
}

absl::StatusOr<std::uint64_t> Endpoint::Control(
    lh_command command, absl::Span<const std::uint8_t> payload) {
  spin_until_ = 0;
  return device_.Control(call_, waiter_, command, payload);
}

void Endpoint::Close() {
  for (lh_channel* const channel : {&serve_, &call_}) {
    while (!lh_close(&channel->in)) {
      if (lh_line* const line = lh_take(&channel->in)) {
        lh_release(&channel->in, line);
      }
    }
  }
}

absl::Status Endpoint::Reopen() {
  lh_command_handle command;
  command.handle = handle_;
  std::uint8_t payload[sizeof(command)];
  std::memcpy(payload, &command, sizeof(command));
  const std::uint64_t number =
      PutControl(call_, waiter_, LH_COMMAND_ENDPOINT_REOPEN, payload);
  // The result comes on the lane that is to be opened: wait until it is.
  while (lh_is_closed(&call_.in)) sched_yield();
  return GetResult(call_, waiter_, number).status();
}

}  // namespace lauberhorn
