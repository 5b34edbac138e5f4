// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/random.h
//
// What those who mean ill make up.
#ifndef LAUBERHORN_TESTS_VM_SERVE_RANDOM_H_
#define LAUBERHORN_TESTS_VM_SERVE_RANDOM_H_

#include <cstdint>

#include "abi/host/message.h"
#include "tests/vm/kmod/random.h"

namespace lauberhorn::serve {

using kmod::Below;
using kmod::Random;
using kmod::Seed;

// A number that may mean something: a small one, a handle, a bit, or none.
std::uint64_t SomeNumber(Random& random);

// The header of a message that may mean something; its word does not.
lh_message SomeMessage(Random& random);

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_RANDOM_H_
