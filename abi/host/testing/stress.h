/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// What the stress tests of the header share: a channel in memory that threads
// or processes share, real futexes, messages whose every byte says which they
// are, and the time that a test may take (LAUBERHORN_LONG=1: sixty times as
// long).

#ifndef LAUBERHORN_ABI_HOST_TESTING_STRESS_H_
#define LAUBERHORN_ABI_HOST_TESTING_STRESS_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../atomic_user.h"
#include "../channel.h"

namespace lauberhorn::testing {

inline std::chrono::milliseconds StressTime() {
  const char* often = std::getenv("LAUBERHORN_LONG");
  return std::chrono::seconds(often && std::strcmp(often, "1") == 0 ? 300 : 5);
}

// xorshift64*: fast, and the same everywhere for a seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435769u + 1) {}
  // 0 .. bound - 1.
  uint64_t Below(uint64_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 2685821657736338717u >> 33) % bound;
  }

 private:
  uint64_t state_;
};

inline constexpr __u32 kStressSlots = 8;
inline constexpr __u32 kStressOverflow = 128;

// A channel, all zero at first.
struct StressMemory {
  alignas(128) lh_line out[kStressSlots];
  alignas(128) lh_line in[kStressSlots];
  alignas(128) __u8 overflow[2][kStressSlots][kStressOverflow];
  alignas(128) __u64 watched;
  __u64 backlog;
  alignas(128) __u64 asleep;
  alignas(128) __u64 bits;
  alignas(128) __u64 rings;  // counts; the low half is the NIC's futex
};

inline lh_lane ViewOf(StressMemory* memory, int direction, __u32 slots) {
  lh_lane lane{};
  lane.lines = reinterpret_cast<__u8*>(direction == LH_LANE_OUT ? memory->out
                                                                : memory->in);
  lane.overflow = memory->overflow[direction][0];
  lane.line_stride = sizeof(lh_line);
  lane.overflow_size = kStressOverflow;
  lane.slots = slots;
  return lane;
}

inline __u8* OverflowOf(const lh_lane& lane, const lh_line* line) {
  return lh_lane_overflow(
      &lane,
      static_cast<__u32>(line - reinterpret_cast<const lh_line*>(lane.lines)));
}

// The lanes are there, and empty: for a log of their edges.
inline void Announce(StressMemory* memory, __u32 slots) {
  (void)memory;
  (void)slots;
  LH_ON_LANE(LH_LANE_OUT, memory->out, sizeof(lh_line), slots);
  LH_ON_LANE(LH_LANE_IN, memory->in, sizeof(lh_line), slots);
}

// The message `number`: its bytes all follow from it.
inline void WriteMessage(const lh_lane& lane, lh_line* line, uint64_t number) {
  line->header.call = number;
  line->header.data = ~number;
  line->header.length = LH_INLINE_SIZE + kStressOverflow;
  std::memset(line->payload, static_cast<int>(number & 0xff), LH_INLINE_SIZE);
  std::memset(OverflowOf(lane, line), static_cast<int>(number >> 3 & 0xff),
              kStressOverflow);
}

// The number of the message, or UINT64_MAX if a byte of it is another's.
inline uint64_t ReadMessage(const lh_lane& lane, const lh_line* line) {
  const uint64_t number = line->header.call;
  bool whole = line->header.data == ~number;
  for (__u8 byte : line->payload) whole &= byte == (number & 0xff);
  const __u8* overflow = OverflowOf(lane, line);
  for (__u32 i = 0; i < kStressOverflow; ++i) {
    whole &= overflow[i] == (number >> 3 & 0xff);
  }
  return whole ? number : UINT64_MAX;
}

// Sleeps while the low half of the word holds that of `value`. There is no time
// limit: a wake that is lost shows as a test that hangs.
inline void FutexWait(const __u64* word, __u64 value) {
  syscall(SYS_futex, word, FUTEX_WAIT, static_cast<uint32_t>(value), nullptr,
          nullptr, 0);
}

inline void FutexWake(const __u64* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_STRESS_H_
