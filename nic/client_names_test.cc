// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The names of methods that calls carry until the server has confirmed them.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "abi/wire/packet.h"
#include "nic/packet.h"
#include "nic/testing/client_transport_fixture.h"
#include "nic/time.h"

namespace lauberhorn::nic {
namespace {

using testing::ClientTransportTest;

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

}  // namespace
}  // namespace lauberhorn::nic
