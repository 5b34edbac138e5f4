// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Packets between two wires of one host: through memory when there is a link,
// by UDP before, and when the link is full or gone.

#include "nic/host_wire.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "nic/testing/local_peers.h"

namespace lauberhorn::nic {
namespace {

using testing::Came;
using testing::IsReadable;
using testing::LocalPeers;
using testing::LoopbackAddress;
using testing::MakeHostWire;
using testing::PacketOf;
using testing::SendTo;
using testing::WireInbox;

class HostWireTest : public ::testing::Test {
 protected:
  // Until the wire may sleep, as who drives it does.
  static void FallAsleep(HostWire& wire, WireInbox& inbox) {
    do {
      inbox.Turn();
    } while (!wire.TryToSleep());
  }

  LocalPeers peers_;
};

TEST_F(HostWireTest, WhoOpensASessionGetsALink) {
  EXPECT_EQ(peers_.client->checksum(peers_.server->local()), Checksum::kCrc32c);
  peers_.OpenLink();
  EXPECT_EQ(peers_.client->checksum(peers_.server->local()), Checksum::kNone);
  peers_.ToServer(1);
  const Came call = peers_.at_server.Next();
  EXPECT_TRUE(call.linked);
  EXPECT_EQ(call.number, 1u);
  EXPECT_EQ(call.from, peers_.from) << "as by UDP";
  peers_.ToClient(2);
  const Came reply = peers_.at_client.Next();
  EXPECT_TRUE(reply.linked);
  EXPECT_EQ(reply.number, 2u);
  EXPECT_EQ(reply.from, peers_.server->local());
}

TEST_F(HostWireTest, OtherPacketsAskForNoLink) {
  SendTo(*peers_.client, peers_.server->local(), LH_PACKET_CALL, 1);
  EXPECT_FALSE(peers_.at_server.Next().linked);
  // A packet there and back: had there been a door, it would have been opened.
  SendTo(*peers_.client, peers_.server->local(), LH_PACKET_CALL, 2);
  peers_.at_server.Next();
  EXPECT_EQ(peers_.server->links() + peers_.client->links(), 0u);
}

TEST_F(HostWireTest, AnotherHostIsNotAsked) {
  LocalLinks links;
  ASSERT_TRUE(links.Open().ok());
  const auto at = [](std::uint8_t a, std::uint8_t b, std::uint8_t c,
                     std::uint8_t d) {
    return Address(
        {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d},
         .scope = 0,
         .port = 1,
         .reserved = 0});
  };
  EXPECT_TRUE(links.Ask(at(127, 0, 0, 1)).has_value());
  EXPECT_TRUE(links.Ask(at(127, 1, 2, 3)).has_value());
  EXPECT_FALSE(links.Ask(at(192, 0, 2, 1)).has_value());  // for documentation
  EXPECT_FALSE(links.Ask(at(224, 0, 0, 1)).has_value());
  EXPECT_FALSE(links.Ask(at(0, 0, 0, 0)).has_value());
  EXPECT_FALSE(links.Ask(Address()).has_value());
}

// All come, in whichever way.
TEST_F(HostWireTest, WhatFindsNoRoomGoesByUdp) {
  peers_.OpenLink();
  std::set<std::uint64_t> linked, other;
  constexpr std::uint64_t kPackets = LH_LINK_SLOTS + 10;
  for (std::uint64_t number = 0; number < kPackets; ++number) {
    peers_.ToServer(number);
  }
  while (linked.size() + other.size() < kPackets) {
    const Came came = peers_.at_server.Next();
    (came.linked ? linked : other).insert(came.number);
  }
  EXPECT_EQ(linked.size(), std::size_t{LH_LINK_SLOTS});
  EXPECT_EQ(*linked.rbegin(), LH_LINK_SLOTS - 1u);
  // There is room again.
  peers_.ToServer(kPackets);
  EXPECT_TRUE(peers_.at_server.Next().linked);
}

// Who asks again and again without a turn finds out what came.
TEST_F(HostWireTest, IsQuietUntilAPacketComes) {
  EXPECT_FALSE(peers_.server->IsQuiet()) << "only its socket can tell";
  peers_.OpenLink();
  peers_.ToServer(1);
  EXPECT_EQ(peers_.at_server.Next().number, 1u);
  // Now and then a turn looks at the socket, too.
  while (!peers_.server->IsQuiet()) peers_.at_server.Turn();
  peers_.ToServer(2);
  EXPECT_FALSE(peers_.server->IsQuiet());
  EXPECT_EQ(peers_.at_server.Next().number, 2u);
}

TEST_F(HostWireTest, PacketsEndASleep) {
  peers_.OpenLink();
  FallAsleep(*peers_.server, peers_.at_server);
  EXPECT_FALSE(IsReadable(peers_.server->links_descriptor()));
  peers_.ToServer(1);
  EXPECT_TRUE(IsReadable(peers_.server->links_descriptor()));
  peers_.ToServer(2);
  peers_.server->Awake();
  EXPECT_EQ(peers_.at_server.Next().number, 1u);
  EXPECT_EQ(peers_.at_server.Next().number, 2u);
  FallAsleep(*peers_.server, peers_.at_server);
  EXPECT_FALSE(IsReadable(peers_.server->links_descriptor()))
      << "the bell was taken";
}

// Memory is looked at first, and the bell later: packets may come all the time.
TEST_F(HostWireTest, WhoHasNotHeardTheBellDoesNotSleep) {
  peers_.OpenLink();
  FallAsleep(*peers_.server, peers_.at_server);
  peers_.ToServer(1);
  peers_.server->Awake();
  peers_.at_server.Turn();
  EXPECT_EQ(peers_.at_server.came().size(), 1u);
  EXPECT_TRUE(IsReadable(peers_.server->links_descriptor()));
  EXPECT_FALSE(peers_.server->IsQuiet());
  EXPECT_FALSE(peers_.server->TryToSleep());
}

// Though there are links, in which nothing is. A wire that got something by UDP
// leaves out one look there.
TEST_F(HostWireTest, WhatEndsASleepByUdpComesSoon) {
  peers_.OpenLink();
  const auto stranger = MakeHostWire(UdpWire::Open());
  for (std::uint64_t number = 1; number <= 10; ++number) {
    FallAsleep(*peers_.server, peers_.at_server);
    SendTo(*stranger, peers_.server->local(), LH_PACKET_CALL, number);
    for (int wakes = 0; peers_.at_server.came().empty(); ++wakes) {
      ASSERT_LT(wakes, 2);
      peers_.server->Awake();
      peers_.at_server.Turn();
    }
    const Came came = peers_.at_server.Next();
    EXPECT_EQ(came.number, number);
    EXPECT_FALSE(came.linked);
  }
}

TEST_F(HostWireTest, WhatCameMeanwhileForbidsSleep) {
  peers_.OpenLink();
  FallAsleep(*peers_.server, peers_.at_server);
  peers_.server->Awake();
  peers_.at_server.Turn();
  peers_.ToServer(1);
  EXPECT_FALSE(peers_.server->TryToSleep());
  EXPECT_TRUE(peers_.at_server.Next().linked);
}

// There is always more from there, a full batch in each look.
TEST_F(HostWireTest, UdpAndLinksTakeTurns) {
  peers_.OpenLink();
  const auto stranger = MakeHostWire(UdpWire::Open());
  for (std::uint64_t number = 1; number <= 10 * Wire::kBatch; ++number) {
    SendTo(*stranger, peers_.server->local(), LH_PACKET_CALL, number);
  }
  peers_.server->Awake();
  const std::deque<Came>& came = peers_.at_server.came();
  for (int turn = 0; came.size() <= Wire::kBatch; ++turn) {
    ASSERT_LT(turn, 1000) << "the socket has its turns";
    peers_.at_server.Turn();
  }
  peers_.ToServer(0);
  for (int turn = 0; turn < 2; ++turn) peers_.at_server.Turn();
  EXPECT_TRUE(std::any_of(came.begin(), came.end(),
                          [](const Came& one) { return one.linked; }));
  EXPECT_LT(came.size(), 10 * Wire::kBatch) << "there was more";
}

// Nobody looks at an idle link, but its bell is heard.
TEST_F(HostWireTest, AnIdleLinkRings) {
  peers_.OpenLink();
  for (int turn = 0; turn < 10'000; ++turn) peers_.at_server.Turn();
  EXPECT_FALSE(IsReadable(peers_.server->links_descriptor()));
  peers_.ToServer(1);
  EXPECT_TRUE(IsReadable(peers_.server->links_descriptor()));
  const Came came = peers_.at_server.Next();
  EXPECT_TRUE(came.linked);
  // It is looked at again: no bell is needed.
  peers_.ToServer(2);
  EXPECT_FALSE(IsReadable(peers_.server->links_descriptor()));
  EXPECT_EQ(peers_.at_server.Next().number, 2u);
}

TEST_F(HostWireTest, WhatAPeerSaidLastComesBeforeItsEnd) {
  peers_.OpenLink();
  peers_.ToServer(1);
  peers_.ToServer(2);
  peers_.client.reset();
  EXPECT_EQ(peers_.at_server.Next().number, 1u);
  EXPECT_EQ(peers_.at_server.Next().number, 2u);
  while (peers_.at_server.gone().empty()) peers_.at_server.Turn();
  ASSERT_EQ(peers_.at_server.gone().size(), 1u);
  EXPECT_EQ(peers_.at_server.gone()[0], peers_.from);
  EXPECT_EQ(peers_.server->links(), 0u);
  EXPECT_EQ(peers_.server->checksum(peers_.from), Checksum::kCrc32c);
}

TEST_F(HostWireTest, AServersEndIsHeard) {
  peers_.OpenLink();
  const Address server = peers_.server->local();
  peers_.server.reset();
  while (peers_.at_client.gone().empty()) peers_.at_client.Turn();
  EXPECT_EQ(peers_.at_client.gone()[0], server);
  // What is said then goes by UDP, where nobody is.
  SendTo(*peers_.client, server, LH_PACKET_CALL, 1);
  EXPECT_EQ(peers_.client->links(), 0u);
}

TEST_F(HostWireTest, ManyClientsAreToldApart) {
  constexpr std::size_t kClients = 20;
  std::vector<std::unique_ptr<HostWire>> clients;
  std::vector<WireInbox> inboxes;
  for (std::size_t at = 0; at < kClients; ++at) {
    clients.push_back(MakeHostWire(UdpWire::Open()));
    inboxes.emplace_back(*clients.back());
    SendTo(*clients.back(), peers_.server->local(), LH_PACKET_HELLO, at);
  }
  while (peers_.server->links() < kClients) {
    peers_.at_server.Turn();
    for (WireInbox& inbox : inboxes) inbox.Turn();
  }
  std::vector<Address> addresses;
  for (std::size_t at = 0; at < kClients; ++at) {
    addresses.push_back(peers_.at_server.Next().from);
  }
  for (std::size_t at = 0; at < kClients; ++at) {
    SendTo(*peers_.server, addresses[at], LH_PACKET_REPLY, 100 + at);
  }
  std::set<std::uint64_t> came;
  for (WireInbox& inbox : inboxes) {
    const Came reply = inbox.Next();
    EXPECT_TRUE(reply.linked);
    came.insert(reply.number);
  }
  EXPECT_EQ(came.size(), kClients);
}

// A process that is killed while a child of it has all of its descriptors.
TEST_F(HostWireTest, DeathIsHeardThoughAChildLives) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    const std::unique_ptr<HostWire> wire = MakeHostWire(UdpWire::Open());
    WireInbox inbox(*wire);
    SendTo(*wire, peers_.server->local(), LH_PACKET_HELLO, 0);
    while (wire->links() == 0) inbox.Turn();
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);  // should the test fail
      pause();
    }
    if (write(ready[1], &child, sizeof(child)) != sizeof(child)) _exit(1);
    pause();
  }
  pid_t child = 0;
  bool told = false;
  while (peers_.at_server.gone().empty()) {
    peers_.at_server.Turn();
    if (told || !IsReadable(ready[0])) continue;
    ASSERT_EQ(read(ready[0], &child, sizeof(child)),
              static_cast<ssize_t>(sizeof(child)));
    told = true;
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
  }
  EXPECT_EQ(kill(child, 0), 0) << "it still lives";
  kill(child, SIGKILL);
  close(ready[0]);
  close(ready[1]);
}

// Both ways, between two users, if this one may become another.
TEST_F(HostWireTest, AnotherUserHasALinkToo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    if (setuid(65'534) != 0) _exit(1);
    const std::unique_ptr<HostWire> wire = MakeHostWire(UdpWire::Open());
    WireInbox inbox(*wire);
    SendTo(*wire, peers_.server->local(), LH_PACKET_HELLO, 0);
    while (wire->links() == 0) inbox.Turn();
    SendTo(*wire, peers_.server->local(), LH_PACKET_CALL, 7);
    const Came reply = inbox.Next();
    _exit(reply.linked && reply.number == 8 ? 0 : 2);
  }
  const Address from = peers_.at_server.Next().from;
  const Came call = peers_.at_server.Next();
  EXPECT_TRUE(call.linked);
  EXPECT_EQ(call.number, 7u);
  SendTo(*peers_.server, from, LH_PACKET_REPLY, 8);
  int status;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace lauberhorn::nic
