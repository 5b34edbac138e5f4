// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/endpoint.h"

#include <sched.h>

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"

namespace lauberhorn {
namespace {

constexpr std::uint32_t kLooksPerPause = 16;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

const __u64* QuarantineOf(const Device& device,
                          const lh_channel_layout& layout) {
  return &device.Attach().At<lh_channel_state>(layout.state)->quarantine;
}

}  // namespace

Endpoint::Endpoint(Device& device, const lh_endpoint_layout& layout,
                   absl::Duration spin)
    : device_(device),
      handle_(lh_handle(layout.index, layout.generation)),
      spin_ns_(absl::ToInt64Nanoseconds(spin)),
      drives_(device.WaitersDrive()),
      serve_quarantine_(QuarantineOf(device, layout.serve)),
      call_quarantine_(QuarantineOf(device, layout.call)),
      serve_(device.Channel(layout.serve)),
      call_(device.Channel(layout.call)),
      waiter_{&Spin, &Sleep, &Ring, this} {}

void Endpoint::BeginWait(const lh_channel& channel) {
  looks_ = 0;
  spin_until_ = 0;
  bell_ = &channel.bell;
  quarantine_ = &channel == &serve_ ? serve_quarantine_ : call_quarantine_;
}

void Endpoint::EndWait() {
  SayWaiting(false);
  if (drives_ && looks_ != 0) device_.EndWait(index());
}

void Endpoint::Bind() {
  hint_ = device_.Bind(index());
  bound_ = true;
  calling = working = false;
}

lh_line* Endpoint::Get(lh_channel& channel) {
  BeginWait(channel);
  return TakeNext(channel);
}

lh_line* Endpoint::GetUntil(lh_channel& channel, std::int64_t until) {
  BeginWait(channel);
  wait_until_ = until;
  lh_line* const line = TakeNext(channel);
  wait_until_ = kForever;
  return line;
}

lh_line* Endpoint::TakeNext(lh_channel& channel) {
  lh_line* const line = lh_get(&channel.in, &waiter_);
  EndWait();
  if (line == nullptr || line->header.kind != LH_KIND_QUARANTINED) return line;
  lh_release(&channel.in, line);
  return nullptr;
}

int Endpoint::Spin(void* endpoint) {
  Endpoint& self = *static_cast<Endpoint*>(endpoint);
  if (self.drives_) {
    self.looks_ = 1;
    return self.device_.Look(self.index(), self.wait_until_);
  }
  if (self.spin_ns_ == 0) return 0;
  const Attachment& attachment = self.device_.Attach();
  if (self.looks_++ == 0) {
    const __u64 nic = lh_load_acquire(&attachment.Now().nic_cpu);
    const bool looks = nic != static_cast<__u64>(sched_getcpu()) + 1;
    self.SayWaiting(looks);
    return looks;
  }
  // The clock, and the pause, each take as long as several looks.
  if (self.looks_ % kLooksPerPause != 0) return 1;
  Relax();
  const std::int64_t now = MonotonicNanos();
  if (self.spin_until_ == 0) self.spin_until_ = now + self.spin_ns_;
  return now < std::min(self.spin_until_, self.wait_until_) &&
         !attachment.IsLost();
}

int Endpoint::Sleep(void* endpoint, __u64* word, __u64 parked) {
  Endpoint& self = *static_cast<Endpoint*>(endpoint);
  self.SayWaiting(false);
  // After the word was parked: the NIC says so before it looks at the word.
  if (lh_load_acquire(self.quarantine_) != 0) return 0;
  if (self.device_.Attach().IsLost()) return 0;
  if (lh_bell_before_sleep(self.bell_)) self.device_.Ring();
  self.device_.Wait(self.index(), word, parked, self.wait_until_);
  return self.wait_until_ == kForever || MonotonicNanos() < self.wait_until_;
}

void Endpoint::Ring(void* endpoint) {
  static_cast<Endpoint*>(endpoint)->device_.Ring();
}

absl::StatusOr<std::uint64_t> Endpoint::Control(
    lh_command command, absl::Span<const std::uint8_t> payload,
    absl::Span<std::uint8_t>* answer) {
  BeginWait(call_);
  absl::StatusOr<std::uint64_t> result =
      device_.Control(call_, waiter_, command, payload, answer);
  EndWait();
  return result;
}

void Endpoint::PutBare(lh_channel& channel, lh_kind kind, std::uint64_t call,
                       std::uint64_t data) {
  lh_line* const line = PutBegin(channel);
  lh_message& header = line->header;
  header.call = call;
  header.data = data;
  header.code = header.deadline = 0;
  header.length = 0;
  header.kind = static_cast<__u8>(kind);
  header.flags = 0;
  header.aux = kind == LH_KIND_EMPTY ? 1 : 0;
  Put(channel, line);
}

void Endpoint::PutEmpty() { PutBare(serve_, LH_KIND_EMPTY, 0); }

void Endpoint::PutCancel(std::uint64_t call) {
  PutBare(call_, LH_KIND_CANCEL, call);
}

void Endpoint::PutLink(std::uint64_t call, std::uint64_t parent) {
  PutBare(call_, LH_KIND_LINK, call, parent);
}

void Endpoint::Leave() {
  left_ = serving_call;
  if (left_ != 0) PutBare(serve_, LH_KIND_LEAVE, left_);
}

void Endpoint::Enter() {
  if (left_ != 0) PutBare(serve_, LH_KIND_ENTER, left_);
  left_ = 0;
}

void Endpoint::Refuse(std::uint64_t call, absl::StatusCode code,
                      absl::string_view text) {
  lh_line* const line = PutBegin(serve_);
  WritePayload(
      serve_.out, serve_.out.position, line,
      {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  lh_message& header = line->header;
  header.call = call;
  header.code = static_cast<__u64>(code);
  header.data = header.deadline = 0;
  header.length = static_cast<__u32>(text.size());
  header.kind = LH_KIND_REPLY;
  header.flags = 0;
  header.aux = 0;
  Put(serve_, line);
}

// The thread ends inside a handler: its call gets an end, and so do those that
// were staged behind it, until the NIC gives it no more.
void Endpoint::ResignCall() {
  lh_command_handle command;
  command.handle = handle_;
  (void)Control(
      LH_COMMAND_ENDPOINT_RETIRE,
      {reinterpret_cast<const std::uint8_t*>(&command), sizeof(command)});
  Refuse(serving_call, absl::StatusCode::kUnknown,
         "the thread that ran the handler has ended");
  serving_call = 0;
  // The slot of the call was never released.
  for (std::uint32_t slot = 0; slot < serve_.in.slots; ++slot) {
    lh_line* const line = lh_lane_line(&serve_.in, slot);
    if (lh_state(lh_load_acquire(&line->header.word)) == LH_TAKEN) {
      lh_release(&serve_.in, line);
    }
  }
  while (lh_line* const line = Get(serve_)) {
    const std::uint8_t kind = line->header.kind;
    const std::uint64_t call = line->header.call;
    lh_release(&serve_.in, line);
    if (kind == LH_KIND_RETIRE) return;
    if (kind == LH_KIND_CALL) {
      Refuse(call, absl::StatusCode::kUnavailable,
             "the thread that was to run the handler has ended");
    }
  }
}

void Endpoint::Close() {
  if (serving_call != 0) ResignCall();
  CloseLane(serve_.in);
  CloseLane(call_.in);
  if (!bound_) return;
  device_.Unbind(index());
  bound_ = false;
  hint_ = nullptr;
}

void Endpoint::CloseLane(lh_lane& in) {
  // One that nothing may come to can be left as it is.
  while (lh_may_come(&in) && !lh_close(&in)) {
    if (lh_line* const line = lh_take(&in)) lh_release(&in, line);
  }
}

absl::Status Endpoint::Reopen() {
  lh_command_handle command;
  command.handle = handle_;
  BeginWait(call_);
  std::uint8_t payload[sizeof(command)];
  std::memcpy(payload, &command, sizeof(command));
  const std::uint64_t number = PutControl(device_.Attach(), call_, waiter_,
                                          LH_COMMAND_ENDPOINT_REOPEN, payload);
  // The result comes on the lane that is to be opened: wait until it is.
  while (lh_is_closed(&call_.in)) {
    if (device_.Attach().IsLost()) return NicIsLost();
    if (IsQuarantined()) {
      return absl::UnavailableError("the NIC does not serve the endpoint");
    }
    sched_yield();
  }
  absl::Status status = GetResult(call_, waiter_, number).status();
  EndWait();
  return status;
}

}  // namespace lauberhorn
