// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A process ends while its NIC goes on: whoever has a call with it hears so at
// once, not when it has waited in vain.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/testing/engine_fixture.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::TakenMessage;

constexpr auto kUnavailable =
    static_cast<std::uint64_t>(absl::StatusCode::kUnavailable);

class EngineLeaveTest : public EngineTest {
 protected:
  // The process and its NIC's engine end.
  void Leave(testing::SimulatedHost& host) {
    host.engine().Leave(now());
    host.Crash();
    left_ = now();
  }
  // The answer, which came before anybody could have lost patience.
  TakenMessage AwaitSoon(testing::HostChannel& channel) {
    const TakenMessage message = Await(channel);
    EXPECT_LT(now(), left_ + kMillisecond);
    return message;
  }

 private:
  Nanos left_ = 0;
};

TEST_F(EngineLeaveTest, CallersOfAServerThatEndedAreTold) {
  ASSERT_TRUE(PutCall(Handle(0), "at a thread", 0, 1));
  Wait(3);
  Await(server_->serve(3));
  ASSERT_TRUE(PutCall(Handle(1), "queued", 0, 2));
  Steps(20);
  Leave(*server_);
  for (const std::size_t endpoint : {1u, 2u}) {
    const TakenMessage end = AwaitSoon(client_->call(endpoint));
    EXPECT_EQ(end.header.call,
              Handle(static_cast<std::uint32_t>(endpoint) - 1));
    EXPECT_EQ(end.header.code, kUnavailable);
    EXPECT_THAT(end.payload, HasSubstr("process has ended"));
  }
}

TEST_F(EngineLeaveTest, WhatItHadAnsweredIsSent) {
  ASSERT_TRUE(PutCall(Handle(0), "a call"));
  Wait(3);
  const TakenMessage call = Await(server_->serve(3));
  ASSERT_TRUE(PutReply(3, call.header.call, "the reply"));
  Leave(*server_);
  const TakenMessage end = AwaitSoon(client_->call(1));
  EXPECT_EQ(end.header.code, 0u);
  EXPECT_EQ(end.payload, "the reply");
}

TEST_F(EngineLeaveTest, TheServerOfItsCallsIsTold) {
  ASSERT_TRUE(PutCall(Handle(0), "a call"));
  Wait(3);
  const TakenMessage call = Await(server_->serve(3));
  Leave(*client_);
  EXPECT_TRUE(simulation_.RunUntil(now() + kMillisecond, [&] {
    return lh_handle_index(CallWord(call.header.call)) == LH_CALL_CANCELLED;
  }));
}

TEST_F(EngineLeaveTest, AProcessThatStaysIsToldThatTheNicEnds) {
  ASSERT_TRUE(PutCall(Handle(0), "a call"));
  Wait(3);
  Await(server_->serve(3));
  client_->engine().Leave(now());
  TakenMessage end;
  ASSERT_TRUE(client_->call(1).Take(&end));
  EXPECT_EQ(end.header.code, kUnavailable);
  EXPECT_THAT(end.payload, HasSubstr("the NIC has ended"));
}

TEST_F(EngineLeaveTest, WhoLeavesWithNothingTellsNobody) {
  const std::uint64_t sent =
      server_->engine().counters().packets_received.value();
  Leave(*client_);
  Steps(20);
  EXPECT_EQ(server_->engine().counters().packets_received.value(), sent);
}

}  // namespace
}  // namespace lauberhorn::nic
