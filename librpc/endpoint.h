// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/endpoint.h
//
// What one thread needs to talk to the NIC: the host's side of its two
// channels, and how it waits. Belongs to one thread at a time.
//
// Waiting: look at the word for a few microseconds, about what a wake costs,
// but not at all if the NIC runs on this CPU: it could not answer meanwhile.
// Then park. lh_get() has the order of the steps. Where the NIC does its work
// on the threads that wait, the device says how long to look.
#ifndef LAUBERHORN_LIBRPC_ENDPOINT_H_
#define LAUBERHORN_LIBRPC_ENDPOINT_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "librpc/device.h"
#include "librpc/device_time.h"
#include "librpc/message_body.h"

namespace lauberhorn {

class Endpoint {
 public:
  // The device and the layout, which is one of its table, outlive the endpoint.
  Endpoint(Device& device, const lh_endpoint_layout& layout,
           absl::Duration spin);

  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  std::uint64_t handle() const { return handle_; }

  // How a message's aux names it.
  std::uint16_t number() const {
    return static_cast<std::uint16_t>(lh_handle_index(handle_) + 1);
  }

  Device& device() const { return device_; }
  lh_channel& serve() { return serve_; }
  lh_channel& call() { return call_; }

  // It is the calling thread's until that says Close().
  void Bind();

  // The line of the channel to write the next message to.
  lh_line* PutBegin(lh_channel& channel) {
    return lauberhorn::PutBegin(device_.Attach(), channel.out);
  }

  // Puts the message that was written to `line` of the channel.
  void Put(lh_channel& channel, lh_line* line) {
    lh_put(&channel, line, &waiter_);
  }

  // Waits for the next message of the channel; null if there will be none: the
  // NIC is lost, or does not serve the channel any more.
  lh_line* Get(lh_channel& channel);

  // The same, but null if none has come by `until`, see device_time.h.
  lh_line* GetUntil(lh_channel& channel, std::int64_t until);

  // Whether the NIC does not serve one of the channels any more: see
  // LH_QUARANTINE_* in abi/host/lane.h. Then the endpoint is of no more use.
  bool IsQuarantined() const {
    return lh_load_acquire(serve_quarantine_) != 0 ||
           lh_load_acquire(call_quarantine_) != 0;
  }

  // Whether anything may still be answered here: not if the NIC is lost, nor if
  // it is quarantined.
  bool IsServed() const {
    return !IsQuarantined() && !device_.Attach().IsLost();
  }

  // A control command, on this endpoint's `call` channel. See
  // Device::Control().
  absl::StatusOr<std::uint64_t> Control(
      lh_command command, absl::Span<const std::uint8_t> payload,
      absl::Span<std::uint8_t>* answer = nullptr);

  // The call whose handler this thread runs and has not answered; 0 if none.
  std::uint64_t serving_call = 0;

  // Says that this thread will take one call.
  void PutEmpty();

  // Says that a call of this process is no longer wanted.
  void PutCancel(std::uint64_t call);

  // Says that the own call `call`, which is put next, is made for `parent`,
  // which this process serves.
  void PutLink(std::uint64_t call, std::uint64_t parent);

  // Around a wait for a call of the thread's own: tells the NIC that the
  // handler that it runs, if any, does not compute meanwhile.
  void Leave();
  void Enter();

  // Says that no thread waits here any more. A call that it still has is
  // answered with an error. Reopen() lets the next thread use the endpoint.
  void Close();
  absl::Status Reopen();

  // Contiguous memory for a message that does not fit into a line, one for each
  // use that may be under way at a time.
  std::uint8_t* request_buffer() { return request_; }
  std::uint8_t* reply_buffer() { return reply_; }
  std::uint8_t* call_buffer() { return call_buffer_; }

  // Whether this thread has a call of its own under way, and whether it is a
  // worker here.
  bool calling = false;
  bool working = false;

 private:
  // Begins a wait on the channel.
  void BeginWait(const lh_channel& channel);
  // Ends it: for all waits that BeginWait() began.
  void EndWait();
  // Tells who reads the hint whether this thread does nothing but look.
  void SayWaiting(bool waiting) {
    if (hint_ == nullptr) return;
    lh_store_release(&hint_->state, waiting ? LH_HINT_WAITING : LH_HINT_BUSY);
  }
  std::uint32_t index() const { return lh_handle_index(handle_); }
  lh_line* TakeNext(lh_channel& channel);
  static void CloseLane(lh_lane& in);
  // Puts a message without payload.
  void PutBare(lh_channel& channel, lh_kind kind, std::uint64_t call,
               std::uint64_t data = 0);
  void Refuse(std::uint64_t call, absl::StatusCode code,
              absl::string_view text);
  void ResignCall();

  static int Spin(void* endpoint);
  static int Sleep(void* endpoint, __u64* word, __u64 parked);
  static void Ring(void* endpoint);

  Device& device_;
  const std::uint64_t handle_;
  const std::int64_t spin_ns_;
  const bool drives_;  // Device::WaitersDrive()
  bool bound_ = false;
  lh_hint* hint_ = nullptr;      // null if nobody reads it
  std::uint64_t left_ = 0;       // the call that Leave() was said of
  std::uint32_t looks_ = 0;      // of this wait
  std::int64_t spin_until_ = 0;  // 0: it has not looked at the clock yet
  std::int64_t wait_until_ = kForever;
  // Of the channel that is waited on.
  const lh_bell* bell_ = nullptr;
  const __u64* quarantine_ = nullptr;
  const __u64* const serve_quarantine_;
  const __u64* const call_quarantine_;
  lh_channel serve_;
  lh_channel call_;
  lh_waiter waiter_;
  std::uint8_t request_[kMaxMessage];
  std::uint8_t reply_[kMaxMessage];
  std::uint8_t call_buffer_[kMaxMessage];
};

// Leave() and Enter() of a thread's endpoint, if it has one.
class WhileWaiting {
 public:
  explicit WhileWaiting(Endpoint* endpoint) : endpoint_(endpoint) {
    if (endpoint_ != nullptr) endpoint_->Leave();
  }
  ~WhileWaiting() {
    if (endpoint_ != nullptr) endpoint_->Enter();
  }

  WhileWaiting(const WhileWaiting&) = delete;
  WhileWaiting& operator=(const WhileWaiting&) = delete;

 private:
  Endpoint* const endpoint_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_ENDPOINT_H_
