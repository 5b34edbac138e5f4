// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/dawdle.h
//
// Workers of this process that are switched out between the delivery of a call
// and its taking: every other time that one begins to look at its line it looks
// until a message lies there, and then sleeps before it takes it.
#ifndef LAUBERHORN_TESTS_VM_SERVE_DAWDLE_H_
#define LAUBERHORN_TESTS_VM_SERVE_DAWDLE_H_

#include <cstdint>

#include "lauberhorn/runtime.h"

namespace lauberhorn::serve {

// From now on, the workers of this runtime, which lives as long as they do.
void Dawdle(Runtime& runtime);

// How often one has done so; and how often the message was gone when it came
// back.
struct Dawdles {
  std::uint64_t all;
  std::uint64_t gone;
};
Dawdles CountDawdles();

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_DAWDLE_H_
