// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Addresses of peers as texts, which are targets, too.
#include "lauberhorn/peer_address.h"

#include <gtest/gtest.h>

#include <string>

#include "librpc/target.h"

namespace lauberhorn {
namespace {

TEST(PeerAddressTest, IsATarget) {
  for (const std::string target :
       {"ipv4:127.0.0.1:50051", "ipv4:10.0.0.7:1", "ipv6:[::1]:65535",
        "ipv6:[2001:db8::7]:80", "ipv6:[fe80::1%1]:80", "unix:/run/x", "unix:x",
        "unix:/run/a%20b%23%FF", "unix:%2F/x", "unix-abstract:%2F/x",
        "unix-abstract:x", "unix-abstract:a%00b"}) {
    const absl::StatusOr<ServerAddress> address =
        ResolveTarget(target, TargetUse::kConnect);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(ToPeerAddress(*address).ToString(), target);
  }
}

}  // namespace
}  // namespace lauberhorn
