// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Calls to a server that has no place for them, or is full.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/slot_pool.h"
#include "nic/testing/client_transport_fixture.h"
#include "nic/testing/transport_peers.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::ClientTransportTest;
using ::testing::ElementsAre;
using testing::PacketOf;

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

}  // namespace
}  // namespace lauberhorn::nic
