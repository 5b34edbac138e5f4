// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Each way of udp_floor brings back what was sent, and says what goes wrong.

#include "bench/echo_peers.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

TEST(EchoPeersTest, EveryWayEchoes) {
  const auto udp = ForkedServer::Start(ForkedServer::kAnyCpu, &ServeUdp);
  ASSERT_TRUE(udp.ok()) << udp.status();
  const auto ours =
      ForkedServer::Start(ForkedServer::kAnyCpu, &ServeLauberhorn);
  ASSERT_TRUE(ours.ok()) << ours.status();
  const auto grpc = ForkedServer::Start(ForkedServer::kAnyCpu, &ServeGrpc);
  ASSERT_TRUE(grpc.ok()) << grpc.status();

  std::pair<const char*, EchoClientOr> clients[] = {
      {"UDP", ConnectUdp((*udp)->port())},
      {"ours", ConnectLauberhorn((*ours)->port())},
      {"gRPC", ConnectGrpc((*grpc)->port())}};
  for (auto& [name, client] : clients) {
    ASSERT_TRUE(client.ok()) << name << ": " << client.status();
    for (const char byte : {'a', '\0', 'c'}) {
      const absl::Status status = (*client)->Echo(std::string(64, byte));
      EXPECT_TRUE(status.ok()) << name << ": " << status;
    }
    // More than a datagram of the loopback interface holds.
    if (std::string(name) != "gRPC") {
      EXPECT_FALSE((*client)->Echo(std::string(100'000, 'x')).ok()) << name;
    }
  }
}

}  // namespace
}  // namespace lauberhorn::bench
