// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/kmod/random.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace lauberhorn::kmod {

std::uint64_t Seed() {
  const char* const value = std::getenv("SEED");
  const bool given = value != nullptr && *value != 0;
  const std::uint64_t seed =
      given ? std::strtoull(value, nullptr, 0) : std::random_device()();
  std::printf("SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

std::uint64_t Below(Random& random, std::uint64_t limit) {
  return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
}

bool IsLong() {
  const char* const value = std::getenv("LAUBERHORN_LONG");
  return value != nullptr && std::string(value) == "1";
}

}  // namespace lauberhorn::kmod
