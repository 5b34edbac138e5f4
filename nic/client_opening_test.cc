// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// How a client opens its sessions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "abi/wire/packet.h"
#include "nic/address.h"
#include "nic/packet.h"
#include "nic/testing/client_transport_fixture.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::ClientTransportTest;
using ::testing::ElementsAre;
using testing::PacketOf;
using testing::TestAddress;
using testing::TestSecret;
using testing::TestServer;

TEST_F(ClientTransportTest, OpensASessionForTheFirstCallAndUsesItForTheNext) {
  EXPECT_TRUE(server_.Receive().empty()) << "nothing before the first call";
  EXPECT_EQ(client_.transport().Next(), kNever);
  Call(7, now_ + 1500);
  EXPECT_TRUE(client_.transport().IsOpen(7));
  Accept();
  Received call = Only(LH_PACKET_CALL);
  EXPECT_EQ(call.header.token, token_);
  EXPECT_EQ(call.header.sequence, 1u);
  EXPECT_EQ(call.header.method, 42u);
  EXPECT_EQ(call.header.remaining_us, 2u) << "rounded up";
  EXPECT_EQ(call.header.sent_us,
            static_cast<std::uint32_t>(now_ / kMicrosecond));
  EXPECT_EQ(call.header.flags, LH_PACKET_FLAG_LAST);
  EXPECT_EQ(call.header.message_length, 2u);
  EXPECT_EQ(call.payload, "hi");
  Reply(call.header, "ho", 5);
  ExpectEnded(0, 7, 5, "ho");
  EXPECT_FALSE(client_.transport().IsOpen(7));
  EXPECT_EQ(client_.transport().Next(), kNever)
      << "an idle session has a timer";

  Call(7, kNever, false, std::string(kMaxPayload, 'x'));
  call = Only(LH_PACKET_CALL);
  EXPECT_EQ(call.header.sequence, 2u);
  EXPECT_EQ(call.header.remaining_us, 0u);
  EXPECT_EQ(call.payload, std::string(kMaxPayload, 'x'));
  Reply(call.header, std::string(kMaxPayload, 'y'));
  ExpectEnded(1, 7, kOk, std::string(kMaxPayload, 'y'));
  EXPECT_EQ(counters_.outgoing_calls.value(), 2u);
  EXPECT_EQ(counters_.outgoing_failed.value(), 0u);
  EXPECT_EQ(counters_.sessions_opened.value(), 1u);
  EXPECT_EQ(counters_.retransmissions.value(), 0u);
  EXPECT_EQ(counters_.packets_sent.value(), 4u);
}

TEST_F(ClientTransportTest, AServerThatIsNotThereEndsCallsSoon) {
  Call(1);
  Call(2);
  EXPECT_THAT(Times(LH_PACKET_HELLO, 10 * kSecond),
              ElementsAre(0, 20, 60, 140, 300, 620));
  ASSERT_EQ(client_.ended.size(), 2u);
  ExpectEnded(0, 1, kUnavailable, "no answer from 10.0.0.1:100");
  ExpectEnded(1, 2, kUnavailable, "is the server running?");
  EXPECT_EQ(counters_.sessions_failed.value(), 1u);
  EXPECT_EQ(counters_.retransmissions.value(), 5u);
  EXPECT_EQ(counters_.outgoing_failed.value(), 2u);
  EXPECT_EQ(client_.transport().Next(), kNever);
  // The next call tries again.
  Call(3);
  Accept();
  Only(LH_PACKET_CALL);
}

TEST_F(ClientTransportTest, WhoWaitsForReadyIsTriedOnOnceASecond) {
  Call(1, kNever, true);
  Call(2);
  EXPECT_THAT(Times(LH_PACKET_HELLO, 5 * kSecond),
              ElementsAre(0, 20, 60, 140, 300, 620, 1260, 2260, 3260, 4260));
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 2, kUnavailable, "is the server running?");
  // A call that does not wait, made while another waits, fails at the next try.
  Call(3);
  Pass(kSecond);
  ExpectEnded(1, 3, kUnavailable, "is the server running?");
  EXPECT_EQ(counters_.sessions_failed.value(), 1u);
  Accept();
  Reply(Only(LH_PACKET_CALL).header, "at last");
  ExpectEnded(2, 1, kOk, "at last");
}

TEST_F(ClientTransportTest, AServerThatTheNetworkKnowsToBeGoneEndsCallsAtOnce) {
  const auto hear = [&](const Address& of) {
    client_.transport().OnUnreachable(of);
  };
  hear(server_.address());  // of a time before
  Call(1);
  Call(2, kNever, true);
  hear(other_.address());
  hear(server_.address());
  EXPECT_TRUE(client_.ended.empty()) << "one may be wrong";
  hear(server_.address());
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 1, kUnavailable, "nobody listens at 10.0.0.1:100");
  ExpectEnded(0, 1, kUnavailable, "is the server running?");
  // Who waits is tried on, and who does not, ends at the next word.
  Call(3);
  EXPECT_EQ(client_.ended.size(), 1u);
  hear(server_.address());
  ExpectEnded(1, 3, kUnavailable, "nobody listens");
  EXPECT_THAT(Times(LH_PACKET_HELLO, kSecond),
              ElementsAre(0, 20, 60, 140, 300, 620));
  EXPECT_EQ(counters_.sessions_failed.value(), 1u);
  client_.transport().Cancel(2, now_);
  // Without one that waits, nothing is left of it.
  Call(4);
  hear(server_.address());
  hear(server_.address());
  ExpectEnded(3, 4, kUnavailable, "nobody listens");
  EXPECT_EQ(client_.transport().Next(), kNever);
  EXPECT_EQ(counters_.unreachable_heard.value(), 7u);
}

TEST_F(ClientTransportTest, AServerThatHasAnsweredIsNotGone) {
  const auto hear = [&] {
    for (int i = 0; i < 5; ++i) {
      client_.transport().OnUnreachable(server_.address());
    }
  };
  Call(1);
  AnswerHello();
  hear();
  lh_open open = Only(LH_PACKET_OPEN).open();
  open.token = ++token_;
  SayOpen(LH_PACKET_ACCEPT, open);
  hear();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  EXPECT_TRUE(client_.ended.empty()) << "anybody can say so";
  Reply(call, "ok");
  ExpectEnded(0, 1, kOk, "ok");
}

TEST_F(ClientTransportTest, ADeadlineEndsWhoWaitsForReady) {
  Call(1, now_ + 3 * kSecond, true);
  Pass(3 * kSecond - 1);
  EXPECT_TRUE(client_.ended.empty());
  Pass(1);
  ExpectEnded(0, 1, kDeadlineExceeded, "could be sent");
  server_.Receive();
  Pass(10 * kSecond);
  EXPECT_TRUE(server_.Receive().empty()) << "nobody waits any more";
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, AServerWithoutRoomEndsCallsThatDoNotWait) {
  Call(1);
  Call(2, kNever, true);
  AnswerHello();
  lh_open open = Only(LH_PACKET_OPEN).open();
  SayOpen(LH_PACKET_REFUSE, open);
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 1, kResourceExhausted, "10.0.0.1:100 has no room");
  // Who waits is tried on.
  EXPECT_THAT(Times(LH_PACKET_HELLO, kSecond),
              ElementsAre(20, 60, 140, 300, 620));
  Pass(kSecond);
  AnswerHello();
  open = Only(LH_PACKET_OPEN).open();
  SayOpen(LH_PACKET_REFUSE, open);
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(counters_.openings_refused.value(), 2u);
  Pass(kSecond);
  Accept();
  Reply(Only(LH_PACKET_CALL).header, "at last");
  ExpectEnded(1, 2, kOk, "at last");
  SayOpen(LH_PACKET_REFUSE, open);
  EXPECT_EQ(counters_.packets_stale.value(), 1u) << "late";
}

TEST_F(ClientTransportTest, BelievesNoForgedRefusal) {
  Call(1);
  lh_open refuse = server_.Receive().at(0).open();
  refuse.server = kServer;
  refuse.cookie = 9;
  SayOpen(LH_PACKET_REFUSE, refuse);
  EXPECT_EQ(counters_.packets_malformed.value(), 1u) << "no cookie before it";
  SayOpen(LH_PACKET_COOKIE, refuse);
  refuse.cookie ^= 1;
  SayOpen(LH_PACKET_REFUSE, refuse);
  refuse.cookie ^= 1;
  refuse.server ^= 1;
  SayOpen(LH_PACKET_REFUSE, refuse);
  refuse.server ^= 1;
  EXPECT_EQ(counters_.packets_malformed.value(), 3u);
  other_.SendOpen(client_address_, LH_PACKET_REFUSE, refuse);
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  EXPECT_TRUE(client_.ended.empty());
  SayOpen(LH_PACKET_REFUSE, refuse);
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(client_.transport().Next(), kNever) << "nobody waits any more";
}

TEST_F(ClientTransportTest, ALostOpenBeginsAgain) {
  Call(1);
  AnswerHello();
  Only(LH_PACKET_OPEN);
  Pass(20 * kMillisecond);
  Accept();  // from HELLO on
  Reply(Only(LH_PACKET_CALL).header, "ok");
  ExpectEnded(0, 1, kOk, "ok");
  EXPECT_EQ(counters_.sessions_opened.value(), 1u);
}

TEST_F(ClientTransportTest, AnAcceptThatTakesLongIsGood) {
  // A way of 200 ms, there and back: longer than the first tries wait.
  network_.set_faults(
      {.min_delay = 100 * kMillisecond, .max_delay = 100 * kMillisecond});
  network_.Advance(now_);
  testing::TestServer server(network_, TestAddress(4, 100), 4, TestSecret(2));
  server.answer = [&](std::uint32_t call, Nanos now) {
    server.Reply(call, kOk, "far", now);
  };
  peer_ = *client_.transport().Connect(server.address());
  Call(1);
  const Nanos start = now_;
  while (client_.ended.empty() && now_ < start + 10 * kSecond) {
    now_ = std::min(client_.transport().Next(), network_.Next());
    network_.Advance(now_);
    server.Poll(now_);
    client_.Poll(now_);
  }
  ExpectEnded(0, 1, kOk, "far");
  EXPECT_EQ(server.calls.size(), 1u);
  // Three round trips and no more: COOKIE, ACCEPT, REPLY.
  EXPECT_EQ(now_ - start, 600 * kMillisecond);
}

TEST_F(ClientTransportTest, BelievesNoForgedCookie) {
  Call(1);
  const lh_open hello = Only(LH_PACKET_HELLO).open();
  lh_open cookie = hello;
  cookie.server = kServer;
  cookie.cookie = 9;
  lh_open forged = cookie;
  forged.client ^= 1;
  SayOpen(LH_PACKET_COOKIE, forged);
  EXPECT_EQ(counters_.packets_malformed.value(), 1u);
  Say(PacketOf(LH_PACKET_COOKIE), "short");
  EXPECT_EQ(counters_.packets_malformed.value(), 2u);
  for (const std::uint64_t change :
       {std::uint64_t{1}, std::uint64_t{0xffff}, std::uint64_t{1} << 16}) {
    forged = cookie;
    forged.number ^= change;  // another peer, none, another session
    SayOpen(LH_PACKET_COOKIE, forged);
  }
  EXPECT_EQ(counters_.packets_stale.value(), 3u);
  other_.SendOpen(client_address_, LH_PACKET_COOKIE, cookie);
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  EXPECT_TRUE(server_.Receive().empty());
  SayOpen(LH_PACKET_COOKIE, cookie);
  Only(LH_PACKET_OPEN);
  SayOpen(LH_PACKET_COOKIE, cookie);
  EXPECT_EQ(counters_.packets_stale.value(), 4u) << "twice";
  EXPECT_TRUE(server_.Receive().empty());
}

TEST_F(ClientTransportTest, BelievesNoForgedAccept) {
  Call(1);
  lh_open accept = server_.Receive().at(0).open();
  accept.server = kServer;
  accept.cookie = 9;
  accept.token = 77;
  SayOpen(LH_PACKET_ACCEPT, accept);
  EXPECT_EQ(counters_.packets_malformed.value(), 1u) << "no cookie before it";
  SayOpen(LH_PACKET_COOKIE, accept);
  Only(LH_PACKET_OPEN);
  lh_open forged = accept;
  forged.server ^= 1;
  SayOpen(LH_PACKET_ACCEPT, forged);
  forged = accept;
  forged.token = 0;
  SayOpen(LH_PACKET_ACCEPT, forged);
  EXPECT_EQ(counters_.packets_malformed.value(), 3u);
  other_.SendOpen(client_address_, LH_PACKET_ACCEPT, accept);
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  EXPECT_EQ(counters_.sessions_opened.value(), 0u);
  EXPECT_TRUE(server_.Receive().empty());

  SayOpen(LH_PACKET_ACCEPT, accept);
  Only(LH_PACKET_CALL);
  accept.token = 78;
  SayOpen(LH_PACKET_ACCEPT, accept);
  EXPECT_EQ(counters_.packets_stale.value(), 1u) << "twice";
  EXPECT_EQ(counters_.sessions_opened.value(), 1u);
  Pass(10 * kMillisecond);
  EXPECT_EQ(Only(LH_PACKET_CALL).header.token, 77u);
}

}  // namespace
}  // namespace lauberhorn::nic
