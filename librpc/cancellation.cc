// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// One word says how far the call is; who moves it from an open call to
// kCancelling uses `cancel_` and `context_`, and End() waits for that, so that
// what they refer to may go as soon as the call has ended. A call that nobody
// cancels costs two compare-and-swaps of the caller's own line.
//
// Ordering: Begin() writes both before it releases the call, and Cancel()
// acquires it.
#include "lauberhorn/cancellation.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/attributes.h"

namespace lauberhorn {
namespace {

constexpr std::uint64_t kIdle = 0;       // the call has not begun
constexpr std::uint64_t kCancelled = 1;  // before it began
constexpr std::uint64_t kCancelling = 2;
constexpr std::uint64_t kEnded = 3;
constexpr std::uint64_t kFirstCall = 4;

// For those that wait before their call begins, which is rare: of the process.
ABSL_CONST_INIT std::mutex waiters_mutex;
std::condition_variable& Waiters() {
  static auto& waiters = *new std::condition_variable;
  return waiters;
}

}  // namespace

void Cancellation::Cancel() {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  for (;;) {
    if (state != kIdle && state < kFirstCall) return;
    const std::uint64_t next = state == kIdle ? kCancelled : kCancelling;
    if (state_.compare_exchange_weak(state, next, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      break;
    }
  }
  if (state == kIdle) {
    // Whoever looked at the state before waits by now, or has left.
    { const std::lock_guard<std::mutex> lock(waiters_mutex); }
    Waiters().notify_all();
    return;
  }
  cancel_(context_, state);
  state_.store(kEnded, std::memory_order_release);
  state_.notify_all();
}

bool Cancellation::WaitFor(absl::Duration time) {
  std::unique_lock<std::mutex> lock(waiters_mutex);
  return Waiters().wait_for(lock, absl::ToChronoNanoseconds(time), [this] {
    return state_.load(std::memory_order_acquire) == kCancelled;
  });
}

bool Cancellation::Begin(CancelCall cancel, void* context, std::uint64_t call) {
  cancel_ = cancel;
  context_ = context;
  std::uint64_t state = kIdle;
  return state_.compare_exchange_strong(state, call, std::memory_order_release,
                                        std::memory_order_relaxed);
}

void Cancellation::End() {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  if (state >= kFirstCall && state_.compare_exchange_strong(
                                 state, kEnded, std::memory_order_acquire)) {
    return;
  }
  for (; state == kCancelling; state = state_.load(std::memory_order_acquire)) {
    state_.wait(kCancelling, std::memory_order_acquire);
  }
}

}  // namespace lauberhorn
