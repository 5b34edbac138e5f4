// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Commands of processes: servers and their closing, methods and their names.

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/address.h"
#include "nic/packet.h"
#include "nic/testing/engine_fixture.h"
#include "nic/testing/host_side.h"
#include "nic/testing/simulated_host.h"

namespace lauberhorn::nic {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::HostChannel;
using testing::Payload;
using testing::TakenMessage;

constexpr std::uint64_t kUnimplemented = 12;

TEST_F(EngineTest, AServerClosesWhenItsLastCallHasEnded) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutClose(5, 99));
  Steps(20);
  TakenMessage result;
  EXPECT_FALSE(server_->call(5).Take(&result));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  EXPECT_EQ(Await(client_->call(1)).header.code, 14u);  // UNAVAILABLE
  ASSERT_TRUE(PutReply(2, call.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).payload, "A");
  result = Await(server_->call(5));
  EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
  EXPECT_EQ(result.header.call, 99u);
}

TEST_F(EngineTest, AServerThatClosesEndsItsCallsAtTheDeadline) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "queued"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutClose(5, 99));
  Steps(20);
  // Another thread is in a hurry.
  const Nanos deadline = now() + 10 * kMillisecond;
  ASSERT_TRUE(PutClose(4, 100, deadline));
  EXPECT_EQ(Await(server_->call(4)).header.code, 6u);  // ALREADY_EXISTS
  for (int end = 0; end < 2; ++end) {
    const TakenMessage ended = Await(client_->call(1));
    EXPECT_EQ(ended.header.code, 14u);  // UNAVAILABLE
    EXPECT_THAT(ended.payload, HasSubstr("was shut down"));
  }
  EXPECT_GE(now(), deadline);
  EXPECT_LE(now(), deadline + kMillisecond);
  EXPECT_EQ(
      CallWord(call.header.call),
      lh_handle(LH_CALL_CANCELLED, lh_handle_generation(call.header.call)));
  // It is closed when the handler has returned.
  Steps(20);
  TakenMessage result;
  EXPECT_FALSE(server_->call(5).Take(&result));
  ASSERT_TRUE(PutReply(2, call.header.call, "late"));
  EXPECT_EQ(Await(server_->call(5)).header.call, 99u);
}

TEST_F(EngineTest, ControlCommandsAreChecked) {
  constexpr std::uint64_t kInvalid = 3;
  constexpr std::uint64_t kNotFound = 5;
  constexpr std::uint64_t kAlreadyExists = 6;
  constexpr std::uint64_t kFailedPrecondition = 9;
  EXPECT_EQ(Control(*client_, LH_COMMAND_NONE, "").code, kUnimplemented);
  constexpr auto kUnknown =
      static_cast<lh_command>(LH_COMMAND_SOCKET_CONNECT + 1);
  EXPECT_EQ(Control(*client_, kUnknown, "").code, kUnimplemented);
  for (const lh_command command :
       {LH_COMMAND_SERVER_OPEN, LH_COMMAND_SERVER_CLOSE, LH_COMMAND_DISCONNECT,
        LH_COMMAND_LISTEN, LH_COMMAND_CONNECT, LH_COMMAND_METHOD_ADD,
        LH_COMMAND_ENDPOINT_REOPEN, LH_COMMAND_ENDPOINT_RETIRE,
        LH_COMMAND_LIMITS, LH_COMMAND_METHOD_NAME, LH_COMMAND_CALL_PEER,
        LH_COMMAND_PEER_STATE}) {
    EXPECT_EQ(Control(*client_, command, "short").code, kInvalid) << command;
  }
  lh_command_handle nothing;
  nothing.handle = lh_handle(1000, 1);
  for (const lh_command command :
       {LH_COMMAND_DISCONNECT, LH_COMMAND_ENDPOINT_REOPEN,
        LH_COMMAND_ENDPOINT_RETIRE, LH_COMMAND_CALL_PEER}) {
    EXPECT_EQ(Control(*client_, command, Payload(nothing)).code, kNotFound)
        << command;
  }
  lh_command_close close = {};
  close.server = nothing.handle;
  EXPECT_EQ(Control(*client_, LH_COMMAND_SERVER_CLOSE, Payload(close)).code,
            kNotFound);
  lh_command_handle open;
  open.handle = lh_handle(1, 1);
  EXPECT_EQ(Control(*client_, LH_COMMAND_ENDPOINT_REOPEN, Payload(open)).code,
            kFailedPrecondition);
  lh_command_limits limits = {};
  limits.running = limits.threads = 1;
  EXPECT_EQ(Control(*client_, LH_COMMAND_LIMITS, Payload(limits)).code,
            kInvalid);
  limits.queued = 1;
  EXPECT_EQ(Control(*client_, LH_COMMAND_LIMITS, Payload(limits)).code, 0u);
  lh_command_method method = {};
  method.name_length = 10;  // but none follows
  EXPECT_EQ(Control(*client_, LH_COMMAND_METHOD_ADD, Payload(method)).code,
            kInvalid);
  EXPECT_EQ(NameMethod(1, ""), kInvalid);
  EXPECT_EQ(NameMethod(1, std::string(256, 'n')), kInvalid);
  EXPECT_EQ(NameMethod(1, std::string(255, 'n')), 0u);
  EXPECT_EQ(NameMethod(2, "/a/B"), 0u);
  std::string text;
  EXPECT_EQ(NameMethod(2, "/c/D", &text), kAlreadyExists);
  EXPECT_THAT(text, HasSubstr("/a/B and /c/D"));
}

TEST_F(EngineTest, AServerMayAskWhoCalls) {
  const auto ask = [this](std::uint64_t call, std::string* answer) {
    lh_command_handle command;
    command.handle = call;
    return Control(*server_, LH_COMMAND_CALL_PEER, Payload(command), answer)
        .code;
  };
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "queued"));
  const TakenMessage call = Await(server_->serve(2));
  std::string answer;
  ASSERT_EQ(ask(call.header.call, &answer), 0u);
  lh_address client;
  ASSERT_EQ(answer.size(), sizeof(client));
  std::memcpy(&client, answer.data(), sizeof(client));
  EXPECT_EQ(Address(client), client_->address(client.port));
  EXPECT_NE(client.port, kPort);
  // Neither of its next life, nor of one that no thread has.
  constexpr std::uint64_t kNotFound = 5;
  EXPECT_EQ(ask(lh_handle(lh_handle_index(call.header.call),
                          lh_handle_generation(call.header.call) + 1),
                &answer),
            kNotFound);
  EXPECT_EQ(ask(lh_handle(lh_handle_index(call.header.call) + 1, 1), &answer),
            kNotFound);
  ASSERT_TRUE(PutReply(2, call.header.call, "A"));
  Steps(20);
  EXPECT_EQ(ask(call.header.call, &answer), kNotFound);
}

TEST_F(EngineTest, AServerMayNotAskForAClientThatIsGone) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  StartClient();
  ASSERT_TRUE(simulation_.RunUntil(now() + 100 * kSecond, [&] {
    return lh_handle_index(CallWord(call.header.call)) == LH_CALL_PEER_DEAD;
  }));
  lh_command_handle command;
  command.handle = call.header.call;
  EXPECT_EQ(Control(*server_, LH_COMMAND_CALL_PEER, Payload(command)).code, 5u);
}

class PeerStateTest : public EngineTest {
 protected:
  static constexpr std::uint32_t kAny = 99;

  static std::string StatePayload(std::uint64_t peer, std::uint32_t known,
                                  std::uint32_t flags, Nanos deadline = 0) {
    lh_command_peer_state command;
    command.peer = peer;
    command.deadline = deadline;
    command.known = known;
    command.flags = flags;
    return Payload(command);
  }

  std::uint64_t State() {
    return Control(*client_, LH_COMMAND_PEER_STATE,
                   StatePayload(peer_, kAny, 0))
        .data;
  }

  // Waits on the client's endpoint 3.
  void PutWait(std::uint64_t peer, std::uint32_t known, std::uint32_t flags,
               Nanos deadline = 0) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = LH_COMMAND_PEER_STATE;
    header.call = 99;
    ASSERT_TRUE(client_->call(3).Put(
        header, StatePayload(peer, known, flags, deadline)));
  }
};

TEST_F(PeerStateTest, ASessionIsOpenedOnDemand) {
  EXPECT_EQ(State(), LH_PEER_IDLE);
  PutWait(peer_, LH_PEER_IDLE, LH_PEER_STATE_CONNECT);
  EXPECT_EQ(Await(client_->call(3)).header.data, LH_PEER_CONNECTING);
  PutWait(peer_, LH_PEER_CONNECTING, 0);
  const TakenMessage ready = Await(client_->call(3));
  EXPECT_EQ(ready.header.kind, LH_KIND_RESULT);
  EXPECT_EQ(ready.header.data, LH_PEER_READY);
  EXPECT_EQ(State(), LH_PEER_READY);
}

TEST_F(PeerStateTest, AWaitWithoutDemandEndsAtItsDeadline) {
  const Nanos deadline = now() + 10 * kSecond;
  PutWait(peer_, LH_PEER_IDLE, 0, deadline);
  EXPECT_EQ(Await(client_->call(3)).header.data, LH_PEER_IDLE);
  EXPECT_GE(now(), deadline);
  EXPECT_LE(now(), deadline + kMillisecond);
}

TEST_F(PeerStateTest, WhatNobodyAnswersHasFailedAndIsTriedOn) {
  lh_command_listen connect = {};
  connect.address = server_->address(kPort + 1).raw();
  peer_ = Control(*client_, LH_COMMAND_CONNECT, Payload(connect)).data;
  PutWait(peer_, LH_PEER_IDLE, LH_PEER_STATE_CONNECT);
  Await(client_->call(3));
  PutWait(peer_, LH_PEER_CONNECTING, LH_PEER_STATE_CONNECT);
  EXPECT_EQ(Await(client_->call(3)).header.data, LH_PEER_FAILED);
  // It is there later than whoever waits for it.
  PutWait(peer_, LH_PEER_FAILED, LH_PEER_STATE_CONNECT);
  simulation_.RunUntil(now() + 20 * kSecond, [] { return false; });
  lh_command_listen listen = {};
  listen.server = server_handle_;
  listen.address = connect.address;
  ASSERT_EQ(Control(*server_, LH_COMMAND_LISTEN, Payload(listen)).code, 0u);
  EXPECT_EQ(Await(client_->call(3)).header.data, LH_PEER_READY);
}

TEST_F(PeerStateTest, WhoWaitsForAPeerThatGoesIsTold) {
  PutWait(peer_, LH_PEER_IDLE, 0);
  Steps(20);
  lh_command_handle peer;
  peer.handle = peer_;
  ASSERT_EQ(Control(*client_, LH_COMMAND_DISCONNECT, Payload(peer)).code, 0u);
  EXPECT_EQ(Await(client_->call(3)).header.code, 5u);  // NOT_FOUND
  PutWait(peer_, LH_PEER_IDLE, 0);
  EXPECT_EQ(Await(client_->call(3)).header.code, 5u);
}

TEST_F(PeerStateTest, AServerThatGoesLeavesThePeerIdle) {
  PutWait(peer_, LH_PEER_IDLE, LH_PEER_STATE_CONNECT);
  Await(client_->call(3));
  PutWait(peer_, LH_PEER_CONNECTING, 0);
  EXPECT_EQ(Await(client_->call(3)).header.data, LH_PEER_READY);
  PutWait(peer_, LH_PEER_READY, 0);
  ASSERT_TRUE(PutClose(5, 100));
  EXPECT_EQ(Await(client_->call(3)).header.data, LH_PEER_IDLE);
}

TEST_F(EngineTest, AMethodWithAnotherNameIsNotRun) {
  // Both names have this id.
  ASSERT_EQ(NameMethod(kMethod, "/c/D"), 0u);
  Wait(2);
  for (std::uint32_t call = 0; call < 3; ++call) {
    ASSERT_TRUE(PutCall(Handle(call), "a"));
    const TakenMessage end = Await(client_->call(1));
    EXPECT_EQ(end.header.code, kUnimplemented);
    EXPECT_THAT(end.payload, HasSubstr("no method /c/D, but /a/B"));
  }
  EXPECT_EQ(server_->engine().counters().names_refused.value(), 3u);
  EXPECT_EQ(server_->engine().counters().calls_unimplemented.value(), 0u);
  TakenMessage nothing;
  EXPECT_FALSE(server_->serve(2).Take(&nothing));
}

TEST_F(EngineTest, AMethodThatIsNotThereIsNamed) {
  ASSERT_EQ(NameMethod(kMethod + 1, "/c/D"), 0u);
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = Handle(0);
  header.code = kMethod + 1;
  header.data = peer_;
  ASSERT_TRUE(client_->call(1).Put(header));
  const TakenMessage end = Await(client_->call(1));
  EXPECT_EQ(end.header.code, kUnimplemented);
  EXPECT_EQ(end.payload, "the server has no method /c/D");
  EXPECT_EQ(server_->engine().counters().calls_unimplemented.value(), 1u);
}

TEST_F(EngineTest, TheNameOfAMethodTravelsOnce) {
  int named = 0;
  int calls = 0;
  simulation_.network().set_filter([&](const Address&, const Address&,
                                       absl::Span<const std::uint8_t> bytes) {
    const std::optional<Packet> packet = ParsePacket(bytes);
    if (packet.has_value() && packet->header.type == LH_PACKET_CALL) {
      ++calls;
      if (packet->name == "/a/B") ++named;
    }
    return true;
  });
  ASSERT_EQ(NameMethod(kMethod, "/a/B"), 0u);
  ASSERT_EQ(NameMethod(kMethod, "/a/B"), 0u) << "again";
  for (std::uint32_t call = 0; call < 5; ++call) {
    Wait(2);
    ASSERT_TRUE(PutCall(Handle(call), "a"));
    const TakenMessage arrived = Await(server_->serve(2));
    EXPECT_EQ(arrived.payload, "a");
    ASSERT_TRUE(PutReply(2, arrived.header.call, "A"));
    EXPECT_EQ(Await(client_->call(1)).payload, "A");
  }
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(named, 1);
}

TEST_F(EngineTest, NamesOfSocketsAreChecked) {
  const auto status = [&](lh_command command, std::uint64_t server,
                          const std::string& name, std::size_t length) {
    lh_command_socket socket = {};
    socket.server = server;
    socket.name_length = static_cast<std::uint16_t>(length);
    return static_cast<absl::StatusCode>(
        Control(*server_, command, Payload(socket) + name).code);
  };
  const std::uint64_t server =
      Control(*server_, LH_COMMAND_SERVER_OPEN, "").data;
  const std::string zero(1, '\0');
  const std::string most(LH_SOCKET_NAME_MAX, 'x');
  for (const lh_command command :
       {LH_COMMAND_SOCKET_LISTEN, LH_COMMAND_SOCKET_CONNECT}) {
    for (const std::string& bad :
         {std::string(), zero, "/a" + zero + "b", most + "x"}) {
      EXPECT_EQ(status(command, server, bad, bad.size()),
                absl::StatusCode::kInvalidArgument);
    }
    EXPECT_EQ(status(command, server, "/run/x", 5),
              absl::StatusCode::kInvalidArgument);
    // The network of this test has no sockets.
    for (const std::string& good : {most, zero + "x", std::string("x")}) {
      EXPECT_EQ(status(command, server, good, good.size()),
                absl::StatusCode::kUnimplemented);
    }
  }
  EXPECT_EQ(status(LH_COMMAND_SOCKET_LISTEN, server + 1, "x", 1),
            absl::StatusCode::kNotFound);
}

TEST_F(EngineTest, ReopeningTakesWhatTheLastThreadHasAnswered) {
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  // It answers and ends, and the next begins before the engine looks there.
  ASSERT_TRUE(PutReply(2, call.header.call, "A"));
  ASSERT_TRUE(server_->serve(2).Close());
  ASSERT_TRUE(server_->call(2).Close());
  lh_command_handle reopen;
  reopen.handle = lh_handle(2, 1);
  EXPECT_EQ(Control(*server_, LH_COMMAND_ENDPOINT_REOPEN, Payload(reopen)).code,
            0u);
  const TakenMessage answer = Await(client_->call(1));
  EXPECT_EQ(answer.header.code, 0u);
  EXPECT_EQ(answer.payload, "A");
}

TEST_F(EngineTest, ReopeningGivesToOthersWhatADeadThreadHadNotTaken) {
  lh_message header = {};
  header.kind = LH_KIND_EMPTY;
  header.aux = 2;
  ASSERT_TRUE(server_->serve(2).Put(header));
  ASSERT_TRUE(PutCall(Handle(0), "taken"));
  const auto next_has_come = [this] { return server_->serve(2).HasMessage(); };
  ASSERT_TRUE(simulation_.RunUntil(now() + kSecond, next_has_come));
  TakenMessage taken;
  lh_line* held = nullptr;
  ASSERT_TRUE(server_->serve(2).Take(&taken, &held));
  ASSERT_TRUE(PutCall(Handle(1), "left"));
  ASSERT_TRUE(simulation_.RunUntil(now() + kSecond, next_has_come));
  server_->serve(2).CloseForTheDead();
  server_->call(2).CloseForTheDead();
  lh_command_handle reopen;
  reopen.handle = lh_handle(2, 1);
  EXPECT_EQ(Control(*server_, LH_COMMAND_ENDPOINT_REOPEN, Payload(reopen)).code,
            0u);
  EXPECT_EQ(Await(client_->call(1)).header.code,
            static_cast<std::uint64_t>(absl::StatusCode::kUnknown));
  Wait(3);
  const TakenMessage call = Await(server_->serve(3));
  EXPECT_EQ(call.payload, "left");
  ASSERT_TRUE(PutReply(3, call.header.call, "done"));
  EXPECT_EQ(Await(client_->call(1)).payload, "done");
  // Every slot is open again.
  for (HostChannel* channel : {&server_->serve(2), &server_->call(2)}) {
    lh_lane in = channel->channel().in;
    for (in.position = 0; in.position < in.slots; ++in.position) {
      EXPECT_FALSE(lh_is_closed(&in)) << in.position;
    }
  }
}

TEST_F(EngineTest, ReopeningForgetsWhatWasForADeadThreadAlone) {
  lh_message command = {};
  command.kind = LH_KIND_CONTROL;
  command.code = LH_COMMAND_SERVER_OPEN;
  command.call = 7;
  ASSERT_TRUE(server_->call(2).Put(command));
  Wait(2);
  lh_command_handle endpoint;
  endpoint.handle = lh_handle(2, 1);
  EXPECT_EQ(
      Control(*server_, LH_COMMAND_ENDPOINT_RETIRE, Payload(endpoint)).code,
      0u);
  ASSERT_TRUE(simulation_.RunUntil(now() + kSecond, [&] {
    return server_->serve(2).HasMessage() && server_->call(2).HasMessage();
  })) << "no RETIRE or no RESULT";
  server_->serve(2).CloseForTheDead();
  server_->call(2).CloseForTheDead();
  EXPECT_EQ(
      Control(*server_, LH_COMMAND_ENDPOINT_REOPEN, Payload(endpoint)).code,
      0u);
  EXPECT_FALSE(server_->serve(2).HasMessage());
  EXPECT_FALSE(server_->call(2).HasMessage());
  command.call = 8;
  ASSERT_TRUE(server_->call(2).Put(command));
  EXPECT_EQ(Await(server_->call(2)).header.call, 8u);
  Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  EXPECT_EQ(Await(server_->serve(2)).payload, "a");
}

TEST_F(EngineTest, CommandsWhoseResultsAreNotFetchedAreRefused) {
  lh_message command = {};
  command.kind = LH_KIND_CONTROL;
  command.code = LH_COMMAND_SERVER_OPEN;
  const std::uint32_t most = SmallRegion().slots + 2;
  for (std::uint32_t number = 1; number <= most + 5; ++number) {
    command.call = number;
    ASSERT_TRUE(client_->call(3).Put(command));
    Step();
  }
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 5u);
  for (std::uint32_t number = 1; number <= most; ++number) {
    EXPECT_EQ(Await(client_->call(3)).header.call, number);
  }
  command.call = 99;
  ASSERT_TRUE(client_->call(3).Put(command));
  EXPECT_EQ(Await(client_->call(3)).header.call, 99u);
}

}  // namespace
}  // namespace lauberhorn::nic
