// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/random.h
//
// What the environment says of tests that leave something to chance: SEED
// repeats one, LAUBERHORN_LONG=1 makes them long.
//
// Thread-safety: a Random is its thread's, as in the standard library.
#ifndef LAUBERHORN_TESTS_VM_KMOD_RANDOM_H_
#define LAUBERHORN_TESTS_VM_KMOD_RANDOM_H_

#include <cstdint>
#include <random>

namespace lauberhorn::kmod {

using Random = std::mt19937_64;

// That of the environment, or a new one; prints it.
std::uint64_t Seed();

std::uint64_t Below(Random& random, std::uint64_t limit);

bool IsLong();

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_RANDOM_H_
