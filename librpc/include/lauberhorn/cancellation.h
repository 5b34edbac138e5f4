// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/cancellation.h
//
// A switch that ends a call early, from any thread and at any time: before the
// call (which then is not made), while it runs, or after it (nothing happens).
//
//   lauberhorn::Cancellation cancellation;
//   lauberhorn::CallOptions options;
//   options.cancellation = &cancellation;
//   ... call.Run(options) ...      // CANCELLED if, in another thread:
//   cancellation.Cancel();
//
// Thread-safety: safe from any thread. Blocking: Cancel() for the bounded time
// in which the NIC empties a lane. Allocation: none by itself; a thread's first
// Cancel() may take an endpoint. Ownership: the caller's; for one call, which
// it must outlive.
#ifndef LAUBERHORN_CANCELLATION_H_
#define LAUBERHORN_CANCELLATION_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace lauberhorn {

class Cancellation {
 public:
  Cancellation() = default;

  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Cancellation::Cancel()
  //
  // Ends the call with CANCELLED, unless it has ended. Its handler learns of it
  // from ServerCall::IsCancelled().
  void Cancel();

  // Cancellation::WaitFor()
  //
  // Waits until Cancel() was called, if that is before the call began, and at
  // most `time`. Returns whether it was. For what a call waits for before it
  // can be made.
  bool WaitFor(absl::Duration time);

  // For the library: what ends the open call `call`, which may not be below 4.
  using CancelCall = void (*)(void* context, std::uint64_t call);

  // Cancellation::Begin()
  //
  // For the library: the call begins. False if it has been cancelled: then it
  // is not to be made. If true, `cancel` and `context` are used until End(),
  // at most once.
  bool Begin(CancelCall cancel, void* context, std::uint64_t call);

  // Cancellation::End()
  //
  // For the library: the call has ended. Waits for a Cancel() that is at it.
  void End();

 private:
  // What there is to cancel: one of the constants of cancellation.cc, or the
  // open call.
  std::atomic<std::uint64_t> state_{0};
  CancelCall cancel_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_CANCELLATION_H_
