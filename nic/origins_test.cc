// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/origins.h"

#include <gtest/gtest.h>

#include "nic/testing/memory_wire.h"

namespace lauberhorn::nic {
namespace {

using testing::TestAddress;

Address V6(std::uint8_t prefix, std::uint8_t host) {
  lh_address raw = {};
  raw.ip[0] = 0x20;
  raw.ip[7] = prefix;
  raw.ip[15] = host;
  return Address(raw);
}

TEST(OriginsTest, CountsByAddressWithoutPort) {
  Origins origins(10);
  EXPECT_EQ(origins.Count(TestAddress(1)), 0u);
  origins.Add(TestAddress(1, 10));
  origins.Add(TestAddress(1, 11));
  origins.Add(TestAddress(2, 10));
  EXPECT_EQ(origins.Count(TestAddress(1, 12)), 2u);
  EXPECT_EQ(origins.Count(TestAddress(2)), 1u);
  origins.Remove(TestAddress(1, 10));
  origins.Remove(TestAddress(2, 10));
  EXPECT_EQ(origins.Count(TestAddress(1)), 1u);
  EXPECT_EQ(origins.Count(TestAddress(2)), 0u);
}

TEST(OriginsTest, AnIpv6HostHasAllOfItsPrefix) {
  Origins origins(10);
  origins.Add(V6(1, 1));
  origins.Add(V6(1, 2));
  origins.Add(V6(2, 1));
  EXPECT_EQ(origins.Count(V6(1, 3)), 2u);
  EXPECT_EQ(origins.Count(V6(2, 3)), 1u);
  EXPECT_TRUE(Origins::Same(V6(1, 1), V6(1, 9)));
  EXPECT_FALSE(Origins::Same(V6(1, 1), V6(2, 1)));
  EXPECT_FALSE(Origins::Same(TestAddress(1), TestAddress(2)));
}

}  // namespace
}  // namespace lauberhorn::nic
