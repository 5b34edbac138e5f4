// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/random.h
//
// What those who mean ill make up.
#ifndef LAUBERHORN_TESTS_VM_SERVE_RANDOM_H_
#define LAUBERHORN_TESTS_VM_SERVE_RANDOM_H_

#include <cstdint>
#include <random>

#include "abi/host/message.h"

namespace lauberhorn::serve {

using Random = std::mt19937_64;

// That of the environment, or a new one; prints it.
std::uint64_t Seed();

std::uint64_t Below(Random& random, std::uint64_t limit);

// A number that may mean something: a small one, a handle, a bit, or none.
std::uint64_t SomeNumber(Random& random);

// The header of a message that may mean something; its word does not.
lh_message SomeMessage(Random& random);

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_RANDOM_H_
