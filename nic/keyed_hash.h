// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/keyed_hash.h
//
// Unpredictable 64-bit values that are the same every time for the same input:
// cookies, tokens, incarnations. Keyed with a secret that the engine is given,
// so the engine needs no source of randomness, and a test gets the same run
// twice.
#ifndef LAUBERHORN_NIC_KEYED_HASH_H_
#define LAUBERHORN_NIC_KEYED_HASH_H_

#include <array>
#include <cstdint>
#include <initializer_list>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace lauberhorn::nic {

using Secret = std::array<std::uint8_t, 32>;

// What a hash is for: the first of its values, so that the same other values
// never mean two things.
enum HashOf : std::uint64_t {
  kHashOfServer = 1,  // incarnations
  kHashOfCookie = 2,
  kHashOfToken = 3,
  kHashOfClient = 4,
  kHashOfChallenge = 5,
  kHashOfDoor = 6,
};

// A secret that nobody can guess, from the system. RESOURCE_EXHAUSTED if that
// has none.
absl::Status FillSecret(Secret* secret);

// The first 64 bits of HMAC-SHA-256 over the values. For opening sessions, not
// for every packet: it costs about a microsecond.
std::uint64_t KeyedHash(const Secret& secret,
                        absl::Span<const std::uint64_t> values);

inline std::uint64_t KeyedHash(const Secret& secret,
                               std::initializer_list<std::uint64_t> values) {
  return KeyedHash(secret, absl::MakeConstSpan(values.begin(), values.size()));
}

// For tables whose keys are hashes already: random, or a method's id.
struct HashItself {
  std::size_t operator()(std::uint64_t key) const { return key; }
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_KEYED_HASH_H_
