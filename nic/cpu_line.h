// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/cpu_line.h
//
// The line of one CPU, read while the kernel writes it: who runs there, and who
// left since the last look (docs/dispatch.md, rules 11 to 14).
//
// Ordering: the kernel stores ring, word, count. Each look loads count, word
// and ring, and then count and word once more: what it has of the ring counts
// only if no more than seven had left by then, as one of the eight slots may be
// under its pen.
#ifndef LAUBERHORN_NIC_CPU_LINE_H_
#define LAUBERHORN_NIC_CPU_LINE_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "abi/host/cpu.h"
#include "absl/types/span.h"
#include "nic/state_words.h"

namespace lauberhorn::nic {

class CpuLine {
 public:
  // The line outlives it. Nothing was seen yet.
  explicit CpuLine(const lh_cpu_state& state) : state_(&state) {}

  // Whether anything has changed since the last look.
  bool HasNews() const {
    return __atomic_load_n(&state_->count, __ATOMIC_ACQUIRE) != count_;
  }

  // Reads the line. Returns false if more left since the last look than the
  // ring can tell: then anybody may have. `load` is each load of it, with
  // acquire; a test lets the kernel go on in between.
  template <typename Load>
  bool Look(const Load& load);
  bool Look() {
    return Look([](const auto* from) {
      return __atomic_load_n(from, __ATOMIC_ACQUIRE);
    });
  }

  // As of the last look: what the CPU does, and who left between it and the one
  // before. These are what the kernel wrote, each an endpoint's index plus one.
  const CpuWord& word() const { return word_; }
  absl::Span<const std::uint32_t> left() const { return {left_.data(), gone_}; }

  // What the CPU does at this moment, for who has just passed a full fence.
  CpuWord ReadWord() const {
    return CpuWord(__atomic_load_n(&state_->word, __ATOMIC_ACQUIRE));
  }

 private:
  // One slot of the ring is not safe.
  static constexpr std::uint32_t kSafe = LH_DEPARTED - 1;
  // After so many changes `departed` may have come round.
  static constexpr std::uint64_t kMayHaveWrapped = std::uint64_t{1}
                                                   << LH_CPU_DEPARTED_BITS;

  std::uint32_t GoneBy(const CpuWord& word) const {
    return (word.departed - word_.departed) &
           ((1u << LH_CPU_DEPARTED_BITS) - 1);
  }

  const lh_cpu_state* state_;
  std::uint64_t count_ = 0;
  CpuWord word_{0};
  std::array<std::uint32_t, kSafe> left_ = {};
  std::uint32_t gone_ = 0;
};

template <typename Load>
bool CpuLine::Look(const Load& load) {
  const std::uint64_t count = load(&state_->count);
  const CpuWord word(load(&state_->word));
  gone_ = std::min(GoneBy(word), kSafe);
  for (std::uint32_t at = 0; at < gone_; ++at) {
    left_[at] =
        load(&state_->departed[(word_.departed + at + 1) % LH_DEPARTED]);
  }
  // What has left by now may have written over that. One more change may be
  // under way, which the count does not know yet.
  const std::uint32_t gone_by_now = GoneBy(CpuWord(load(&state_->word)));
  const std::uint64_t changes = load(&state_->count) + 1 - count_;
  const bool told = gone_by_now <= kSafe && changes < kMayHaveWrapped;
  count_ = count;
  word_ = word;
  if (!told) gone_ = 0;
  return told;
}

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_CPU_LINE_H_
