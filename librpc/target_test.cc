// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "librpc/target.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

using ::testing::HasSubstr;

std::vector<int> Ip(const ServerAddress& address) {
  return {address.ip.ip, address.ip.ip + 16};
}

TEST(TargetTest, Ipv4IsMapped) {
  for (const char* target : {"10.1.2.3:80", "ipv4:10.1.2.3:80",
                             "dns:10.1.2.3:80", "dns:///10.1.2.3:80"}) {
    const auto address = ResolveTarget(target, TargetUse::kConnect);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ip.port, 80);
    EXPECT_EQ(Ip(*address), (std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255,
                                              255, 10, 1, 2, 3}));
  }
}

TEST(TargetTest, Ipv6HasBrackets) {
  for (const char* target : {"[::1]:50051", "ipv6:[::1]:50051"}) {
    const auto address = ResolveTarget(target, TargetUse::kConnect);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ip.port, 50051);
    EXPECT_EQ(Ip(*address), (std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                              0, 0, 0, 0, 1}));
  }
}

TEST(TargetTest, ANameWithBothMeansIpv4) {
  const auto address = ResolveTarget("localhost:1", TargetUse::kConnect);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->ip.ip[12], 127);
}

TEST(TargetTest, AnyAddressIsCalledAsLoopback) {
  EXPECT_EQ(Ip(*ResolveTarget("0.0.0.0:1", TargetUse::kConnect)),
            Ip(*ResolveTarget("127.0.0.1:1", TargetUse::kConnect)));
  EXPECT_EQ(Ip(*ResolveTarget("[::]:1", TargetUse::kConnect)),
            Ip(*ResolveTarget("[::1]:1", TargetUse::kConnect)));
}

TEST(TargetTest, AnyPortIsForListeningOnly) {
  EXPECT_TRUE(ResolveTarget("0.0.0.0:0", TargetUse::kListen).ok());
  EXPECT_FALSE(ResolveTarget("127.0.0.1:0", TargetUse::kConnect).ok());
}

TEST(TargetTest, WhatCannotBeParsedIsNamedWithTheReason) {
  for (const char* target :
       {"", "localhost", ":1", "localhost:", "localhost:x", "localhost:65536",
        "localhost:-1", "::1:80", "[::1:80", "http://host:80",
        "unix:", "unix://", "unix://host/run/x", "unix:/run/%00x",
        "unix:/run/x?y", "unix-abstract:", "unix-abstract:///x", "vsock:1:2"}) {
    const auto address = ResolveTarget(target, TargetUse::kConnect);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument)
        << target;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr(target));
  }
}

TEST(TargetTest, ASocketIsAPathOrAName) {
  const std::string zero(1, '\0');
  const std::pair<const char*, std::string> cases[] = {
      {"unix:/run/x", "/run/x"},
      {"unix:///run/x", "/run/x"},
      {"unix:x", "x"},
      {"unix:../x:1", "../x:1"},
      {"unix:/run/a%20b%2fc%", "/run/a b/c%"},
      {"unix-abstract:x", zero + "x"},
      {"unix-abstract:/x", zero + "/x"},
      {"unix-abstract:a%00b", zero + "a" + zero + "b"},
  };
  for (const auto& [target, name] : cases) {
    for (const TargetUse use : {TargetUse::kConnect, TargetUse::kListen}) {
      const auto address = ResolveTarget(target, use);
      ASSERT_TRUE(address.ok()) << address.status();
      EXPECT_EQ(address->socket, name) << target;
    }
  }
}

// One byte more than fits into struct sockaddr_un.
TEST(TargetTest, ANameThatIsTooLongIsRefused) {
  const std::string most(LH_SOCKET_NAME_MAX, 'x');
  EXPECT_TRUE(ResolveTarget("unix:" + most, TargetUse::kListen).ok());
  EXPECT_TRUE(
      ResolveTarget("unix-abstract:" + most.substr(1), TargetUse::kListen)
          .ok());
  for (const std::string& target :
       {"unix:" + most + "x", "unix-abstract:" + most}) {
    const auto address = ResolveTarget(target, TargetUse::kListen);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(address.status().message()),
                HasSubstr("use a shorter one"));
  }
}

TEST(TargetTest, AZeroByteDoesNotEndAName) {
  const absl::string_view target("localhost\0.example:80", 21);
  EXPECT_EQ(ResolveTarget(target, TargetUse::kConnect).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TargetTest, ANameThatDoesNotResolveIsUnavailable) {
  const auto address =
      ResolveTarget("no-such-host.invalid:1", TargetUse::kConnect);
  EXPECT_EQ(address.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(
      ResolveTarget("ipv4:localhost:1", TargetUse::kConnect).status().code(),
      absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace lauberhorn
