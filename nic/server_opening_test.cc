// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// How clients open sessions, and for whom there is room.

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/slot_pool.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/server_transport_fixture.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::RawPeer;
using testing::ServerTransportTest;
using testing::TestAddress;
using testing::TestSecret;
using testing::TestServer;

TEST_F(ServerTransportTest, OpensByCookieOfTheSameSize) {
  lh_open hello = {};
  hello.client = kClient;
  hello.number = 77;
  hello.token = 5;  // means nothing
  std::vector<Received> answers = SayOpen(client_, LH_PACKET_HELLO, hello);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_COOKIE);
  EXPECT_EQ(answers[0].payload.size(), sizeof(lh_open));
  const lh_open cookie = answers[0].open();
  EXPECT_EQ(cookie.client, kClient);
  EXPECT_EQ(cookie.number, 77u);
  EXPECT_EQ(cookie.server, server_.transport().incarnation());
  EXPECT_EQ(cookie.token, 0u);
  EXPECT_EQ(counters_.sessions_accepted.value(), 0u) << "HELLO makes no state";

  answers = SayOpen(client_, LH_PACKET_OPEN, cookie);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPT);
  EXPECT_EQ(answers[0].header.slots, kSessionSlots);
  EXPECT_EQ(answers[0].payload.size(), sizeof(lh_open));
  const lh_open accept = answers[0].open();
  EXPECT_NE(accept.token, 0u);
  EXPECT_EQ(accept.client, kClient);
  EXPECT_EQ(accept.number, 77u);
  EXPECT_EQ(accept.server, server_.transport().incarnation());
  EXPECT_EQ(counters_.sessions_accepted.value(), 1u);
  EXPECT_EQ(counters_.packets_sent.value(), 2u);
}

TEST_F(ServerTransportTest, RefusesForgedCookies) {
  const lh_open good = Cookie(client_, 1);
  std::vector<lh_open> forged(6, good);
  forged[0].cookie ^= 1;
  forged[1].client ^= 1;
  forged[2].number ^= 1;
  forged[3].cookie_time -= 1;
  forged[4].server ^= 1;
  forged[5].cookie = 0;
  std::uint64_t refused = 0;
  for (const lh_open& open : forged) {
    EXPECT_TRUE(SayOpen(client_, LH_PACKET_OPEN, open).empty());
    EXPECT_EQ(counters_.cookies_refused.value(), ++refused);
  }
  // From another address: not even with another port of the same host.
  EXPECT_TRUE(SayOpen(other_, LH_PACKET_OPEN, good).empty());
  RawPeer neighbour(network_, TestAddress(2, 201));
  EXPECT_TRUE(SayOpen(neighbour, LH_PACKET_OPEN, good).empty());
  EXPECT_EQ(counters_.cookies_refused.value(), refused + 2);
  EXPECT_EQ(counters_.sessions_accepted.value(), 0u);
}

TEST_F(ServerTransportTest, RefusesOldAndFutureCookies) {
  const lh_open cookie = Cookie(client_, 1);
  now_ += 10 * kSecond + 1;
  EXPECT_TRUE(SayOpen(client_, LH_PACKET_OPEN, cookie).empty());
  now_ -= 11 * kSecond;
  EXPECT_TRUE(SayOpen(client_, LH_PACKET_OPEN, cookie).empty());
  EXPECT_EQ(counters_.cookies_refused.value(), 2u);
  now_ += 11 * kSecond - 1;
  EXPECT_EQ(SayOpen(client_, LH_PACKET_OPEN, cookie).size(), 1u)
      << "the last moment of its life";
}

TEST_F(ServerTransportTest, CookiesOfAnotherServerMeanNothing) {
  TestServer second(network_, TestAddress(4, 100), 1, TestSecret(2));
  EXPECT_NE(second.transport().incarnation(),
            server_.transport().incarnation());
  const lh_open cookie = Cookie(client_, 1);
  client_.SendOpen(second.address(), LH_PACKET_OPEN, cookie);
  second.Poll(now_);
  EXPECT_TRUE(client_.Receive().empty());
  EXPECT_EQ(second.counters.cookies_refused.value(), 1u);
}

TEST_F(ServerTransportTest, AcceptsTheSameSessionAgainWithTheSameToken) {
  const lh_open cookie = Cookie(client_, 1);
  const auto first = SayOpen(client_, LH_PACKET_OPEN, cookie);
  const auto again = SayOpen(client_, LH_PACKET_OPEN, cookie);
  const auto anew = SayOpen(client_, LH_PACKET_OPEN, Cookie(client_, 1));
  ASSERT_TRUE(first.size() == 1 && again.size() == 1 && anew.size() == 1);
  EXPECT_EQ(first[0].open().token, again[0].open().token);
  EXPECT_EQ(first[0].open().token, anew[0].open().token);
  EXPECT_EQ(counters_.sessions_accepted.value(), 1u);
}

TEST_F(ServerTransportTest, NobodyTakesTheNameOfAnothersSession) {
  // Who learns a client's incarnation can open sessions in its name, but only
  // from its own address.
  const std::uint64_t theirs = Open(other_, 1);
  const std::uint64_t mine = Open(client_, 1);
  EXPECT_NE(theirs, 0u);
  EXPECT_NE(mine, 0u);
  EXPECT_NE(mine, theirs);
}

TEST_F(ServerTransportTest, EverySessionHasATokenOfItsOwn) {
  std::set<std::uint64_t> tokens;
  for (std::uint64_t number = 1; number <= 1000; ++number) {
    const std::uint64_t token = Open(client_, number);
    ASSERT_NE(token, 0u);
    ASSERT_TRUE(tokens.insert(token).second);
    Say(client_, About(LH_PACKET_CLOSE, token, 0));
  }
}

TEST_F(ServerTransportTest, MakesRoomOnlyFromSessionsThatAreIdleForLong) {
  std::vector<std::uint64_t> tokens;
  for (std::uint8_t number = 0; number < kSessions; ++number) {
    tokens.push_back(Open(Host(number)));
    now_ += kSecond;
  }
  Call(Host(0), tokens[0], 1);
  const std::vector<Received> refused =
      SayOpen(Host(100), LH_PACKET_OPEN, Cookie(Host(100), 1));
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].header.type, LH_PACKET_REFUSE);
  EXPECT_EQ(counters_.sessions_refused.value(), 1u);
  EXPECT_EQ(counters_.sessions_evicted.value(), 0u);

  // The second is the longest idle, for the first has a call that runs.
  PassProbing({{0, tokens[0]}}, 31 * kSecond);
  EXPECT_NE(Open(Host(101)), 0u);
  EXPECT_EQ(counters_.sessions_evicted.value(), 1u);
  const Received close = Host(1).Receive().at(0);
  EXPECT_EQ(close.header.type, LH_PACKET_CLOSE);
  EXPECT_EQ(close.header.status, 8) << "RESOURCE_EXHAUSTED";
  EXPECT_EQ(Call(Host(1), tokens[1], 1).at(0).header.type, LH_PACKET_RESET);
  EXPECT_EQ(Call(Host(0), tokens[0], 1).at(0).header.type, LH_PACKET_ACCEPTED);
  EXPECT_TRUE(Call(Host(2), tokens[2], 1).empty()) << "it is there, and active";

  // Now the fourth; then all have calls or have spoken lately.
  EXPECT_NE(Open(Host(102)), 0u);
  Host(3).Receive();
  EXPECT_EQ(Call(Host(3), tokens[3], 1).at(0).header.type, LH_PACKET_RESET);
  EXPECT_EQ(Open(Host(103)), 0u);
  EXPECT_EQ(counters_.sessions_refused.value(), 2u);
  EXPECT_EQ(server_.calls[0].dropped, 0);

  // A call that is answered makes its session idle from then on.
  PassProbing({{0, tokens[0]}, {2, tokens[2]}}, 31 * kSecond);
  server_.Reply(0, 0, "done", now_);
  Host(0).Receive();
  PassProbing({{2, tokens[2]}}, 30 * kSecond);
  EXPECT_NE(Open(Host(104)), 0u);
  EXPECT_NE(Open(Host(105)), 0u);
  EXPECT_EQ(Open(Host(106)), 0u) << "one is idle for 30 s, one has a call";
  EXPECT_EQ(Call(Host(0), tokens[0], 1).at(0).header.type, LH_PACKET_REPLY);
  EXPECT_EQ(counters_.sessions_evicted.value(), 4u);
  EXPECT_EQ(counters_.sessions_accepted.value(), kSessions + 4u);
}

TEST_F(ServerTransportTest, NobodyHasMoreSessionsThanAreFree) {
  // Half of them, and a session more costs one that is there.
  std::vector<std::uint64_t> greedy;
  for (std::uint64_t number = 0; number < 3; ++number) {
    greedy.push_back(Open(client_, number));
    EXPECT_NE(greedy.back(), 0u);
    now_ += kSecond;
  }
  EXPECT_EQ(counters_.sessions_evicted.value(), 1u);
  EXPECT_EQ(Call(client_, greedy[0], 1).at(0).header.type, LH_PACKET_RESET);
  // Others find room all the same, down to one for each.
  std::vector<std::uint64_t> others;
  for (std::uint8_t number = 0; number < 3; ++number) {
    others.push_back(Open(Host(number)));
    EXPECT_NE(others.back(), 0u);
  }
  EXPECT_EQ(counters_.sessions_evicted.value(), 2u);
  EXPECT_EQ(Open(Host(3)), 0u) << "each has one now, and used it lately";
  EXPECT_EQ(counters_.sessions_refused.value(), 1u);
  for (std::uint8_t number = 0; number < 3; ++number) {
    EXPECT_TRUE(Call(Host(number), others[number], 1).empty());
  }
}

TEST_F(ServerTransportTest, TheGreediestGivesUpOnlySessionsWithoutCalls) {
  const std::uint64_t first = Open(client_, 1);
  const std::uint64_t second = Open(client_, 2);
  Call(client_, first, 1);
  EXPECT_NE(Open(Host(0)), 0u);
  EXPECT_NE(Open(Host(1)), 0u);
  EXPECT_NE(Open(Host(2)), 0u) << "in place of the second";
  EXPECT_EQ(client_.Receive().at(0).header.token, second);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  EXPECT_EQ(Open(Host(3)), 0u);
  EXPECT_EQ(Open(client_, 3), 0u);
  EXPECT_EQ(counters_.sessions_evicted.value(), 1u);
}

TEST_F(ServerTransportTest, ASessionThatMovedCountsWhereItIs) {
  const std::uint64_t token = Open(client_, 1);
  Open(client_, 2);
  Say(other_, Response(Say(other_, About(LH_PACKET_PROBE, token, 1)).at(0)));
  ASSERT_EQ(counters_.sessions_moved.value(), 1u);
  EXPECT_NE(Open(client_, 3), 0u) << "it has but one";
  EXPECT_EQ(counters_.sessions_evicted.value(), 0u);
}

TEST_F(ServerTransportTest, DroppedCallsDoNotKeepASessionBusy) {
  const std::uint64_t token = Open(client_, 1);
  for (std::uint16_t slot = 0; slot < 4; ++slot) Call(client_, token, 1, slot);
  Say(client_, About(LH_PACKET_CANCEL, token, 1, 0));
  Call(client_, token, 2, 1);
  Say(client_, About(LH_PACKET_CANCEL, token, 2, 1));
  server_.Reply(2, 0, "done", now_);
  server_.Reply(3, 0, "done", now_);
  server_.Reply(0, 0, "late", now_);  // counts nothing twice
  EXPECT_EQ(client_.Receive().size(), 2u);
  for (std::uint8_t number = 1; number < kSessions; ++number) {
    EXPECT_NE(Open(Host(number)), 0u);
  }
  now_ += 31 * kSecond;
  EXPECT_NE(Open(other_, 100), 0u);
  EXPECT_EQ(counters_.sessions_evicted.value(), 1u);
}

TEST_F(ServerTransportTest, OpensAreRefusedForSpaceOnlyAfterTheCookie) {
  // A forged OPEN costs no search for room and evicts nobody.
  OpenAll();
  now_ += 100 * kSecond;
  lh_open forged = Cookie(other_, 100);
  forged.cookie ^= 1;
  EXPECT_TRUE(SayOpen(other_, LH_PACKET_OPEN, forged).empty());
  EXPECT_EQ(counters_.sessions_evicted.value(), 0u);
  EXPECT_EQ(counters_.cookies_refused.value(), 1u);
}

}  // namespace
}  // namespace lauberhorn::nic
