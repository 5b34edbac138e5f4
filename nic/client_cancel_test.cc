// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// How a client tells a server that it has given a call up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/slot_pool.h"
#include "nic/testing/client_transport_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::ClientTransportTest;
using ::testing::ElementsAre;

TEST_F(ClientTransportTest, SendsACancelUntilTheServerAnswers) {
  Call(1);
  Accept();
  const lh_packet call = Only(LH_PACKET_CALL).header;
  client_.transport().Cancel(1, now_);
  ExpectEnded(0, 1, kCancelled, "cancelled");
  EXPECT_THAT(Times(LH_PACKET_CANCEL, 100 * kMillisecond),
              ElementsAre(0, 10, 30, 70));
  // What was on its way when the CANCEL was sent says nothing about it.
  Say(About(LH_PACKET_ACCEPTED, call));
  Say(About(LH_PACKET_BUSY, call));
  lh_packet other = call;
  other.sequence -= 1;
  Reply(other, "of an older call");
  other = call;
  other.slot = 1;
  Reply(other, "of another slot");
  EXPECT_EQ(counters_.packets_stale.value(), 4u);
  Pass(50 * kMillisecond);
  const lh_packet cancel = Only(LH_PACKET_CANCEL).header;
  EXPECT_EQ(cancel.token, call.token);
  EXPECT_EQ(cancel.slot, call.slot);
  EXPECT_EQ(cancel.sequence, call.sequence);
  EXPECT_EQ(cancel.sent_us, static_cast<std::uint32_t>(now_ / kMicrosecond));
  Reply(call, "", kCancelled);
  EXPECT_EQ(client_.transport().Next(), kNever)
      << "an idle session has a timer";
  EXPECT_EQ(counters_.packets_stale.value(), 4u);
  EXPECT_EQ(counters_.retransmissions.value(), 4u);
  EXPECT_EQ(client_.ended.size(), 1u);
}

TEST_F(ClientTransportTest, EachReasonToGiveUpIsTold) {
  Call(1, now_ + 5 * kMillisecond);
  Call(2);
  Call(3);
  Accept();
  const std::vector<Received> calls = server_.Receive();
  Say(About(LH_PACKET_ACCEPTED, calls.at(1).header));
  Reply(calls.at(2).header, "ok");
  EXPECT_THAT(Times(LH_PACKET_CANCEL, 20 * kMillisecond), ElementsAre(5, 15));
  ExpectEnded(1, 1, kDeadlineExceeded, "before the answer came");
  Reply(calls.at(0).header, "", kCancelled);
  // The server answers for another call, but not for this one.
  Call(4);
  const lh_packet lost = Only(LH_PACKET_CALL).header;
  std::vector<Nanos> cancels;
  for (Nanos second = 0; second < 7; ++second) {
    Say(About(LH_PACKET_ACCEPTED, calls.at(1).header));
    for (const Nanos at : Times(LH_PACKET_CANCEL, 999 * kMillisecond)) {
      cancels.push_back(second * 999 + at);
    }
  }
  ExpectEnded(2, 4, kUnavailable, "may have run");
  EXPECT_THAT(cancels, ElementsAre(6270, 6280, 6300, 6340, 6420, 6580, 6900));
  Reply(lost, "", kCancelled);
  Reply(calls.at(1).header, "ok");
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, TheNextCallOfTheSlotSaysAsMuch) {
  Call(1);
  Accept();
  const lh_packet first = Only(LH_PACKET_CALL).header;
  client_.transport().Cancel(1, now_);
  Only(LH_PACKET_CANCEL);
  Call(2);
  const lh_packet second = Only(LH_PACKET_CALL).header;
  EXPECT_EQ(second.slot, first.slot);
  EXPECT_EQ(second.sequence, first.sequence + 1);
  Reply(first, "", kCancelled);
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_THAT(Times(LH_PACKET_CANCEL, kSecond), ElementsAre());
  // And is given up itself.
  client_.transport().Cancel(2, now_);
  EXPECT_EQ(server_.Receive().back().header.sequence, second.sequence);
  Pass(10 * kMillisecond);
  EXPECT_EQ(Only(LH_PACKET_CANCEL).header.sequence, second.sequence);
  Reply(second, "", kCancelled);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

TEST_F(ClientTransportTest, ManyCallsAreGivenUpAtATime) {
  for (std::uint32_t call = 0; call < kSessionSlots; ++call) Call(call);
  Accept();
  const std::vector<Received> calls = server_.Receive();
  ASSERT_EQ(calls.size(), kSessionSlots);
  for (std::uint32_t call = 0; call < kSessionSlots; ++call) {
    client_.transport().Cancel(call, now_);
    Pass(kMillisecond);
  }
  EXPECT_EQ(server_.Receive().size(), kSessionSlots);
  // Answers for the last, the first and one between; each other is told again.
  for (const unsigned slot : {7u, 0u, 4u}) {
    Reply(calls[slot].header, "", kCancelled);
  }
  EXPECT_THAT(Times(LH_PACKET_CANCEL, 10 * kMillisecond),
              ElementsAre(3, 4, 5, 7, 8));
  for (const unsigned slot : {1u, 2u, 3u, 5u, 6u}) {
    EXPECT_NE(client_.transport().Next(), kNever);
    Reply(calls[slot].header, "", kCancelled);
  }
  EXPECT_EQ(client_.transport().Next(), kNever);
  EXPECT_EQ(counters_.packets_stale.value(), 0u);
}

TEST_F(ClientTransportTest, WhoeverAnswersNoCancelIsLost) {
  Call(1);
  Accept();
  Only(LH_PACKET_CALL);
  client_.transport().Cancel(1, now_);
  EXPECT_THAT(
      Times(LH_PACKET_CANCEL, 20 * kSecond),
      ElementsAre(0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270, 4270, 5270));
  EXPECT_EQ(client_.transport().Next(), kNever);
  // No call goes into the session any more.
  Call(2);
  Accept();
  EXPECT_EQ(Only(LH_PACKET_CALL).header.token, token_);
}

TEST_F(ClientTransportTest, ALostSessionHasNothingToCancel) {
  for (const std::uint8_t type : {LH_PACKET_RESET, LH_PACKET_CLOSE}) {
    Call(1);
    Accept();
    const lh_packet call = Only(LH_PACKET_CALL).header;
    client_.transport().Cancel(1, now_);
    Only(LH_PACKET_CANCEL);
    Say(About(type, call));
    EXPECT_EQ(client_.transport().Next(), kNever);
  }
  // Nor has one that this end closes.
  Call(1);
  Accept();
  Only(LH_PACKET_CALL);
  Call(2);
  client_.transport().Cancel(1, now_);
  EXPECT_TRUE(client_.transport().Disconnect(peer_, now_).ok());
  EXPECT_EQ(server_.Receive().back().header.type, LH_PACKET_CLOSE);
  EXPECT_EQ(client_.transport().Next(), kNever);
}

}  // namespace
}  // namespace lauberhorn::nic
