// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The server's end of the transport against a client that says whatever it
// likes.

#include "nic/server_transport.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"

namespace lauberhorn::nic {
namespace {

using testing::MemoryNetwork;
using testing::PacketOf;
using testing::RawPeer;
using testing::TestAddress;
using testing::TestSecret;
using testing::TestServer;
using Received = RawPeer::Received;

constexpr std::uint32_t kSessions = 4;

class ServerTransportTest : public ::testing::Test {
 protected:
  // What `peer` gets back for the packet that it sent.
  std::vector<Received> Answers(RawPeer& peer) {
    server_.Poll(now_);
    return peer.Receive();
  }

  std::vector<Received> Say(RawPeer& peer, const lh_packet& header,
                            absl::string_view payload = "") {
    peer.Send(server_.address(), header, payload);
    return Answers(peer);
  }

  std::vector<Received> SayOpen(RawPeer& peer, std::uint8_t type,
                                const lh_open& open) {
    peer.SendOpen(server_.address(), type, open);
    return Answers(peer);
  }

  // The cookie for a session of the client.
  lh_open Cookie(RawPeer& peer, std::uint64_t number) {
    lh_open hello = {};
    hello.client = kClient;
    hello.number = number;
    const std::vector<Received> answers = SayOpen(peer, LH_PACKET_HELLO, hello);
    if (answers.size() != 1) {
      ADD_FAILURE() << answers.size() << " answers to HELLO";
      return {};
    }
    EXPECT_EQ(answers[0].header.type, LH_PACKET_COOKIE);
    return answers[0].open();
  }

  // Opens a session; its token, or 0 if it is refused.
  std::uint64_t Open(RawPeer& peer, std::uint64_t number = 1) {
    const std::vector<Received> answers =
        SayOpen(peer, LH_PACKET_OPEN, Cookie(peer, number));
    if (answers.empty()) return 0;
    // A session that it gives up for this one is closed before.
    const Received& accept = answers.back();
    EXPECT_EQ(accept.header.type, LH_PACKET_ACCEPT);
    EXPECT_EQ(accept.header.slots, kSessionSlots);
    return accept.open().token;
  }

  static lh_packet About(std::uint8_t type, std::uint64_t token,
                         std::uint32_t sequence, std::uint16_t slot = 0) {
    lh_packet header = PacketOf(type);
    header.token = token;
    header.sequence = sequence;
    header.slot = slot;
    return header;
  }

  std::vector<Received> Call(RawPeer& peer, std::uint64_t token,
                             std::uint32_t sequence, std::uint16_t slot = 0,
                             absl::string_view payload = "hi") {
    lh_packet header = About(LH_PACKET_CALL, token, sequence, slot);
    header.message_length = static_cast<std::uint32_t>(payload.size());
    header.flags = LH_PACKET_FLAG_LAST;
    header.sent_us = sequence + 1000;
    return Say(peer, header, payload);
  }

  static lh_packet Response(const Received& challenge) {
    lh_packet header = PacketOf(LH_PACKET_RESPONSE);
    header.token = challenge.header.token;
    header.method = challenge.header.method;
    header.ack_bits = challenge.header.ack_bits;
    return header;
  }

  // Lets the time pass, while hosts ask for their calls: the first ones in
  // these sessions.
  void PassProbing(const std::map<std::uint8_t, std::uint64_t>& tokens,
                   Nanos time) {
    for (const Nanos until = now_ + time; now_ < until;) {
      now_ = std::min(now_ + kSecond, until);
      for (const auto& [host, token] : tokens) {
        Say(Host(host), About(LH_PACKET_PROBE, token, 1));
      }
    }
  }

  // A client with an address of its own, for each `number`.
  RawPeer& Host(std::uint8_t number) {
    std::unique_ptr<RawPeer>& host = hosts_[number];
    if (host == nullptr) {
      host = std::make_unique<RawPeer>(
          network_, TestAddress(static_cast<std::uint8_t>(10 + number), 200));
    }
    return *host;
  }

  // Opens as many sessions as there may be, from as many hosts.
  std::vector<std::uint64_t> OpenAll() {
    std::vector<std::uint64_t> tokens;
    for (std::uint8_t number = 0; number < kSessions; ++number) {
      tokens.push_back(Open(Host(number)));
      EXPECT_NE(tokens.back(), 0u);
    }
    return tokens;
  }

  static constexpr std::uint64_t kClient = 0xc11e47;

  MemoryNetwork network_{1};
  TestServer server_{network_, TestAddress(1, 100), kSessions, TestSecret(1)};
  const Counters& counters_ = server_.counters;
  RawPeer client_{network_, TestAddress(2, 200)};
  RawPeer other_{network_, TestAddress(3, 200)};
  std::map<std::uint8_t, std::unique_ptr<RawPeer>> hosts_;
  Nanos now_ = 1000 * kSecond;
};

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

TEST_F(ServerTransportTest, TellsTheHandlerOfEachCallOnce) {
  const std::uint64_t token = Open(client_);
  lh_packet header = About(LH_PACKET_CALL, token, 1, 3);
  header.method = 99;
  header.message_length = 5;
  header.remaining_us = 250;
  EXPECT_TRUE(Say(client_, header, "hello").empty());
  ASSERT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.calls[0].method, 99u);
  EXPECT_EQ(server_.calls[0].payload, "hello");
  EXPECT_EQ(server_.calls[0].deadline, now_ + 250 * kMicrosecond);
  EXPECT_EQ(server_.calls[0].listener, 0u);
  header.slot = 4;
  header.remaining_us = 0;
  Say(client_, header, "hello");
  header.slot = 5;
  header.remaining_us = ~0u;
  Say(client_, header, "hello");
  ASSERT_EQ(server_.calls.size(), 3u);
  EXPECT_EQ(server_.calls[1].deadline, kNever);
  EXPECT_EQ(server_.calls[2].deadline, now_ + Nanos{~0u} * kMicrosecond);
  EXPECT_EQ(counters_.calls_arrived.value(), 3u);
}

TEST_F(ServerTransportTest, TellsTheHandlerTheNameOfTheMethod) {
  const std::uint64_t token = Open(client_);
  lh_packet header = About(LH_PACKET_CALL, token, 1);
  header.message_length = 2;
  client_.Send(server_.address(), header, "hi", "/a/B");
  EXPECT_TRUE(Answers(client_).empty());
  Call(client_, token, 2);
  ASSERT_EQ(server_.calls.size(), 2u);
  EXPECT_EQ(server_.calls[0].name, "/a/B");
  EXPECT_EQ(server_.calls[0].payload, "hi");
  EXPECT_EQ(server_.calls[1].name, "");
}

TEST_F(ServerTransportTest, AcceptsNoCallBeforeTheHandlerHasSeenIt) {
  // ACCEPTED would confirm the name of a method that the handler refuses.
  const std::uint64_t token = Open(client_);
  for (std::uint16_t slot = 0; slot < kSessionSlots; ++slot) {
    if (slot == kSessionSlots - 1) {
      server_.answer = [&](std::uint32_t call, Nanos now) {
        server_.Reply(call, 12, "no such method", now);
      };
    }
    const std::vector<Received> answers = Call(client_, token, 1, slot);
    if (slot < kSessionSlots - 1) {
      EXPECT_TRUE(answers.empty());
      continue;
    }
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
  }
}

TEST_F(ServerTransportTest, RepliesToTheCall) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1, 3);
  now_ += 7 * kMicrosecond;
  server_.Reply(0, 5, "not found", now_);
  const std::vector<Received> answers = client_.Receive();
  ASSERT_EQ(answers.size(), 1u);
  const lh_packet& header = answers[0].header;
  EXPECT_EQ(header.type, LH_PACKET_REPLY);
  EXPECT_EQ(header.token, token);
  EXPECT_EQ(header.slot, 3);
  EXPECT_EQ(header.sequence, 1u);
  EXPECT_EQ(header.status, 5);
  EXPECT_EQ(header.flags, LH_PACKET_FLAG_LAST);
  EXPECT_EQ(header.message_length, 9u);
  EXPECT_EQ(header.echo_us, 1001u);
  EXPECT_EQ(header.sent_us, static_cast<std::uint32_t>(now_ / kMicrosecond));
  EXPECT_EQ(answers[0].payload, "not found");
}

TEST_F(ServerTransportTest, TheHandlerMayAnswerAtOnce) {
  server_.answer = [&](std::uint32_t call, Nanos now) {
    server_.Reply(call, 0, "now", now);
  };
  const std::uint64_t token = Open(client_);
  const std::vector<Received> answers = Call(client_, token, 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
  EXPECT_EQ(answers[0].payload, "now");
}

TEST_F(ServerTransportTest, AnswersDuplicatesAndRunsNothingTwice) {
  const std::uint64_t token = Open(client_);
  EXPECT_TRUE(Call(client_, token, 1).empty());
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> answers = Call(client_, token, 1);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
    EXPECT_EQ(answers[0].header.sequence, 1u);
    EXPECT_EQ(answers[0].header.echo_us, 1001u);
    EXPECT_TRUE(answers[0].payload.empty());
  }
  server_.Reply(0, 0, std::string(kMaxPayload, 'r'), now_);
  EXPECT_EQ(client_.Receive().size(), 1u);
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> answers = Call(client_, token, 1);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
    EXPECT_EQ(answers[0].payload, std::string(kMaxPayload, 'r'));
  }
  EXPECT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  EXPECT_EQ(counters_.calls_arrived.value(), 1u);
  EXPECT_EQ(counters_.calls_duplicate.value(), 6u);
}

TEST_F(ServerTransportTest, ACallThatThereIsNoPlaceForNeverCame) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  server_.Reply(0, 0, "first", now_);
  client_.Receive();
  bool busy = true;
  server_.busy = [&] { return busy; };
  server_.load = 200;
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> answers = Call(client_, token, 2);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_BUSY);
    EXPECT_EQ(answers[0].header.sequence, 2u);
    EXPECT_EQ(answers[0].header.echo_us, 1002u);
    EXPECT_EQ(answers[0].header.load, 200);
  }
  EXPECT_EQ(server_.transport().Next(), kNever) << "nothing runs";
  EXPECT_EQ(counters_.calls_arrived.value(), 1u);
  EXPECT_EQ(counters_.calls_duplicate.value(), 0u);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 2)).empty());
  EXPECT_EQ(Call(client_, token, 1).at(0).payload, "first") << "kept";
  busy = false;
  EXPECT_TRUE(Call(client_, token, 2).empty());
  EXPECT_EQ(server_.calls.size(), 2u);
  EXPECT_EQ(Call(client_, token, 2).at(0).header.type, LH_PACKET_ACCEPTED);
  // It still ends the one before it, which nobody waits for.
  busy = true;
  EXPECT_EQ(Call(client_, token, 3).at(0).header.type, LH_PACKET_BUSY);
  EXPECT_EQ(server_.calls[1].dropped, 1);
  EXPECT_EQ(server_.calls.size(), 2u);
}

TEST_F(ServerTransportTest, EveryPacketSaysTheLoad) {
  server_.load = 77;
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  const Received accepted = Call(client_, token, 1).at(0);
  server_.Reply(0, 0, "done", now_);
  const Received reply = client_.Receive().at(0);
  const Received reset = Call(client_, token + 1, 1).at(0);
  for (const Received& packet : {accepted, reply, reset}) {
    EXPECT_EQ(packet.header.load, 77) << int{packet.header.type};
  }
}

TEST_F(ServerTransportTest, HigherSequenceEndsTheLower) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  Call(client_, token, 2);
  ASSERT_EQ(server_.calls.size(), 2u);
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(counters_.calls_superseded.value(), 1u);

  // The late reply of the first one reaches nobody and disturbs nothing.
  server_.Reply(0, 0, "late", now_);
  EXPECT_TRUE(client_.Receive().empty());
  ASSERT_EQ(Call(client_, token, 2).size(), 1u);
  server_.Reply(1, 0, "second", now_);
  const std::vector<Received> answers = client_.Receive();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].payload, "second");
  EXPECT_EQ(answers[0].header.sequence, 2u);

  // A call that was answered is not dropped by the next.
  Call(client_, token, 3);
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(counters_.calls_superseded.value(), 1u);
}

TEST_F(ServerTransportTest, DropsOlderSequences) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 5);
  EXPECT_TRUE(Call(client_, token, 4).empty());
  server_.Reply(0, 0, "five", now_);
  client_.Receive();
  EXPECT_TRUE(Call(client_, token, 4).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 2u);
  EXPECT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
}

TEST_F(ServerTransportTest, SequencesWrap) {
  const std::uint64_t token = Open(client_);
  // As far as a client comes: never more than half the circle at a time.
  Call(client_, token, 0x7fffffff);
  Call(client_, token, 0xfffffffe);
  Call(client_, token, 0xffffffff);
  Call(client_, token, 1);
  ASSERT_EQ(server_.calls.size(), 4u);
  EXPECT_TRUE(Call(client_, token, 0xffffffff).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_EQ(Call(client_, token, 1).size(), 1u) << "a duplicate";
  EXPECT_EQ(counters_.calls_superseded.value(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(server_.calls[i].dropped, 1);
}

TEST_F(ServerTransportTest, SlotsDoNotTouchEachOther) {
  const std::uint64_t token = Open(client_);
  for (std::uint16_t slot = 0; slot < kSessionSlots; ++slot) {
    const auto answers = Call(client_, token, 1, slot, std::to_string(slot));
    // Whoever uses all slots is granted more at once.
    ASSERT_EQ(answers.size(), slot == kSessionSlots - 1 ? 1u : 0u);
    if (answers.empty()) continue;
    EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
    EXPECT_EQ(answers[0].header.slots, 2 * kSessionSlots);
  }
  ASSERT_EQ(server_.calls.size(), kSessionSlots);
  for (std::uint32_t call = kSessionSlots; call > 0; --call) {
    server_.Reply(call - 1, 0, server_.calls[call - 1].payload, now_);
    const std::vector<Received> answers = client_.Receive();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.slot, call - 1);
    EXPECT_EQ(answers[0].payload, std::to_string(call - 1));
  }
}

TEST_F(ServerTransportTest, BelievesATokenOnlyFromItsAddress) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  for (const std::uint8_t type :
       {LH_PACKET_CALL, LH_PACKET_PROBE, LH_PACKET_CANCEL, LH_PACKET_CLOSE}) {
    const std::vector<Received> answers = Say(other_, About(type, token, 1));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_CHALLENGE);
  }
  EXPECT_EQ(counters_.challenges_sent.value(), 4u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  EXPECT_EQ(Call(client_, token, 1).size(), 1u) << "the session is there";
}

TEST_F(ServerTransportTest, MovesASessionToWhoReturnsTheChallenge) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  RawPeer moved(network_, TestAddress(2, 201));
  const Received challenge = Say(moved, About(LH_PACKET_PROBE, token, 1)).at(0);
  ASSERT_EQ(challenge.header.type, LH_PACKET_CHALLENGE);
  EXPECT_EQ(challenge.header.token, token);
  EXPECT_TRUE(challenge.payload.empty()) << "no larger than what it answers";
  EXPECT_EQ(counters_.sessions_moved.value(), 0u);
  server_.Reply(0, 0, "done", now_);
  EXPECT_EQ(client_.Receive().size(), 1u) << "not believed yet";

  EXPECT_TRUE(Say(moved, Response(challenge)).empty());
  EXPECT_EQ(counters_.sessions_moved.value(), 1u);
  EXPECT_EQ(Say(moved, About(LH_PACKET_PROBE, token, 1)).at(0).payload, "done");
  Call(moved, token, 2);
  server_.Reply(1, 0, "there", now_);
  EXPECT_TRUE(client_.Receive().empty());
  EXPECT_EQ(moved.Receive().at(0).payload, "there");
  // The old address is as any other now.
  EXPECT_EQ(Call(client_, token, 3).at(0).header.type, LH_PACKET_CHALLENGE);
  EXPECT_EQ(server_.calls.size(), 2u);
  // Its name goes with it: the session can be closed, its place be used again.
  Say(moved, About(LH_PACKET_CLOSE, token, 0));
  EXPECT_NE(Open(client_), token);
  EXPECT_EQ(counters_.sessions_accepted.value(), 2u);
}

TEST_F(ServerTransportTest, BelievesNoForgedResponse) {
  const std::uint64_t token = Open(client_);
  const Received challenge = Say(other_, About(LH_PACKET_CALL, token, 1)).at(0);
  const lh_packet good = Response(challenge);
  std::vector<lh_packet> forged(3, good);
  forged[0].method ^= 1;
  forged[1].ack_bits -= 1;
  forged[2].ack_bits += 1;
  for (const lh_packet& response : forged) Say(other_, response);
  RawPeer neighbour(network_, TestAddress(3, 201));
  Say(neighbour, good);
  // For another session.
  lh_packet elsewhere = good;
  elsewhere.token = Open(client_, 2);
  Say(other_, elsewhere);
  EXPECT_EQ(counters_.challenges_failed.value(), 5u);
  // Too late, and from before its time.
  now_ += 10 * kSecond + 1;
  Say(other_, good);
  now_ -= 11 * kSecond;
  Say(other_, good);
  EXPECT_EQ(counters_.challenges_failed.value(), 7u);
  EXPECT_EQ(counters_.sessions_moved.value(), 0u);
  now_ += 11 * kSecond - 1;
  Say(other_, good);
  EXPECT_EQ(counters_.sessions_moved.value(), 1u) << "the last moment";
  // Recorded, it does not take the session back.
  lh_packet back =
      Response(Say(client_, About(LH_PACKET_PROBE, token, 1)).at(0));
  Say(client_, back);
  Say(other_, good);
  EXPECT_EQ(counters_.sessions_moved.value(), 2u);
  EXPECT_EQ(counters_.challenges_failed.value(), 8u);
  EXPECT_TRUE(Call(client_, token, 1).empty());
  EXPECT_EQ(server_.calls.size(), 1u);
}

TEST_F(ServerTransportTest, AClientThatOnlyTalksFromElsewhereIsDead) {
  // Nobody keeps a dead client's calls running without its address.
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  for (int second = 0; second < 6; ++second) {
    now_ += kSecond;
    Say(other_, About(LH_PACKET_PROBE, token, 1));
  }
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[0].why, LH_CALL_PEER_DEAD);
}

TEST_F(ServerTransportTest, BelievesATokenOnlyOverItsListener) {
  const std::uint64_t token = Open(client_);
  MemoryNetwork elsewhere(1);
  const auto wire = elsewhere.Host(TestAddress(1))->Open();
  ASSERT_TRUE(wire.ok());
  const Packet packet = {
      .header = About(LH_PACKET_CLOSE, token, 1), .meta = {}, .payload = {}};
  server_.transport().OnPacket(packet, client_.address(), **wire, 1, now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  EXPECT_TRUE(Call(client_, token, 1).empty());
  EXPECT_EQ(server_.calls.size(), 1u);
}

TEST_F(ServerTransportTest, ResetsUnknownTokens) {
  for (const std::uint8_t type :
       {LH_PACKET_CALL, LH_PACKET_PROBE, LH_PACKET_CANCEL, LH_PACKET_CLOSE,
        LH_PACKET_RESPONSE}) {
    const std::vector<Received> answers = Say(client_, About(type, 12345, 1));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_RESET);
    EXPECT_EQ(answers[0].header.token, 12345u);
    EXPECT_EQ(answers[0].header.method, server_.transport().incarnation());
    EXPECT_TRUE(answers[0].payload.empty()) << "no larger than what it answers";
  }
  EXPECT_EQ(counters_.packets_unknown_token.value(), 5u);
}

TEST_F(ServerTransportTest, AnswersNothingThatAServerMightHaveSaid) {
  const std::uint64_t token = Open(client_);
  const std::uint8_t types[] = {
      LH_PACKET_COOKIE, LH_PACKET_ACCEPT,    LH_PACKET_REPLY,
      LH_PACKET_BUSY,   LH_PACKET_ACCEPTED,  LH_PACKET_ACK,
      LH_PACKET_RESET,  LH_PACKET_CHALLENGE, LH_PACKET_DATA};
  std::uint64_t unexpected = 0;
  for (const std::uint8_t type : types) {
    // Two ends that answered each other's RESET would never stop.
    EXPECT_TRUE(Say(client_, About(type, 12345, 1)).empty()) << int{type};
    EXPECT_TRUE(Say(client_, About(type, token, 1)).empty()) << int{type};
    unexpected += 2;
    EXPECT_EQ(counters_.packets_unexpected.value(), unexpected);
  }
  EXPECT_EQ(counters_.packets_unknown_token.value(), 0u);
  EXPECT_TRUE(server_.calls.empty());
}

TEST_F(ServerTransportTest, AnswersProbes) {
  const std::uint64_t token = Open(client_);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 0)).empty())
      << "of a slot that was never used";
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 1)).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 2u);
  Call(client_, token, 1);
  lh_packet probe = About(LH_PACKET_PROBE, token, 1);
  probe.sent_us = 4711;
  std::vector<Received> answers = Say(client_, probe);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
  EXPECT_EQ(answers[0].header.echo_us, 4711u);
  server_.Reply(0, 0, "done", now_);
  client_.Receive();
  answers = Say(client_, probe);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_REPLY);
  EXPECT_EQ(answers[0].payload, "done");
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 2)).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 3u);
}

TEST_F(ServerTransportTest, CancelDropsARunningCallOnce) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_CANCEL, token, 2)).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  Say(client_, About(LH_PACKET_CANCEL, token, 1));
  Say(client_, About(LH_PACKET_CANCEL, token, 1));
  EXPECT_EQ(server_.calls[0].dropped, 1);
  // Nothing of it is left: no reply, no second run, no answer to probes.
  server_.Reply(0, 0, "late", now_);
  EXPECT_TRUE(client_.Receive().empty());
  EXPECT_TRUE(Call(client_, token, 1).empty());
  EXPECT_TRUE(Say(client_, About(LH_PACKET_PROBE, token, 1)).empty());
  EXPECT_EQ(server_.calls.size(), 1u);
  // And one that was answered keeps its answer.
  Call(client_, token, 2);
  server_.Reply(1, 0, "kept", now_);
  client_.Receive();
  Say(client_, About(LH_PACKET_CANCEL, token, 2));
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(Call(client_, token, 2).size(), 1u);
}

TEST_F(ServerTransportTest, CloseDropsAllCallsAndForgetsTheSession) {
  const std::uint64_t token = Open(client_);
  for (std::uint16_t slot = 0; slot < 3; ++slot) Call(client_, token, 1, slot);
  server_.Reply(1, 0, "done", now_);
  client_.Receive();
  EXPECT_TRUE(Say(client_, About(LH_PACKET_CLOSE, token, 0)).empty());
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[0].why, LH_CALL_CANCELLED);
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(server_.calls[2].dropped, 1);
  const std::vector<Received> answers = Call(client_, token, 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].header.type, LH_PACKET_RESET);
  EXPECT_EQ(server_.calls.size(), 3u);
}

TEST_F(ServerTransportTest, RepliesOfAFormerSessionReachNobody) {
  std::uint64_t token = Open(client_, 1);
  Call(client_, token, 1);
  Say(client_, About(LH_PACKET_CLOSE, token, 0));
  // The next session has the same place, slot and sequence.
  token = Open(other_, 2);
  Call(other_, token, 1);
  ASSERT_EQ(server_.calls.size(), 2u);
  ASSERT_EQ(server_.calls[0].reply_to.session,
            server_.calls[1].reply_to.session);
  server_.Reply(0, 0, "not yours", now_);
  EXPECT_TRUE(other_.Receive().empty());
  server_.Reply(1, 0, "yours", now_);
  const std::vector<Received> answers = other_.Receive();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].payload, "yours");
  server_.Reply(1, 0, "twice", now_);
  EXPECT_TRUE(other_.Receive().empty());
}

TEST_F(ServerTransportTest, RefusesMalformedCalls) {
  const std::uint64_t token = Open(client_);
  lh_packet good = About(LH_PACKET_CALL, token, 1);
  good.message_length = 2;
  std::vector<lh_packet> bad(6, good);
  bad[0].message = 1;
  bad[1].offset = 1;
  bad[2].message_length = 1;
  bad[3].message_length = 3;
  bad[4].sequence = 0;
  bad[5].slot = kSessionSlots;
  std::uint64_t malformed = 0;
  for (const lh_packet& header : bad) {
    EXPECT_TRUE(Say(client_, header, "hi").empty());
    EXPECT_EQ(counters_.packets_malformed.value(), ++malformed);
  }
  // No message can hold this.
  const std::string meta(kMaxPayload - sizeof(MetaSize), 'm');
  const Packet too_much = {
      .header = good, .meta = Bytes(meta), .payload = Bytes("hi")};
  const auto wire = network_.Host(TestAddress(1))->Open();
  ASSERT_TRUE(wire.ok());
  server_.transport().OnPacket(too_much, client_.address(), **wire, 0, now_);
  EXPECT_EQ(counters_.packets_malformed.value(), ++malformed);
  EXPECT_TRUE(server_.calls.empty());

  EXPECT_TRUE(Say(client_, PacketOf(LH_PACKET_HELLO), "short").empty());
  EXPECT_TRUE(Say(client_, PacketOf(LH_PACKET_OPEN), "short").empty());
  EXPECT_EQ(counters_.packets_malformed.value(), malformed + 2);
}

TEST_F(ServerTransportTest, MakesRoomOnlyFromSessionsThatAreIdleForLong) {
  std::vector<std::uint64_t> tokens;
  for (std::uint8_t number = 0; number < kSessions; ++number) {
    tokens.push_back(Open(Host(number)));
    now_ += kSecond;
  }
  Call(Host(0), tokens[0], 1);
  EXPECT_EQ(Open(Host(100)), 0u);
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

TEST_F(ServerTransportTest, AClientThatDiesInACallIsForgotten) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1, 0);
  Call(client_, token, 1, 1);
  now_ += 3 * kSecond;
  server_.Reply(1, 0, "done", now_);  // is no sign of life
  EXPECT_EQ(client_.Receive().size(), 1u);
  now_ += 3 * kSecond - 1;
  server_.Poll(now_);
  EXPECT_EQ(server_.calls[0].dropped, 0);
  EXPECT_EQ(server_.transport().Next(), now_ + 1);
  now_ += 1;
  server_.Poll(now_);
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[0].why, LH_CALL_PEER_DEAD);
  EXPECT_EQ(server_.calls[1].dropped, 0) << "it had ended";
  EXPECT_EQ(counters_.clients_lost.value(), 1u);
  EXPECT_EQ(server_.transport().Next(), kNever);
  server_.Reply(0, 0, "late", now_);
  EXPECT_TRUE(client_.Receive().empty());
  EXPECT_EQ(Call(client_, token, 1).at(0).header.type, LH_PACKET_RESET);
  OpenAll();  // its place is free again
  EXPECT_EQ(counters_.sessions_evicted.value(), 0u);
}

TEST_F(ServerTransportTest, AClientThatAsksForItsCallIsAlive) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  for (int probe = 0; probe < 100; ++probe) {
    now_ += 5 * kSecond;
    const auto answers = Say(client_, About(LH_PACKET_PROBE, token, 1));
    ASSERT_EQ(answers.size(), 1u);
    ASSERT_EQ(answers[0].header.type, LH_PACKET_ACCEPTED);
  }
  server_.Reply(0, 0, "done", now_);
  EXPECT_EQ(server_.transport().Next(), kNever)
      << "an idle session has a timer";
  now_ += 1000 * kSecond;
  EXPECT_EQ(Call(client_, token, 1).at(0).header.type, LH_PACKET_REPLY);
  EXPECT_EQ(counters_.clients_lost.value(), 0u);
}

TEST_F(ServerTransportTest, ACallThatNobodyAsksForIsDropped) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1, 0);
  now_ += kSecond;
  Call(client_, token, 1, 1);
  // The CANCEL of the first is lost.
  while (now_ < 1006 * kSecond) {
    EXPECT_EQ(server_.calls[0].dropped, 0);
    now_ += kSecond;
    Say(client_, About(LH_PACKET_PROBE, token, 1, 1));
    server_.Poll(now_);
  }
  EXPECT_EQ(server_.calls[0].dropped, 1);
  EXPECT_EQ(server_.calls[0].why, LH_CALL_CANCELLED);
  EXPECT_EQ(server_.calls[1].dropped, 0);
  EXPECT_EQ(counters_.calls_unasked.value(), 1u);
  EXPECT_EQ(counters_.clients_lost.value(), 0u);
  server_.Reply(0, 0, "late", now_);
  EXPECT_TRUE(client_.Receive().empty());
  server_.Reply(1, 0, "done", now_);
  EXPECT_EQ(client_.Receive().size(), 1u);
  EXPECT_EQ(server_.transport().Next(), kNever);
}

TEST_F(ServerTransportTest, OnlyTheDeadAreForgotten) {
  // Calls end and begin in different orders; the second client is silent.
  std::vector<std::uint64_t> tokens;
  for (std::uint8_t number = 0; number < kSessions; ++number) {
    tokens.push_back(Open(Host(number)));
    Call(Host(number), tokens.back(), 1);
    now_ += kSecond;
  }
  server_.Reply(0, 0, "done", now_);
  server_.Reply(3, 0, "done", now_);
  Call(Host(0), tokens[0], 2);
  while (server_.transport().Next() < 1015 * kSecond) {
    now_ += kSecond;
    Say(Host(0), About(LH_PACKET_PROBE, tokens[0], 2));
    Say(Host(2), About(LH_PACKET_PROBE, tokens[2], 1));
  }
  ASSERT_EQ(server_.calls.size(), kSessions + 1u);
  for (std::size_t call = 0; call < server_.calls.size(); ++call) {
    EXPECT_EQ(server_.calls[call].dropped, call == 1 ? 1 : 0) << call;
  }
  EXPECT_EQ(counters_.clients_lost.value(), 1u);
}

TEST_F(ServerTransportTest, CloseListenerTellsEachClient) {
  const std::uint64_t mine = Open(client_, 1);
  const std::uint64_t theirs = Open(other_, 2);
  Call(client_, mine, 1);
  server_.transport().CloseListener(1);
  EXPECT_TRUE(client_.Receive().empty()) << "that was another one";
  server_.transport().CloseListener(0);
  for (const auto& [peer, token] :
       {std::pair{&client_, mine}, std::pair{&other_, theirs}}) {
    const std::vector<Received> answers = peer->Receive();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.type, LH_PACKET_CLOSE);
    EXPECT_EQ(answers[0].header.token, token);
    EXPECT_EQ(answers[0].header.status, 14) << "UNAVAILABLE";
    EXPECT_EQ(Call(*peer, token, 1).at(0).header.type, LH_PACKET_RESET);
  }
  EXPECT_EQ(server_.calls[0].dropped, 1);
  OpenAll();  // their places are free again
  EXPECT_EQ(counters_.sessions_evicted.value(), 0u);
}

TEST_F(ServerTransportTest, OpensAreRefusedForSpaceOnlyAfterTheCookie) {
  // A forged OPEN costs no search for room and evicts nobody.
  OpenAll();
  now_ += 100 * kSecond;
  lh_open forged = Cookie(other_, 100);
  forged.cookie ^= 1;
  SayOpen(other_, LH_PACKET_OPEN, forged);
  EXPECT_EQ(counters_.sessions_evicted.value(), 0u);
  EXPECT_EQ(counters_.cookies_refused.value(), 1u);
}

}  // namespace
}  // namespace lauberhorn::nic
