// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "absl/hash/hash_testing.h"

namespace lauberhorn::nic {
namespace {

Address V4(const char* ip, std::uint16_t port) {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, ip, &v4.sin_addr), 1);
  sockaddr_storage storage = {};
  std::memcpy(&storage, &v4, sizeof(v4));
  return Address::FromSockaddr(storage);
}

Address V6(const char* ip, std::uint16_t port, std::uint32_t scope = 0) {
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_scope_id = scope;
  EXPECT_EQ(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
  sockaddr_storage storage = {};
  std::memcpy(&storage, &v6, sizeof(v6));
  return Address::FromSockaddr(storage);
}

TEST(AddressTest, IsPrintedAsPeopleWriteIt) {
  EXPECT_EQ(V4("10.0.0.1", 50051).ToString(), "10.0.0.1:50051");
  EXPECT_EQ(V4("255.255.255.255", 65535).ToString(), "255.255.255.255:65535");
  EXPECT_EQ(V6("fe80::1", 50051, 2).ToString(), "[fe80::1%2]:50051");
  EXPECT_EQ(V6("::1", 0).ToString(), "[::1]:0");
  EXPECT_EQ(
      V6("ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888", 65535, ~0u).ToString(),
      "[ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888%4294967295]:65535");
  EXPECT_EQ(Address().ToString(), "[::]:0");
}

TEST(AddressTest, HasOneFormOfEachV4Address) {
  const Address from_v4 = V4("192.0.2.1", 80);
  const Address mapped = V6("::ffff:192.0.2.1", 80);
  EXPECT_TRUE(from_v4.IsV4());
  EXPECT_TRUE(mapped.IsV4());
  EXPECT_EQ(from_v4, mapped);
  EXPECT_FALSE(V6("::192.0.2.1", 80).IsV4());
  EXPECT_FALSE(V6("::1", 80).IsV4());
  EXPECT_FALSE(Address().IsV4());
}

TEST(AddressTest, IsNothingForOtherFamilies) {
  sockaddr_storage storage = {};
  storage.ss_family = AF_UNIX;
  EXPECT_EQ(Address::FromSockaddr(storage), Address());
}

TEST(AddressTest, ComesBackFromTheSocketForm) {
  for (const Address& address : {V4("10.1.2.3", 4), V6("2001:db8::5", 6),
                                 V6("fe80::7", 8, 9), Address()}) {
    sockaddr_storage storage;
    ASSERT_EQ(address.ToSockaddr(AF_INET6, &storage), sizeof(sockaddr_in6));
    EXPECT_EQ(storage.ss_family, AF_INET6);
    EXPECT_EQ(Address::FromSockaddr(storage), address);
  }
  sockaddr_storage storage;
  const Address v4 = V4("10.1.2.3", 4);
  ASSERT_EQ(v4.ToSockaddr(AF_INET, &storage), sizeof(sockaddr_in));
  EXPECT_EQ(storage.ss_family, AF_INET);
  EXPECT_EQ(Address::FromSockaddr(storage), v4);
}

TEST(AddressTest, ComparesAllButTheReservedField) {
  lh_address raw = V6("fe80::7", 8, 9).raw();
  raw.reserved = 1;
  EXPECT_EQ(Address(raw), V6("fe80::7", 8, 9));
  EXPECT_EQ(Address(raw).raw().reserved, 0);
  EXPECT_EQ(Address(raw).port(), 8);
}

TEST(AddressTest, HashAgreesWithEquality) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({
      Address(),
      V4("10.0.0.1", 1),
      V4("10.0.0.1", 2),
      V4("10.0.0.2", 1),
      V6("::ffff:10.0.0.1", 1),
      V6("fe80::1", 1),
      V6("fe80::1", 1, 1),
      V6("fe80::1", 1, 2),
      V6("fe80::2", 1, 2),
  }));
}

}  // namespace
}  // namespace lauberhorn::nic
