// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "librpc/device_time.h"

namespace lauberhorn {

Attachment TrustingAttachment(std::uint8_t* base) {
  Attachment attachment = {};
  attachment.base = base;
  attachment.info = &attachment.Now();
  attachment.process =
      attachment.At<lh_process_layout>(attachment.info->processes);
  attachment.endpoints =
      attachment.At<lh_endpoint_layout>(attachment.process->endpoints);
  attachment.epoch = attachment.info->device_epoch;
  return attachment;
}

lh_channel Device::Channel(const lh_channel_layout& layout) const {
  const Attachment& attachment = Attach();
  const lh_info& info = *attachment.info;
  const auto lane = [&](const lh_lane_layout& where) {
    lh_lane view = {};
    view.lines = attachment.At<__u8>(where.lines);
    view.overflow = attachment.At<__u8>(where.overflow);
    view.line_stride = info.line_stride;
    view.overflow_size = info.overflow_size;
    view.slots = info.slots;
    return view;
  };
  lh_channel channel = {};
  channel.out = lane(layout.out);
  channel.in = lane(layout.in);
  channel.in.stalls = (info.features & LH_FEATURE_NEEDS_KICK) != 0;
  channel.bell.watched =
      &attachment.At<lh_channel_state>(layout.state)->watched;
  channel.bell.asleep = &attachment.At<lh_info>(0)->asleep;
  channel.bell.backlog =
      &attachment.At<lh_channel_state>(layout.state)->backlog;
  lh_bell_line* const lines =
      attachment.At<lh_bell_line>(attachment.process->bell);
  channel.bell.bits =
      &lines[layout.bell / LH_BELL_BITS].bits[layout.bell % LH_BELL_BITS / 64];
  channel.bell.mask = __u64{1} << layout.bell % 64;
  channel.bell.asymmetric = (info.features & LH_FEATURE_ASYMMETRIC_FENCE) != 0;
  return channel;
}

lh_hint* Device::Bind(std::uint32_t /*endpoint*/) { return nullptr; }

void Device::Unbind(std::uint32_t /*endpoint*/) {}

bool Device::Look(std::uint32_t /*endpoint*/, std::int64_t /*until*/) {
  return false;
}

void Device::EndWait(std::uint32_t /*endpoint*/) {}

void Device::LetGo() {}

absl::Status CheckDevice(const lh_info& info) {
  if (lh_load_acquire(&info.magic) != LH_MAGIC) {
    return absl::UnavailableError("the device is no NIC, or is lost");
  }
  if (info.version_major != LH_VERSION_MAJOR) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the NIC speaks version ", info.version_major, ".", info.version_minor,
        " of the contract, this library version ", LH_VERSION_MAJOR,
        "; use a library of the NIC's version"));
  }
  const __u64 unknown = info.features & ~LH_FEATURES;
  if (unknown != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the NIC has features that this library does not know (0x",
                     absl::Hex(unknown), "); use a newer library"));
  }
  if (lh_load_acquire(&info.status) != LH_STATUS_READY) {
    return absl::UnavailableError("the NIC is not ready; try again later");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> Device::Control(
    lh_channel& call, const lh_waiter& waiter, lh_command command,
    absl::Span<const std::uint8_t> payload, absl::Span<std::uint8_t>* answer) {
  const std::uint64_t number =
      PutControl(Attach(), call, waiter, command, payload);
  return GetResult(call, waiter, number, answer);
}

void SleepOnWord(__u64* word, __u64 parked, std::int64_t until, bool shared) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  timespec when = {};
  when.tv_sec = until / kSecond;
  when.tv_nsec = until % kSecond;
  // With a bitset the time is absolute, of CLOCK_MONOTONIC. The futex is the
  // low half: the contract is little-endian.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word),
          shared ? FUTEX_WAIT_BITSET : FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
          static_cast<std::uint32_t>(parked),
          until == kForever ? nullptr : &when, nullptr, FUTEX_BITSET_MATCH_ANY);
}

std::uint64_t PutControl(const Attachment& attachment, lh_channel& call,
                         const lh_waiter& waiter, lh_command command,
                         absl::Span<const std::uint8_t> payload) {
  lh_line* const line = PutBegin(attachment, call.out);
  WritePayload(call.out, call.out.position, line, payload);
  static std::atomic<std::uint64_t> numbers{0};
  const std::uint64_t number =
      numbers.fetch_add(1, std::memory_order_relaxed) + 1;
  line->header.kind = LH_KIND_CONTROL;
  line->header.flags = 0;
  line->header.aux = 0;
  line->header.call = number;
  line->header.code = command;
  line->header.data = 0;
  line->header.deadline = 0;
  line->header.length = static_cast<__u32>(payload.size());
  lh_put(&call, line, &waiter);
  return number;
}

absl::StatusOr<std::uint64_t> GetResult(lh_channel& call,
                                        const lh_waiter& waiter,
                                        std::uint64_t number,
                                        absl::Span<std::uint8_t>* answer) {
  for (;;) {
    const std::uint32_t slot = call.in.position;
    lh_line* const line = lh_get(&call.in, &waiter);
    if (line == nullptr) return NicIsLost();
    const lh_message header = line->header;
    // Anything else is late: the answer to a call that this thread gave up.
    const bool result = header.kind == LH_KIND_RESULT && header.call == number;
    std::string text;
    if (result && header.code != 0) {
      text.resize(std::min<std::size_t>(
          header.length, LH_INLINE_SIZE + call.in.overflow_size));
      ReadPayload(call.in, slot, line,
                  absl::MakeSpan(reinterpret_cast<std::uint8_t*>(&text[0]),
                                 text.size()));
    }
    const bool good = result && header.code == 0;
    const bool fits = header.length <= (answer == nullptr ? 0 : answer->size());
    if (good && fits && answer != nullptr) {
      *answer = answer->first(header.length);
      ReadPayload(call.in, slot, line, *answer);
    }
    lh_release(&call.in, line);
    if (header.kind == LH_KIND_QUARANTINED) return NicIsLost();
    if (!result) continue;
    if (good && fits) return header.data;
    if (good) {
      return absl::InternalError("the NIC's result breaks the contract");
    }
    return absl::Status(static_cast<absl::StatusCode>(header.code), text);
  }
}

absl::Status NicIsLost() {
  return absl::UnavailableError(
      "the NIC is lost, or does not serve this thread any more because its "
      "messages broke the contract; the call may have run");
}

void WritePayload(const lh_lane& lane, std::uint32_t slot, lh_line* line,
                  absl::Span<const std::uint8_t> payload) {
  const std::size_t in_line =
      std::min<std::size_t>(payload.size(), LH_INLINE_SIZE);
  if (in_line > 0) std::memcpy(line->payload, payload.data(), in_line);
  if (payload.size() > in_line) {
    std::memcpy(lh_lane_overflow(&lane, slot), payload.data() + in_line,
                payload.size() - in_line);
  }
}

void ReadPayload(const lh_lane& lane, std::uint32_t slot, const lh_line* line,
                 absl::Span<std::uint8_t> payload) {
  const std::size_t in_line =
      std::min<std::size_t>(payload.size(), LH_INLINE_SIZE);
  if (in_line > 0) std::memcpy(payload.data(), line->payload, in_line);
  if (payload.size() > in_line) {
    std::memcpy(payload.data() + in_line, lh_lane_overflow(&lane, slot),
                payload.size() - in_line);
  }
}

lh_line* PutBegin(const Attachment& attachment, lh_lane& out) {
  for (;;) {
    lh_line* const line = lh_put_begin(&out);
    if (line != nullptr) return line;
    // Nobody reads there any more.
    if (attachment.IsLost()) return lh_lane_next(&out);
    // The lane is full of what this thread put: let the NIC run.
    sched_yield();
  }
}

}  // namespace lauberhorn
