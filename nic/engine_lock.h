// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/engine_lock.h
//
// Who may touch an engine that several threads drive. A lock at which nobody
// has to wait: who finds it held leaves a mark, and the holder looks once more
// before it lets go.
//
// Lost wake-ups: all is one word, and only read-modify-writes change it. A mark
// is made after the message was put (release); the holder either still has to
// unlock, finds the mark there (acquire), and looks again, or has unlocked
// before, and then the lock was free for who wanted to leave the mark.
#ifndef LAUBERHORN_NIC_ENGINE_LOCK_H_
#define LAUBERHORN_NIC_ENGINE_LOCK_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace lauberhorn::nic {

class EngineLock {
 public:
  EngineLock() = default;
  EngineLock(const EngineLock&) = delete;
  EngineLock& operator=(const EngineLock&) = delete;

  // Whether it is the caller's now.
  bool TryLock() {
    std::uint32_t word = 0;
    return word_.compare_exchange_strong(word, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  // The same; if not, the holder's next Unlock() fails.
  bool TryLockOrMark() {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint32_t next = word == 0 ? kHeld : word | kMarked;
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return next == kHeld;
      }
    }
  }

  // Sleeps until it is the caller's.
  void Lock() {
    std::uint32_t word = 0;
    while (!word_.compare_exchange_weak(word, kHeld, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      const std::uint32_t waited = word | kWaited;
      if (word != 0 &&
          (word == waited || word_.compare_exchange_weak(
                                 word, waited, std::memory_order_relaxed))) {
        Futex(FUTEX_WAIT_PRIVATE, waited);
      }
      word = 0;
    }
  }

  // By who holds it: whether somebody left a mark, or sleeps in Lock().
  bool IsWanted() const {
    return word_.load(std::memory_order_relaxed) != kHeld;
  }

  // False: somebody left a mark, and the lock is still the caller's, who looks
  // again.
  bool Unlock() {
    std::uint32_t word = kHeld;
    for (;;) {
      const std::uint32_t next = (word & kMarked) != 0 ? word & ~kMarked : 0;
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        break;
      }
    }
    if ((word & kMarked) != 0) return false;
    if ((word & kWaited) != 0) Futex(FUTEX_WAKE_PRIVATE, INT_MAX);
    return true;
  }

 private:
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kMarked = 2;
  static constexpr std::uint32_t kWaited = 4;  // somebody sleeps in Lock()

  void Futex(int operation, std::uint32_t value) {
    static_assert(sizeof(word_) == sizeof(value));
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), operation,
            value, nullptr, nullptr, 0);
  }

  std::atomic<std::uint32_t> word_{0};
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ENGINE_LOCK_H_
