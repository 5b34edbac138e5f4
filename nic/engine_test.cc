// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of two engines and a network between them.

#include "nic/engine.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/testing/engine_fixture.h"
#include "nic/testing/host_side.h"
#include "nic/testing/simulated_host.h"

namespace lauberhorn::nic {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::HostOptions;
using testing::Payload;
using testing::TakenMessage;

TEST_F(EngineTest, ACallGoesThereAndBack) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "request", now() + 5 * kSecond));
  const TakenMessage call = Await(server_->serve(2));
  EXPECT_EQ(call.header.kind, LH_KIND_CALL);
  EXPECT_EQ(call.header.code, kCode);
  EXPECT_EQ(call.header.data, kData);
  EXPECT_EQ(call.header.aux, kIndex);
  EXPECT_GT(call.header.deadline, now());
  EXPECT_EQ(call.payload, "request");
  ASSERT_TRUE(PutReply(2, call.header.call, "reply"));
  const TakenMessage reply = Await(client_->call(1));
  EXPECT_EQ(reply.header.kind, LH_KIND_REPLY);
  EXPECT_EQ(reply.header.call, Handle(0));
  EXPECT_EQ(reply.header.code, 0u);
  EXPECT_EQ(reply.payload, "reply");
}

TEST_F(EngineTest, AnswersGoWhereTheCallSaid) {
  Wait(2);
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = Handle(3);
  header.code = kMethod;
  header.data = peer_;
  header.aux = 5;  // endpoint 4
  ASSERT_TRUE(client_->call(1).Put(header));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(2, call.header.call, ""));
  EXPECT_EQ(Await(client_->call(4)).header.call, Handle(3));
}

TEST_F(EngineTest, ACallThatIsRefusedIsAnsweredOnceAndHasCome) {
  lh_command_limits limits = {};
  limits.running = limits.threads = limits.queued = 1;
  Control(*server_, LH_COMMAND_LIMITS, Payload(limits));
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  Steps(10);
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  EXPECT_EQ(Await(client_->call(1)).header.code, 8u);  // RESOURCE_EXHAUSTED
  const Counters& counters = server_->engine().counters();
  EXPECT_EQ(counters.calls_arrived.value(), 2u);
  EXPECT_EQ(counters.calls_busy.value(), 0u);
}

TEST_F(EngineTest, RepliesComeInAnyOrder) {
  Wait(2);
  Wait(3);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage first = Await(server_->serve(3));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  const TakenMessage second = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(2, second.header.call, "B"));
  EXPECT_EQ(Await(client_->call(1)).header.call, Handle(1));
  ASSERT_TRUE(PutReply(3, first.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).header.call, Handle(0));
}

TEST_F(EngineTest, ACancelledCallEndsOnceAndTheHandlerIsTold) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0)));
  EXPECT_EQ(Await(client_->call(1)).header.code, 1u);  // CANCELLED
  Steps(10);
  const std::uint32_t index = lh_handle_index(call.header.call);
  EXPECT_EQ(
      server_->region().call_word(index)->word,
      lh_handle(LH_CALL_CANCELLED, lh_handle_generation(call.header.call)));
  // Its late reply reaches nobody, and the thread serves on.
  ASSERT_TRUE(PutReply(2, call.header.call, "late"));
  ASSERT_TRUE(PutCall(Handle(0, 2), "b"));
  const TakenMessage next = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(2, next.header.call, "B"));
  const TakenMessage reply = Await(client_->call(1));
  EXPECT_EQ(reply.header.call, Handle(0, 2));
  EXPECT_EQ(reply.payload, "B");
}

TEST_F(EngineTest, AHandlerLearnsThatItsClientDied) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  client_->Crash();
  const Nanos died = now();
  while (simulation_.Step()) {
  }
  EXPECT_LE(now(), died + 7 * kSecond);
  EXPECT_EQ(server_->engine().counters().clients_lost.value(), 1u);
  EXPECT_EQ(
      CallWord(call.header.call),
      lh_handle(LH_CALL_PEER_DEAD, lh_handle_generation(call.header.call)));
  // The thread serves on.
  ASSERT_TRUE(PutReply(2, call.header.call, "late"));
  StartClient();
  ASSERT_TRUE(PutCall(Handle(0), "b"));
  EXPECT_EQ(Await(server_->serve(2)).payload, "b");
}

TEST_F(EngineTest, ACancelMayOvertakeItsCallOnAnotherChannel) {
  ASSERT_TRUE(PutCancel(*client_, 2, Handle(0)));
  Steps(5);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  EXPECT_EQ(Await(client_->call(1)).header.code, 1u);  // CANCELLED
  EXPECT_EQ(client_->engine().counters().packets_sent.value(), 0u);
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 0u);
}

TEST_F(EngineTest, ACallBeyondTheMostIsBusyAndMayComeAgain) {
  HostOptions few = Options();
  few.calls = 2;
  StartClient(few);
  Wait(2);
  Wait(3);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  const TakenMessage first = Await(server_->serve(3));
  const TakenMessage second = Await(server_->serve(2));
  ASSERT_TRUE(PutCall(Handle(2), "c"));
  const TakenMessage busy = Await(client_->call(1));
  EXPECT_EQ(busy.header.kind, LH_KIND_BUSY);
  EXPECT_EQ(busy.header.call, Handle(2));
  // One that is too late needs no room.
  ASSERT_TRUE(PutCall(Handle(3), "d", now()));
  EXPECT_EQ(Await(client_->call(1)).header.code, 4u);  // DEADLINE_EXCEEDED
  ASSERT_TRUE(PutReply(3, first.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).payload, "A");
  ASSERT_TRUE(PutCall(Handle(2), "c"));
  const TakenMessage third = Await(server_->serve(3));
  EXPECT_EQ(third.payload, "c");
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 0u);
  ASSERT_TRUE(PutReply(2, second.header.call, "B"));
  EXPECT_EQ(Await(client_->call(1)).payload, "B");
}

TEST_F(EngineTest, ANumberIsNotUsedAgainBeforeItsAnswerIsInTheLane) {
  // As many as the lane has slots, and one that waits.
  const std::uint32_t slots = SmallRegion().slots;
  for (std::uint32_t index = 0; index <= slots; ++index) {
    ASSERT_TRUE(PutCall(Handle(index), "too late", now()));
    Step();
  }
  ASSERT_TRUE(PutCall(Handle(slots, 2), "again"));
  ASSERT_TRUE(PutCall(Handle(0, 2), "too late", now(), 2));
  EXPECT_EQ(Await(client_->call(2)).header.call, Handle(0, 2));
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 1u);
  for (std::uint32_t index = 0; index <= slots; ++index) {
    EXPECT_EQ(Await(client_->call(1)).header.call, Handle(index));
  }
}

TEST_F(EngineTest, AnEngineSleepsOnABacklogUntilThereIsRoomForIt) {
  const std::uint32_t slots = SmallRegion().slots;
  for (std::uint32_t index = 0; index <= slots; ++index) {
    ASSERT_TRUE(PutCall(Handle(index), "too late", now()));
    Step();
  }
  Steps(5);
  Engine& engine = client_->engine();
  EXPECT_EQ(engine.Poll(now()), kNever) << "no timer for it";
  ASSERT_TRUE(engine.TryToSleep());
  const lh_bell& bell = client_->call(1).channel().bell;
  EXPECT_TRUE(lh_bell_before_sleep(&bell)) << "the host is to ring";
  EXPECT_FALSE(lh_bell_before_sleep(&client_->call(2).channel().bell));
  engine.Awake();
  EXPECT_FALSE(lh_bell_before_sleep(&bell));
  TakenMessage taken;
  ASSERT_TRUE(client_->call(1).Take(&taken));
  EXPECT_FALSE(engine.TryToSleep()) << "there is room";
  engine.Poll(now());
  EXPECT_TRUE(engine.TryToSleep());
  engine.Awake();
}

TEST_F(EngineTest, AServerWithoutAPlaceIsAskedAgain) {
  // Calls that nobody takes, as many as the server has places.
  const std::uint32_t places = SmallRegion().arrived_calls;
  for (std::uint32_t index = 0; index < places; ++index) {
    ASSERT_TRUE(PutCall(Handle(index), "a"));
    while (server_->engine().counters().calls_arrived.value() <= index) Step();
  }
  StartClient(Options());
  ASSERT_TRUE(PutCall(Handle(0), "b"));
  const Counters& server = server_->engine().counters();
  while (server.calls_busy.value() < 3) Step();
  EXPECT_EQ(server.calls_arrived.value(), places);
  // One of them ends, and the call finds its place.
  Wait(2);
  const TakenMessage taken = Await(server_->serve(2));
  EXPECT_EQ(taken.payload, "a");
  ASSERT_TRUE(PutReply(2, taken.header.call, "A"));
  while (server.calls_arrived.value() <= places) Step();
  EXPECT_EQ(server.calls_refused.value(), 0u);
  EXPECT_GE(client_->engine().counters().busy_received.value(), 3u);
}

TEST_F(EngineTest, AQueueLimitRefusesAtOnce) {
  lh_command_limits limits = {};
  limits.running = limits.threads = limits.queued = 1;
  ASSERT_EQ(Control(*server_, LH_COMMAND_LIMITS, Payload(limits)).code, 0u);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  const TakenMessage end = Await(client_->call(1));
  EXPECT_EQ(end.header.call, Handle(1));
  EXPECT_EQ(end.header.code, 8u);  // RESOURCE_EXHAUSTED
  EXPECT_THAT(end.payload, HasSubstr("max_queued"));
  EXPECT_EQ(client_->engine().counters().busy_received.value(), 0u);
}

TEST_F(EngineTest, AServerMayEndACallEarly) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutCancel(*server_, 4, call.header.call));
  const TakenMessage end = Await(client_->call(1));
  EXPECT_EQ(end.header.call, Handle(0));
  EXPECT_EQ(end.header.code, 1u);
  EXPECT_EQ(
      CallWord(call.header.call),
      lh_handle(LH_CALL_CANCELLED, lh_handle_generation(call.header.call)));
  ASSERT_TRUE(PutReply(2, call.header.call, "late"));
  ASSERT_TRUE(PutCall(Handle(0, 2), "b"));
  EXPECT_EQ(Await(server_->serve(2)).payload, "b");
}

TEST_F(EngineTest, MessagesThatBreakTheContractAreRefusedOnly) {
  lh_message header = {};
  header.kind = LH_KIND_REPLY;  // not on `call`
  ASSERT_TRUE(client_->call(1).Put(header));
  header.kind = LH_KIND_CALL;
  header.call = lh_handle(0, 1);  // not of the process's own range
  ASSERT_TRUE(client_->call(1).Put(header));
  header.call = Handle(0);
  header.aux = 1000;  // no such endpoint
  ASSERT_TRUE(client_->call(1).Put(header));
  header.aux = 0;
  header.kind = LH_KIND_CONTROL;  // not on `serve`
  ASSERT_TRUE(client_->serve(1).Put(header));
  header.kind = LH_KIND_CANCEL;
  header.call = lh_handle(0xffffffff, 1);
  ASSERT_TRUE(client_->call(1).Put(header));
  Steps(5);
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 5u);
  // A call that is open may not be started again.
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(0), "b"));
  const TakenMessage call = Await(server_->serve(2));
  EXPECT_EQ(call.payload, "a");
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 6u);
  ASSERT_TRUE(PutReply(2, call.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).payload, "A");
}

TEST_F(EngineTest, AnIdleEngineWantsNoTurn) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(2, call.header.call, "A"));
  Await(client_->call(1));
  Steps(10);
  EXPECT_EQ(client_->engine().Poll(now()), kNever);
  EXPECT_EQ(server_->engine().Poll(now()), kNever);
  EXPECT_TRUE(client_->engine().TryToSleep());
  EXPECT_TRUE(server_->engine().TryToSleep());
}

}  // namespace
}  // namespace lauberhorn::nic
