/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The six macros of channel.h and bell.h as steps of the interleaver: its
// memory model is their ordering. Every edge is reported to the scenario.
// Includes the operations too, as nothing else may define their macros.

#ifndef LAUBERHORN_ABI_HOST_TESTING_ATOMIC_INTERLEAVED_H_
#define LAUBERHORN_ABI_HOST_TESTING_ATOMIC_INTERLEAVED_H_

#include "../types.h"
#include "interleaver.h"

namespace lauberhorn::testing {

// Fault::kTagStays: what a fill (state 2, FULL) writes then.
inline Word Filled(Word value) {
  return Interleaver::Current().fault() == Fault::kTagStays && (value & 15) == 2
             ? value - 16
             : value;
}

}  // namespace lauberhorn::testing

#define lh_load_acquire(address) \
  ::lauberhorn::testing::Interleaver::Current().Load(address)
#define lh_store_release(address, value)               \
  ::lauberhorn::testing::Interleaver::Current().Store( \
      address, ::lauberhorn::testing::Filled(value))
#define lh_cas64(address, old, new)                  \
  ::lauberhorn::testing::Interleaver::Current().Cas( \
      address, old, ::lauberhorn::testing::Filled(new))
#define lh_light_fence(asymmetric) \
  ::lauberhorn::testing::Interleaver::Current().LightFence(asymmetric)
#define lh_heavy_fence(asymmetric) \
  ::lauberhorn::testing::Interleaver::Current().HeavyFence(asymmetric)
// Lines are coherent there, and no load is left unanswered.
#define lh_write_back(line) ((void)(line))
#define LH_ON_EDGE(edge, address, old, new) \
  ::lauberhorn::testing::Interleaver::Current().OnEdge(edge, address, old, new)

#include "../channel.h"

#endif  // LAUBERHORN_ABI_HOST_TESTING_ATOMIC_INTERLEAVED_H_
