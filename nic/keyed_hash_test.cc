// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/keyed_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

namespace lauberhorn::nic {
namespace {

// The first eight bytes of a digest, as it is written in hexadecimal.
std::uint64_t FirstBytes(std::uint64_t as_written) {
  return __builtin_bswap64(as_written);
}

// Test case 1 of RFC 4231. Its key has 20 bytes; that it is filled up with
// zeros does not change an HMAC.
TEST(KeyedHashTest, IsHmacSha256) {
  Secret secret = {};
  std::fill_n(secret.begin(), 20, std::uint8_t{0x0b});
  std::uint64_t text;
  std::memcpy(&text, "Hi There", sizeof(text));
  EXPECT_EQ(KeyedHash(secret, {text}), FirstBytes(0xb0344c61d8db3853));
}

// Computed with another implementation of HMAC-SHA-256.
TEST(KeyedHashTest, TakesAllValuesInOrder) {
  const Secret secret = {'J', 'e', 'f', 'e'};
  EXPECT_EQ(KeyedHash(secret, {1, 2, 3}), FirstBytes(0xac5f0d60c595b9ca));
  EXPECT_EQ(KeyedHash(secret, {}), FirstBytes(0x923598ca6d64af2a));
}

TEST(KeyedHashTest, DiffersByPurposeValueOrderNumberAndKey) {
  const Secret secret = {1};
  const Secret other = {2};
  const std::set<std::uint64_t> hashes = {
      KeyedHash(secret, {1}),       KeyedHash(secret, {2}),
      KeyedHash(secret, {1, 0}),    KeyedHash(secret, {0, 1}),
      KeyedHash(secret, {1, 0, 0}), KeyedHash(secret, {2, 0, 0}),
      KeyedHash(secret, {}),        KeyedHash(other, {1}),
      KeyedHash(other, {}),
  };
  EXPECT_EQ(hashes.size(), 9u);
}

TEST(KeyedHashTest, IsTheSameEveryTimeAndInBothForms) {
  const Secret secret = {3};
  const std::vector<std::uint64_t> values = {4, 5};
  EXPECT_EQ(KeyedHash(secret, values), KeyedHash(secret, {4, 5}));
  EXPECT_EQ(KeyedHash(secret, values), KeyedHash(secret, values));
}

}  // namespace
}  // namespace lauberhorn::nic
