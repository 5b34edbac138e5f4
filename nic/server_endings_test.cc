// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// How calls and sessions end before their time.

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "abi/host/process.h"
#include "abi/wire/packet.h"
#include "nic/testing/server_transport_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::ServerTransportTest;

TEST_F(ServerTransportTest, CancelDropsARunningCallOnce) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  lh_packet cancel = About(LH_PACKET_CANCEL, token, 1);
  cancel.sent_us = 4711;
  for (int i = 0; i < 2; ++i) {
    const std::vector<Received> answers = Say(client_, cancel);
    ExpectCancelled(answers, 1);
    EXPECT_EQ(answers.at(0).header.echo_us, 4711u);
    EXPECT_EQ(server_.calls[0].dropped, 1);
    EXPECT_EQ(server_.calls[0].why, LH_CALL_CANCELLED);
  }
  // Nothing of it is left: no reply, no second run.
  server_.Reply(0, 0, "late", now_);
  EXPECT_TRUE(client_.Receive().empty());
  ExpectCancelled(Call(client_, token, 1), 1);
  ExpectCancelled(Say(client_, About(LH_PACKET_PROBE, token, 1)), 1);
  EXPECT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(server_.transport().Next(), kNever) << "nothing runs";
}

TEST_F(ServerTransportTest, CancelOfACallThatWasAnsweredNeedsNoAnswerMore) {
  const std::uint64_t token = Open(client_);
  Call(client_, token, 1);
  server_.Reply(0, 0, "not wanted any more", now_);
  client_.Receive();
  ExpectCancelled(Say(client_, About(LH_PACKET_CANCEL, token, 1)), 1);
  EXPECT_EQ(server_.calls[0].dropped, 0) << "it had ended";
  ExpectCancelled(Call(client_, token, 1), 1);
}

TEST_F(ServerTransportTest, ACallThatComesAfterItsCancelNeverRuns) {
  const std::uint64_t token = Open(client_);
  // In a slot that was never used, and in one with a call before it.
  ExpectCancelled(Say(client_, About(LH_PACKET_CANCEL, token, 1, 1)), 1);
  ExpectCancelled(Call(client_, token, 1, 1), 1);
  Call(client_, token, 1);
  ExpectCancelled(Say(client_, About(LH_PACKET_CANCEL, token, 2)), 2);
  EXPECT_EQ(server_.calls[0].dropped, 1) << "its slot was used again";
  for (int copy = 0; copy < 2; ++copy) {
    ExpectCancelled(Call(client_, token, 2), 2);
  }
  EXPECT_EQ(server_.calls.size(), 1u);
  EXPECT_EQ(counters_.cancels_early.value(), 2u);
  EXPECT_EQ(counters_.calls_superseded.value(), 1u);
  EXPECT_EQ(server_.transport().Next(), kNever) << "nothing runs";
  // One that was refused before, too.
  server_.busy = [] { return true; };
  EXPECT_EQ(Call(client_, token, 3).at(0).header.type, LH_PACKET_BUSY);
  ExpectCancelled(Say(client_, About(LH_PACKET_CANCEL, token, 3)), 3);
  server_.busy = nullptr;
  ExpectCancelled(Call(client_, token, 3), 3);
  // The slot's next call is as any other; a late CANCEL does not touch it.
  EXPECT_TRUE(Call(client_, token, 4).empty());
  EXPECT_EQ(server_.calls.size(), 2u);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_CANCEL, token, 3)).empty());
  EXPECT_EQ(counters_.packets_stale.value(), 1u);
  EXPECT_EQ(server_.calls[1].dropped, 0);
}

TEST_F(ServerTransportTest, NoCallHasSequenceZero) {
  const std::uint64_t token = Open(client_);
  EXPECT_TRUE(Say(client_, About(LH_PACKET_CANCEL, token, 0)).empty());
  EXPECT_EQ(counters_.packets_malformed.value(), 1u);
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

}  // namespace
}  // namespace lauberhorn::nic
