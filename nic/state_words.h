// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/state_words.h
//
// The words of abi/host/cpu.h and abi/host/endpoint.h, which the kernel packs,
// taken apart: the places of their fields are all that both sides share.
#ifndef LAUBERHORN_NIC_STATE_WORDS_H_
#define LAUBERHORN_NIC_STATE_WORDS_H_

#include <cstdint>

#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"

namespace lauberhorn::nic {

constexpr std::uint32_t Field(std::uint64_t word, unsigned shift,
                              unsigned bits) {
  return static_cast<std::uint32_t>(word >> shift &
                                    ((std::uint64_t{1} << bits) - 1));
}

struct CpuWord {
  explicit constexpr CpuWord(std::uint64_t word)
      : seq(Field(word, LH_CPU_SEQ_SHIFT, LH_CPU_SEQ_BITS)),
        mode(Field(word, LH_CPU_MODE_SHIFT, LH_CPU_MODE_BITS)),
        flags(Field(word, LH_CPU_FLAGS_SHIFT, LH_CPU_FLAGS_BITS)),
        nr(Field(word, LH_CPU_NR_SHIFT, LH_CPU_NR_BITS)),
        scheduling_class(Field(word, LH_CPU_CLASS_SHIFT, LH_CPU_CLASS_BITS)),
        departed(Field(word, LH_CPU_DEPARTED_SHIFT, LH_CPU_DEPARTED_BITS)),
        endpoint(Field(word, LH_CPU_ENDPOINT_SHIFT, LH_CPU_ENDPOINT_BITS)) {}

  bool need_resched() const { return (flags & LH_CPU_FLAG_NEED_RESCHED) != 0; }

  std::uint32_t seq;
  std::uint32_t mode;
  std::uint32_t flags;
  std::uint32_t nr;
  std::uint32_t scheduling_class;
  std::uint32_t departed;
  std::uint32_t endpoint;  // plus one
};

struct EndpointWord {
  explicit constexpr EndpointWord(std::uint64_t word)
      : thread(Field(word, LH_ENDPOINT_WORD_THREAD_SHIFT,
                     LH_ENDPOINT_WORD_THREAD_BITS)),
        generation(Field(word, LH_ENDPOINT_WORD_GENERATION_SHIFT,
                         LH_ENDPOINT_WORD_GENERATION_BITS)),
        state(Field(word, LH_ENDPOINT_WORD_STATE_SHIFT,
                    LH_ENDPOINT_WORD_STATE_BITS)),
        mask(Field(word, LH_ENDPOINT_WORD_MASK_SHIFT,
                   LH_ENDPOINT_WORD_MASK_BITS)) {}

  std::uint32_t thread;
  std::uint32_t generation;
  std::uint32_t state;
  std::uint32_t mask;  // plus one; 0: any CPU
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_STATE_WORDS_H_
