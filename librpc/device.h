// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/device.h
//
// A device: how a process reaches a NIC. Few functions, and the only place
// where devices differ; nothing else in the library asks which one it has.
//
//   Attach   where the region is and what of it is this process's
//   Channel  the host's view of one channel
//   Bind     the calling thread has an endpoint now
//   Wait     sleep on a slot's word, until some time
//   Ring     wake the NIC
//   Control  a command to the NIC
//   LetGo    the NIC is lost, and the kernel gets back what it has of it
//
// A NIC may do its work on the threads that wait for it (WaitersDrive()); it
// gets them by Look() and EndWait().
//
// Thread-safety: all functions from any thread; a channel belongs to one.
#ifndef LAUBERHORN_LIBRPC_DEVICE_H_
#define LAUBERHORN_LIBRPC_DEVICE_H_

#include <cstdint>

#include "abi/host/channel_user.h"
#include "abi/host/control.h"
#include "abi/host/endpoint.h"
#include "abi/host/process.h"
#include "abi/host/region.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lauberhorn {

// The process's part of a region, as long as the device lives.
struct Attachment {
  std::uint8_t* base;   // what offsets count from
  const lh_info* info;  // what the device is; for what it does now: Now()
  const lh_process_layout* process;
  const lh_endpoint_layout* endpoints;  // process->endpoint_count of them
  std::uint64_t epoch;                  // of the device, when it was attached

  template <typename T>
  T* At(std::uint64_t offset) const {
    return reinterpret_cast<T*>(base + offset);
  }

  const lh_info& Now() const { return *At<const lh_info>(0); }

  // Whether the NIC is gone, or has forgotten this process: it will read
  // nothing of what is put, and answer nothing.
  bool IsLost() const {
    return lh_load_acquire(&Now().status) != LH_STATUS_READY ||
           lh_load_acquire(&Now().device_epoch) != epoch;
  }
};

// That of a region which is READY and has one process, and whose NIC is of this
// process: what stands there is believed.
Attachment TrustingAttachment(std::uint8_t* base);

class Device {
 public:
  virtual ~Device() = default;

  virtual const Attachment& Attach() const = 0;

  // The host's view of the channel; positions are those of a fresh channel.
  virtual lh_channel Channel(const lh_channel_layout& layout) const;

  // The calling thread, and nobody else, uses this endpoint of the table until
  // it says Unbind(). Returns where to say whether the thread only waits, or
  // null if nobody wants to know.
  virtual lh_hint* Bind(std::uint32_t endpoint);
  virtual void Unbind(std::uint32_t endpoint);

  // Sleeps while `*word`, of a slot of the endpoint, is `parked`, until then at
  // most (device_time.h). May return early.
  virtual void Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
                    std::int64_t until) = 0;

  virtual void Ring() = 0;

  // Whether the NIC does its work on threads that wait. Then each says Look()
  // when it finds nothing, before it parks: true if it is to look again, which
  // it is not after `until` (device_time.h). And
  // EndWait() when it waits no more, if it has said Look().
  virtual bool WaitersDrive() const { return false; }
  virtual bool Look(std::uint32_t endpoint, std::int64_t until);
  virtual void EndWait(std::uint32_t endpoint);

  // Once the NIC is lost: keeps nothing that is not the process's own. The
  // region stays where it is, as it is, for those who are still at work there.
  // By one thread at a time.
  virtual void LetGo();

  // Puts the command on a `call` channel that the calling thread owns, and
  // waits for its result: the handle that it made, or the NIC's error.
  // `payload` has at most LH_INLINE_SIZE bytes inline and the rest in the
  // overflow block. What a good result brings fills `answer`, which shrinks to
  // its size; INTERNAL if it is more than that, or there is no `answer`.
  virtual absl::StatusOr<std::uint64_t> Control(
      lh_channel& call, const lh_waiter& waiter, lh_command command,
      absl::Span<const std::uint8_t> payload, absl::Span<std::uint8_t>* answer);
};

// Whether this library can use a device with this information page: magic,
// version, features, and that it is ready. Else why not, and what to do.
absl::Status CheckDevice(const lh_info& info);

// What Wait() of a device in software does: sleeps on the futex that is the low
// half of the word. `shared` if the NIC wakes by another mapping of it.
void SleepOnWord(__u64* word, __u64 parked, std::int64_t until, bool shared);

// The two halves of Device::Control(): puts the command and returns its number;
// waits for the result of that number.
std::uint64_t PutControl(const Attachment& attachment, lh_channel& call,
                         const lh_waiter& waiter, lh_command command,
                         absl::Span<const std::uint8_t> payload);
absl::StatusOr<std::uint64_t> GetResult(
    lh_channel& call, const lh_waiter& waiter, std::uint64_t number,
    absl::Span<std::uint8_t>* answer = nullptr);

// Writes a payload to a line and its overflow block, and reads it back; the
// length has been checked against both.
void WritePayload(const lh_lane& lane, std::uint32_t slot, lh_line* line,
                  absl::Span<const std::uint8_t> payload);
void ReadPayload(const lh_lane& lane, std::uint32_t slot, const lh_line* line,
                 absl::Span<std::uint8_t> payload);

// Why a wait ended without a message.
absl::Status NicIsLost();

// The line to write the next message to; waits for the NIC to empty one, which
// takes a bounded time. What is put to a NIC that is lost is lost, too.
lh_line* PutBegin(const Attachment& attachment, lh_lane& out);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_DEVICE_H_
