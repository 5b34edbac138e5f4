// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The client's end of the transport against a server that says whatever it
// likes, in simulated time.

#include "nic/client_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"

namespace lauberhorn::nic {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryNetwork;
using testing::PacketOf;
using testing::RawPeer;
using testing::TestAddress;
using testing::TestClient;
using testing::TestSecret;
using Received = RawPeer::Received;

constexpr std::uint32_t kCalls = 32;
constexpr std::uint8_t kOk = 0;
constexpr std::uint8_t kCancelled = 1;
constexpr std::uint8_t kDeadlineExceeded = 4;
constexpr std::uint8_t kResourceExhausted = 8;
constexpr std::uint8_t kUnavailable = 14;

class ClientTransportTest : public ::testing::Test {
 protected:
  ClientTransportTest() {
    const auto peer = client_.transport().Connect(server_.address());
    EXPECT_TRUE(peer.ok()) << peer.status();
    peer_ = *peer;
    client_address_ = client_.transport().wire()->local();
  }

  void Call(std::uint32_t call, Nanos deadline = kNever,
            bool wait_for_ready = false, absl::string_view payload = "hi") {
    client_.transport().Call(call,
                             {.peer = peer_,
                              .method = 42,
                              .deadline = deadline,
                              .wait_for_ready = wait_for_ready,
                              .body = Bytes(payload)},
                             now_);
  }

  // Lets the time pass; the client comes back whenever it said it would.
  void Pass(Nanos time) {
    const Nanos until = now_ + time;
    for (Nanos next; (next = client_.transport().Next()) <= until;) {
      now_ = next;
      client_.Poll(now_);
    }
    now_ = until;
    client_.Poll(now_);
  }

  void Say(const lh_packet& header, absl::string_view payload = "") {
    server_.Send(client_address_, header, payload);
    client_.Poll(now_);
  }

  void SayOpen(std::uint8_t type, const lh_open& open) {
    server_.SendOpen(client_address_, type, open);
    client_.Poll(now_);
  }

  // The one packet that came to the server.
  Received Only(std::uint8_t type) {
    const std::vector<Received> packets = server_.Receive();
    EXPECT_EQ(packets.size(), 1u);
    if (packets.size() != 1) return {};
    EXPECT_EQ(packets[0].header.type, type);
    return packets[0];
  }

  lh_open AnswerHello() {
    lh_open open = Only(LH_PACKET_HELLO).open();
    open.server = kServer;
    open.cookie = 0xc00c1e;
    open.cookie_time = 5;
    SayOpen(LH_PACKET_COOKIE, open);
    return open;
  }

  // Opens the session that the client asks for, with the next token.
  void Accept() {
    AnswerHello();
    lh_open open = Only(LH_PACKET_OPEN).open();
    open.token = ++token_;
    SayOpen(LH_PACKET_ACCEPT, open);
  }

  lh_packet About(std::uint8_t type, const lh_packet& call) {
    lh_packet header = PacketOf(type);
    header.token = call.token;
    header.slot = call.slot;
    header.sequence = call.sequence;
    return header;
  }

  void Reply(const lh_packet& call, absl::string_view text,
             std::uint8_t status = kOk) {
    lh_packet header = About(LH_PACKET_REPLY, call);
    header.status = status;
    header.message_length = static_cast<std::uint32_t>(text.size());
    Say(header, text);
  }

  // When packets of this type come to the server while the time passes, as
  // milliseconds from now.
  std::vector<Nanos> Times(std::uint8_t type, Nanos time) {
    std::vector<Nanos> times;
    const Nanos start = now_;
    const auto note = [&] {
      for (const Received& packet : server_.Receive()) {
        if (packet.header.type == type) {
          times.push_back((now_ - start) / kMillisecond);
        }
      }
    };
    note();
    while (now_ < start + time) {
      Pass(std::min(client_.transport().Next(), start + time) - now_);
      note();
    }
    return times;
  }

  void ExpectEnded(std::size_t index, std::uint32_t call, std::uint8_t status,
                   absl::string_view text) {
    ASSERT_LT(index, client_.ended.size()) << "it has not ended";
    EXPECT_EQ(client_.ended[index].call, call);
    EXPECT_EQ(client_.ended[index].status, status);
    EXPECT_THAT(client_.ended[index].text, HasSubstr(std::string(text)));
  }

  static constexpr std::uint64_t kServer = 0x5e17e1;

  MemoryNetwork network_{1};
  RawPeer server_{network_, TestAddress(1, 100)};
  RawPeer other_{network_, TestAddress(3, 100)};
  TestClient client_{network_, TestAddress(2), kCalls, 2, TestSecret(1)};
  const Counters& counters_ = client_.counters;
  std::uint64_t peer_;
  Address client_address_;
  std::uint64_t token_ = 1000;
  Nanos now_ = 1000 * kSecond;
};

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

TEST_F(ClientTransportTest, SendsACallAgainEverLater) {
  Call(1);
  Accept();
  EXPECT_THAT(
      Times(LH_PACKET_CALL, 20 * kSecond),
      ElementsAre(0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270, 4270, 5270));
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 1, kUnavailable, "may have run");
  EXPECT_EQ(counters_.retransmissions.value(), 11u);
  EXPECT_EQ(counters_.outgoing_failed.value(), 1u);
  EXPECT_EQ(client_.transport().Next(), kNever);
  // The session is lost with it.
  Call(2);
  Accept();
  EXPECT_EQ(Only(LH_PACKET_CALL).header.token, token_);
}

TEST_F(ClientTransportTest, EachTransmissionIsOfTheSameCallWithLessTime) {
  Call(1, now_ + 25 * kMillisecond);
  Accept();
  const lh_packet first = Only(LH_PACKET_CALL).header;
  EXPECT_EQ(first.remaining_us, 25'000u);
  Pass(10 * kMillisecond);
  const lh_packet second = Only(LH_PACKET_CALL).header;
  EXPECT_EQ(second.sequence, first.sequence);
  EXPECT_EQ(second.slot, first.slot);
  EXPECT_EQ(second.remaining_us, 15'000u);
  EXPECT_EQ(second.sent_us, first.sent_us + 10'000);
}

TEST_F(ClientTransportTest, ADeadlineFarAwayIsThisEndsAlone) {
  Call(1, now_ + 5000 * kSecond);
  Accept();
  EXPECT_EQ(Only(LH_PACKET_CALL).header.remaining_us, 0u)
      << "the server is not to end it early";
}

TEST_F(ClientTransportTest, SendsNoCallWhoseDeadlineHasPassed) {
  Call(1, now_);
  ExpectEnded(0, 1, kDeadlineExceeded, "could be sent");
  EXPECT_TRUE(server_.Receive().empty()) << "no session for it";
  Call(2);
  Accept();
  Reply(Only(LH_PACKET_CALL).header, "ok");
  Call(3, 1);
  ExpectEnded(2, 3, kDeadlineExceeded, "could be sent");
  EXPECT_TRUE(server_.Receive().empty());
  EXPECT_EQ(counters_.outgoing_failed.value(), 2u);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, ADeadlineEndsACallThatWasSentAndTellsTheServer) {
  Call(1, now_ + 5 * kMillisecond);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  Pass(5 * kMillisecond - 1);
  EXPECT_TRUE(client_.ended.empty());
  Pass(1);
  ExpectEnded(0, 1, kDeadlineExceeded, "before the answer came");
  const lh_packet cancel = Only(LH_PACKET_CANCEL).header;
  EXPECT_EQ(cancel.sequence, call.sequence);
  EXPECT_EQ(cancel.slot, call.slot);
  EXPECT_EQ(cancel.token, call.token);
  Reply(call, "late");
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
}

TEST_F(ClientTransportTest, CallsBeyondTheSlotsWaitInOrder) {
  for (std::uint32_t call = 0; call < 20; ++call) {
    Call(call, call == 10 ? now_ + kMillisecond : kNever, false,
         std::to_string(call));
  }
  Accept();
  std::vector<Received> calls = server_.Receive();
  ASSERT_EQ(calls.size(), kSessionSlots);
  for (std::uint32_t call = 0; call < calls.size(); ++call) {
    EXPECT_EQ(calls[call].payload, std::to_string(call));
    EXPECT_EQ(calls[call].header.slot, call);
  }
  // From the middle, the beginning and the end of those that wait.
  Pass(kMillisecond);
  ExpectEnded(0, 10, kDeadlineExceeded, "could be sent");
  client_.transport().Cancel(8, now_);
  ExpectEnded(1, 8, kCancelled, "cancelled");
  client_.transport().Cancel(19, now_);
  ExpectEnded(2, 19, kCancelled, "cancelled");
  EXPECT_TRUE(server_.Receive().empty()) << "the server knew none of them";
  Call(20, kNever, false, "20");

  // Any slot that is free takes the next.
  std::vector<std::string> order;
  std::uint16_t slot = 3;
  std::vector<lh_packet> running;
  for (const Received& call : calls) running.push_back(call.header);
  for (int i = 0; i < 10; ++i) {
    Reply(running[slot], "ok");
    const Received next = Only(LH_PACKET_CALL);
    EXPECT_EQ(next.header.slot, slot);
    EXPECT_EQ(next.header.sequence, running[slot].sequence + 1);
    order.push_back(next.payload);
    running[slot] = next.header;
    slot = static_cast<std::uint16_t>((slot + 5) % kSessionSlots);
  }
  EXPECT_THAT(order, ElementsAre("9", "11", "12", "13", "14", "15", "16", "17",
                                 "18", "20"));
  for (const lh_packet& call : running) Reply(call, "ok");
  EXPECT_TRUE(server_.Receive().empty());
  EXPECT_EQ(client_.ended.size(), 21u);
}

TEST_F(ClientTransportTest, ABusyServerIsAskedAgainEverLater) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  for (const Nanos wait :
       {2u, 4u, 8u, 16u, 32u, 64u, 128u, 256u, 512u, 1000u, 1000u}) {
    Say(About(LH_PACKET_BUSY, call));
    Say(About(LH_PACKET_BUSY, call));  // means nothing new
    Pass(wait * kMillisecond - 1);
    EXPECT_TRUE(server_.Receive().empty());
    Pass(1);
    const lh_packet again = Only(LH_PACKET_CALL).header;
    EXPECT_EQ(again.slot, call.slot);
    EXPECT_EQ(again.sequence, call.sequence);
  }
  EXPECT_TRUE(client_.ended.empty());
  Say(About(LH_PACKET_BUSY, call));
  ExpectEnded(0, 1, kResourceExhausted, "no place for the call");
  EXPECT_EQ(counters_.busy_received.value(), 12u);
  EXPECT_EQ(counters_.packets_stale.value(), 11u);
  EXPECT_EQ(client_.transport().Next(), kNever);
  // The session goes on.
  Call(2);
  Reply(Only(LH_PACKET_CALL).header, "ok");
  ExpectEnded(1, 2, kOk, "ok");
}

TEST_F(ClientTransportTest, TheLastRefusalMayNotBeTheLastWord) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  for (const Nanos wait :
       {2u, 4u, 8u, 16u, 32u, 64u, 128u, 256u, 512u, 1000u, 1000u}) {
    Say(About(LH_PACKET_BUSY, call));
    Pass(wait * kMillisecond);
    (void)Only(LH_PACKET_CALL);
  }
  // It is sent once more before the answer to the last comes.
  Pass(10 * kMillisecond);
  (void)Only(LH_PACKET_CALL);
  Say(About(LH_PACKET_BUSY, call));
  EXPECT_EQ(Only(LH_PACKET_CANCEL).header.sequence, call.sequence);
  ExpectEnded(0, 1, kResourceExhausted, "may have run");
}

TEST_F(ClientTransportTest, ACallThatWasRefusedOnceIsAnsweredLater) {
  Call(1, now_ + 100 * kMillisecond);
  Call(2, now_ + 3 * kMillisecond);
  Accept();
  const std::vector<Received> calls = server_.Receive();
  for (const Received& call : calls) Say(About(LH_PACKET_BUSY, call.header));
  // Both come again; the answer to the second is still BUSY.
  Pass(2 * kMillisecond);
  EXPECT_EQ(server_.Receive().size(), 2u);
  Say(About(LH_PACKET_BUSY, calls[1].header));
  Say(About(LH_PACKET_ACCEPTED, calls[0].header));
  Say(About(LH_PACKET_BUSY, calls[0].header));  // late: it runs
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  Pass(kMillisecond);
  ExpectEnded(0, 2, kDeadlineExceeded, "before the answer came");
  Reply(calls[0].header, "at last");
  ExpectEnded(1, 1, kOk, "at last");
}

TEST_F(ClientTransportTest, AnAnswerThatIsLostAfterBusyIsAskedForAsBefore) {
  Call(1);
  Accept();
  Say(About(LH_PACKET_BUSY, Only(LH_PACKET_CALL).header));
  EXPECT_THAT(
      Times(LH_PACKET_CALL, 20 * kSecond),
      ElementsAre(2, 12, 32, 72, 152, 312, 632, 1272, 2272, 3272, 4272, 5272));
  ExpectEnded(0, 1, kUnavailable, "may have run");
}

TEST_F(ClientTransportTest, AFullServerGetsFewerCallsAtATimeButAlwaysOne) {
  for (std::uint32_t call = 0; call < 30; ++call) Call(call);
  Accept();
  std::vector<lh_packet> open;
  const auto receive = [&] {
    for (const Received& call : server_.Receive()) open.push_back(call.header);
  };
  const auto answer = [&](std::uint8_t load) {
    lh_packet reply = About(LH_PACKET_REPLY, open.front());
    reply.load = load;
    open.erase(open.begin());
    Say(reply);
    receive();
  };
  receive();
  EXPECT_EQ(open.size(), kSessionSlots);
  answer(127);
  EXPECT_EQ(open.size(), kSessionSlots) << "half full is not full";
  for (int i = 0; i < 7; ++i) answer(191);
  EXPECT_EQ(open.size(), 5u) << "three eighths less";
  for (int i = 0; i < 7; ++i) answer(255);
  EXPECT_EQ(open.size(), 2u) << "a quarter";
  // It was a wish of a moment.
  answer(0);
  EXPECT_EQ(open.size(), kSessionSlots);
  while (!open.empty()) answer(255);
  EXPECT_EQ(client_.ended.size(), 30u);
}

TEST_F(ClientTransportTest, AServerOfOneSlotIsNeverSentNone) {
  Call(1);
  Call(2);
  AnswerHello();
  lh_open open = Only(LH_PACKET_OPEN).open();
  open.token = ++token_;
  lh_packet accept = PacketOf(LH_PACKET_ACCEPT);
  accept.slots = 1;
  Say(accept, {reinterpret_cast<const char*>(&open), sizeof(open)});
  lh_packet reply = About(LH_PACKET_REPLY, Only(LH_PACKET_CALL).header);
  reply.load = 255;
  Say(reply);
  Only(LH_PACKET_CALL);
}

TEST_F(ClientTransportTest, ARunningCallIsProbedAndLostAfterFiveMisses) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  Say(About(LH_PACKET_ACCEPTED, call));
  std::vector<Nanos> probes = Times(LH_PACKET_PROBE, 3500 * kMillisecond);
  EXPECT_THAT(probes, ElementsAre(1000, 2000, 3000));
  Say(About(LH_PACKET_ACCEPTED, call));  // as if nothing had been missed
  EXPECT_THAT(Times(LH_PACKET_PROBE, 20 * kSecond),
              ElementsAre(1000, 2000, 3000, 4000, 5000));
  ASSERT_EQ(client_.ended.size(), 1u);
  ExpectEnded(0, 1, kUnavailable, "may have run");
  EXPECT_EQ(counters_.probes.value(), 8u);
  EXPECT_EQ(counters_.retransmissions.value(), 0u);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, ARunningCallMayTakeItsTime) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  Say(About(LH_PACKET_ACCEPTED, call));
  for (int second = 0; second < 1000; ++second) {
    Pass(kSecond);
    EXPECT_EQ(Only(LH_PACKET_PROBE).header.sequence, call.sequence);
    Say(About(LH_PACKET_ACCEPTED, call));
  }
  Reply(call, "at last");
  ExpectEnded(0, 1, kOk, "at last");
}

TEST_F(ClientTransportTest, ALostSessionFailsWhatWasSentAndKeepsWhatWasNot) {
  for (const std::uint8_t type : {LH_PACKET_RESET, LH_PACKET_CLOSE}) {
    client_.ended.clear();
    for (std::uint32_t call = 0; call < kSessionSlots + 2u; ++call) Call(call);
    Accept();
    const lh_packet first = server_.Receive().at(0).header;
    Say(About(type, first));
    ASSERT_EQ(client_.ended.size(), kSessionSlots);
    for (std::uint32_t call = 0; call < kSessionSlots; ++call) {
      ExpectEnded(call, call, kUnavailable, "may have run");
      ExpectEnded(call, call, kUnavailable,
                  type == LH_PACKET_RESET ? "restarted" : "shut down");
    }
    Say(About(type, first));  // again: of a session that is gone
    Reply(first, "too late");
    EXPECT_EQ(client_.ended.size(), kSessionSlots);
    Accept();
    const std::vector<Received> rest = server_.Receive();
    ASSERT_EQ(rest.size(), 2u);
    for (const Received& call : rest) {
      EXPECT_EQ(call.header.token, token_);
      EXPECT_EQ(call.header.sequence, 1u);
      Reply(call.header, "ok");
    }
    ExpectEnded(kSessionSlots, kSessionSlots, kOk, "ok");
    ExpectEnded(kSessionSlots + 1, kSessionSlots + 1, kOk, "ok");
    Say(About(LH_PACKET_CLOSE, rest[0].header));  // so that both start closed
  }
  EXPECT_EQ(counters_.resets_received.value(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 4u);
}

TEST_F(ClientTransportTest, ACloseSaysWhy) {
  Call(1);
  Accept();
  lh_packet close = About(LH_PACKET_CLOSE, Only(LH_PACKET_CALL).header);
  close.status = kResourceExhausted;
  Say(close);
  ExpectEnded(0, 1, kUnavailable, "gave this client's place to another one");
  // An idle client loses no call by it.
  Call(1);
  Accept();
  Reply(Only(LH_PACKET_CALL).header, "ok");
  close.token = token_;
  Say(close);
  EXPECT_EQ(client_.ended.size(), 2u);
  Call(1);
  Accept();
  Only(LH_PACKET_CALL);
}

TEST_F(ClientTransportTest, AResetOfTheSameServerIsNoRestart) {
  Call(1);
  Accept();
  lh_packet reset = About(LH_PACKET_RESET, Only(LH_PACKET_CALL).header);
  reset.method = kServer;
  Say(reset);
  ExpectEnded(0, 1, kUnavailable, "forgotten this client; the call may have");
}

TEST_F(ClientTransportTest, CallsCarryTheNameUntilTheServerHasConfirmedIt) {
  ASSERT_TRUE(client_.transport().NameMethod(42, "/a/B").ok());
  Call(1);
  Call(2);
  Accept();
  std::vector<Received> calls = server_.Receive();
  ASSERT_EQ(calls.size(), 2u);
  for (const Received& call : calls) {
    EXPECT_EQ(call.name, "/a/B");
    EXPECT_EQ(call.payload, "hi");
    EXPECT_EQ(call.header.message_length, 2u);
  }
  // A refusal of the name, or what may be one, confirms nothing.
  Reply(calls[0].header, "no", 12);
  Call(3);
  EXPECT_EQ(Only(LH_PACKET_CALL).name, "/a/B");
  Say(About(LH_PACKET_ACCEPTED, calls[1].header));
  Call(4);
  EXPECT_EQ(Only(LH_PACKET_CALL).name, "");
  // Sent again, a call is what it was.
  Pass(10 * kMillisecond);
  calls = server_.Receive();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].name + calls[1].name, "/a/B");
}

TEST_F(ClientTransportTest, EachSessionAndEachMethodConfirmsForItself) {
  ASSERT_TRUE(client_.transport().NameMethod(42, "/a/B").ok());
  ASSERT_TRUE(client_.transport().NameMethod(43, "/a/C").ok());
  const auto call = [&](std::uint32_t number, std::uint64_t method) {
    client_.transport().Call(number,
                             {.peer = peer_,
                              .method = method,
                              .deadline = kNever,
                              .wait_for_ready = false,
                              .body = {}},
                             now_);
  };
  call(1, 42);
  Accept();
  Received packet = Only(LH_PACKET_CALL);
  EXPECT_EQ(packet.name, "/a/B");
  Reply(packet.header, "ok", 5);  // any status but UNIMPLEMENTED
  call(1, 43);
  packet = Only(LH_PACKET_CALL);
  EXPECT_EQ(packet.name, "/a/C");
  Reply(packet.header, "ok");
  call(1, 44);
  packet = Only(LH_PACKET_CALL);
  EXPECT_EQ(packet.name, "") << "this client does not know it";
  Reply(packet.header, "ok");
  for (const std::uint64_t method : {42u, 43u}) {
    call(1, method);
    packet = Only(LH_PACKET_CALL);
    EXPECT_EQ(packet.name, "");
    Reply(packet.header, "ok");
  }
  Say(About(LH_PACKET_CLOSE, packet.header));
  call(1, 42);
  Accept();
  EXPECT_EQ(Only(LH_PACKET_CALL).name, "/a/B");
}

TEST_F(ClientTransportTest, ANameThatDoesNotFitIsLeftOutAndNotConfirmed) {
  const std::string name(255, 'n');
  ASSERT_TRUE(client_.transport().NameMethod(42, name).ok());
  Call(1, kNever, false, std::string(kMaxPayload - 255, 'x'));
  Accept();
  Received call = Only(LH_PACKET_CALL);
  EXPECT_EQ(call.name, "");
  EXPECT_EQ(call.payload.size(), kMaxPayload - 255);
  Reply(call.header, "ok");
  Call(1, kNever, false, std::string(kMaxPayload - 256, 'x'));
  call = Only(LH_PACKET_CALL);
  EXPECT_EQ(call.name, name);
  EXPECT_EQ(call.payload.size(), kMaxPayload - 256);
}

TEST_F(ClientTransportTest, LateAndRepeatedRepliesEndNothing) {
  Call(1);
  Accept();
  const lh_packet first = Only(LH_PACKET_CALL).header;
  Reply(first, "one");
  Reply(first, "one");
  EXPECT_EQ(client_.ended.size(), 1u);
  Call(2);
  const lh_packet second = Only(LH_PACKET_CALL).header;
  ASSERT_EQ(second.slot, first.slot);
  Reply(first, "one");  // of the call before, in the same slot
  Say(About(LH_PACKET_ACCEPTED, first));
  lh_packet wrong = second;
  wrong.slot = kSessionSlots;
  Reply(wrong, "no such slot");
  wrong.slot = 1;
  Reply(wrong, "empty slot");
  wrong = second;
  ++wrong.sequence;
  Reply(wrong, "not yet");
  wrong = second;
  ++wrong.token;
  Reply(wrong, "no such session");
  EXPECT_EQ(client_.ended.size(), 1u);
  EXPECT_EQ(counters_.packets_stale.value(), 7u);
  Reply(second, "two");
  ExpectEnded(1, 2, kOk, "two");
}

TEST_F(ClientTransportTest, BelievesATokenOnlyFromItsServer) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  for (const std::uint8_t type : {LH_PACKET_REPLY, LH_PACKET_RESET,
                                  LH_PACKET_CLOSE, LH_PACKET_ACCEPTED}) {
    other_.Send(client_address_, About(type, call));
  }
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 4u);
  EXPECT_TRUE(client_.ended.empty());
  Reply(call, "mine");
  ExpectEnded(0, 1, kOk, "mine");
}

TEST_F(ClientTransportTest, ReturnsAChallengeOfItsServerAlone) {
  Call(1);
  Accept();
  lh_packet challenge = About(LH_PACKET_CHALLENGE, Only(LH_PACKET_CALL).header);
  challenge.method = 0x5ec2e7;
  challenge.ack_bits = 77;
  Say(challenge);
  const Received response = Only(LH_PACKET_RESPONSE);
  EXPECT_EQ(response.header.token, token_);
  EXPECT_EQ(response.header.method, 0x5ec2e7u);
  EXPECT_EQ(response.header.ack_bits, 77u);
  EXPECT_TRUE(response.payload.empty());
  other_.Send(client_address_, challenge);
  client_.Poll(now_);
  EXPECT_EQ(counters_.packets_wrong_address.value(), 1u);
  ++challenge.token;
  Say(challenge);
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_TRUE(server_.Receive().empty());
  EXPECT_TRUE(other_.Receive().empty());
  EXPECT_EQ(counters_.challenges_answered.value(), 1u);
  EXPECT_TRUE(client_.ended.empty());
}

TEST_F(ClientTransportTest, MalformedAndUnexpectedPacketsEndNothing) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  lh_packet reply = About(LH_PACKET_REPLY, call);
  reply.message_length = 2;
  std::vector<lh_packet> bad(4, reply);
  bad[0].message = 1;
  bad[1].offset = 1;
  bad[2].message_length = 1;
  bad[3].message_length = 3;
  for (const lh_packet& header : bad) Say(header, "ok");
  // No message can hold this.
  const std::string meta(kMaxPayload - sizeof(MetaSize), 'm');
  const Packet too_much = {
      .header = reply, .meta = Bytes(meta), .payload = Bytes("ok")};
  client_.transport().OnPacket(too_much, server_.address(), now_);
  EXPECT_EQ(counters_.packets_malformed.value(), 5u);
  const std::uint8_t types[] = {
      LH_PACKET_HELLO, LH_PACKET_OPEN, LH_PACKET_CALL,   LH_PACKET_PROBE,
      LH_PACKET_ACK,   LH_PACKET_DATA, LH_PACKET_CANCEL, LH_PACKET_RESPONSE};
  for (const std::uint8_t type : types) Say(About(type, call));
  EXPECT_EQ(counters_.packets_unexpected.value(), std::size(types));
  EXPECT_TRUE(client_.ended.empty());
  EXPECT_TRUE(server_.Receive().empty()) << "none of them is answered";
  Reply(call, "ok");
  ExpectEnded(0, 1, kOk, "ok");
}

}  // namespace
}  // namespace lauberhorn::nic
