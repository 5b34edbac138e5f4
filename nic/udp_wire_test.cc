// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// UDP sockets over the loopback device, which loses nothing and keeps the
// order.

#include "nic/udp_wire.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>
#include <string>
#include <vector>

#include "nic/packet.h"

namespace lauberhorn::nic {
namespace {

Address LoopbackV4(std::uint16_t port = 0) {
  return Address(
      {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
       .scope = 0,
       .port = port,
       .reserved = 0});
}

Address LoopbackV6(std::uint16_t port = 0) {
  return Address({.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                  .scope = 0,
                  .port = port,
                  .reserved = 0});
}

absl::Span<const std::uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Waits until the wire has something and takes it.
std::string Receive(UdpWire& wire, Address* from,
                    std::size_t room = LH_PACKET_MAX + 1) {
  pollfd waiting = {.fd = wire.descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&waiting, 1, 10'000), 1) << "nothing came";
  std::string buffer(room, '\0');
  buffer.resize(wire.Receive(
      absl::MakeSpan(reinterpret_cast<std::uint8_t*>(buffer.data()), room),
      from));
  return buffer;
}

// Whether this host has IPv6 at all.
bool HasV6() { return UdpWire::Bind(LoopbackV6()).ok(); }

class LoopbackTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !HasV6()) {
      GTEST_SKIP() << "this host has no IPv6 loopback address";
    }
  }
  static Address Loopback(std::uint16_t port = 0) {
    return GetParam() ? LoopbackV6(port) : LoopbackV4(port);
  }
};

INSTANTIATE_TEST_SUITE_P(Families, LoopbackTest, ::testing::Bool(),
                         [](const auto& which) {
                           return which.param ? "V6" : "V4";
                         });

TEST_P(LoopbackTest, CarriesPacketsBothWays) {
  const auto server = UdpWire::Bind(Loopback());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_NE((*server)->local().port(), 0);
  EXPECT_EQ((*server)->local(), Loopback((*server)->local().port()));
  const auto client = UdpWire::Open();
  ASSERT_TRUE(client.ok()) << client.status();

  (*client)->Send((*server)->local(), Bytes("there"));
  Address from;
  EXPECT_EQ(Receive(**server, &from), "there");
  EXPECT_EQ(from, Loopback((*client)->local().port()));
  (*server)->Send(from, Bytes("and back"));
  EXPECT_EQ(Receive(**client, &from), "and back");
  EXPECT_EQ(from, (*server)->local());
}

TEST_P(LoopbackTest, HasNothingWhenNothingCame) {
  const auto wire = UdpWire::Bind(Loopback());
  ASSERT_TRUE(wire.ok()) << wire.status();
  std::uint8_t buffer[16];
  Address from = LoopbackV4(7);
  EXPECT_EQ((*wire)->Receive(buffer, &from), 0u);
  EXPECT_EQ(from, LoopbackV4(7));
}

TEST_P(LoopbackTest, CarriesTheLargestPacketWhole) {
  const auto wire = UdpWire::Bind(Loopback());
  ASSERT_TRUE(wire.ok()) << wire.status();
  std::string packet(LH_PACKET_MAX, 'x');
  packet.front() = 'a';
  packet.back() = 'z';
  (*wire)->Send((*wire)->local(), Bytes(packet));
  Address from;
  EXPECT_EQ(Receive(**wire, &from), packet);
}

TEST_P(LoopbackTest, CutsWhatIsLargerThanTheBuffer) {
  const auto wire = UdpWire::Bind(Loopback());
  ASSERT_TRUE(wire.ok()) << wire.status();
  (*wire)->Send((*wire)->local(), Bytes(std::string(9000, 'x')));
  (*wire)->Send((*wire)->local(), Bytes("next"));
  Address from;
  EXPECT_EQ(Receive(**wire, &from), std::string(LH_PACKET_MAX + 1, 'x'));
  EXPECT_EQ(Receive(**wire, &from), "next") << "the rest of the long one?";
}

TEST_P(LoopbackTest, IsNotDisturbedByWhatNobodyTakes) {
  // A port that was free a moment ago: nobody listens there.
  Address nobody;
  {
    const auto gone = UdpWire::Bind(Loopback());
    ASSERT_TRUE(gone.ok()) << gone.status();
    nobody = (*gone)->local();
  }
  const auto wire = UdpWire::Bind(Loopback());
  ASSERT_TRUE(wire.ok()) << wire.status();
  for (int i = 0; i < 3; ++i) (*wire)->Send(nobody, Bytes("lost"));
  // More than the network takes is lost, too.
  (*wire)->Send((*wire)->local(), Bytes(std::string(70'000, 'x')));
  (*wire)->Send((*wire)->local(), Bytes("mine"));
  Address from;
  EXPECT_EQ(Receive(**wire, &from), "mine");
  EXPECT_EQ(from, (*wire)->local());
}

TEST_P(LoopbackTest, SaysThatAPortIsInUse) {
  const auto first = UdpWire::Bind(Loopback());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = UdpWire::Bind((*first)->local());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find((*first)->local().ToString()),
            absl::string_view::npos)
      << second.status();
}

TEST_P(LoopbackTest, GivesThePortBack) {
  Address address;
  {
    const auto first = UdpWire::Bind(Loopback());
    ASSERT_TRUE(first.ok()) << first.status();
    address = (*first)->local();
  }
  const auto second = UdpWire::Bind(address);
  EXPECT_TRUE(second.ok()) << second.status();
}

TEST(UdpWireTest, RefusesAddressesOfOthers) {
  // 192.0.2.1 is for documentation: no host has it.
  lh_address raw = LoopbackV4().raw();
  const std::uint8_t documentation[4] = {192, 0, 2, 1};
  std::memcpy(raw.ip + 12, documentation, sizeof(documentation));
  const auto wire = UdpWire::Bind(Address(raw));
  ASSERT_FALSE(wire.ok());
  EXPECT_EQ(wire.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(wire.status().message().find("192.0.2.1:0"),
            absl::string_view::npos)
      << wire.status();
}

TEST(UdpWireTest, AnyAddressIsReachedOverEveryFamily) {
  const auto server = UdpWire::Bind(Address());
  ASSERT_TRUE(server.ok()) << server.status();
  const auto client = UdpWire::Open();
  ASSERT_TRUE(client.ok()) << client.status();
  const std::uint16_t port = (*server)->local().port();
  std::vector<Address> addresses = {LoopbackV4(port)};
  if (HasV6()) addresses.push_back(LoopbackV6(port));
  for (const Address& address : addresses) {
    (*client)->Send(address, Bytes(address.ToString()));
    Address from;
    EXPECT_EQ(Receive(**server, &from), address.ToString());
    (*server)->Send(from, Bytes("back"));
    EXPECT_EQ(Receive(**client, &from), "back");
    EXPECT_EQ(from, address);
  }
}

TEST(UdpWireTest, AV4WireSendsNothingToV6) {
  const auto wire = UdpWire::Bind(LoopbackV4());
  ASSERT_TRUE(wire.ok()) << wire.status();
  // Its last four bytes are those of this wire's address.
  lh_address raw = (*wire)->local().raw();
  raw.ip[10] = raw.ip[11] = 0xee;
  (*wire)->Send(Address(raw), Bytes("astray"));
  (*wire)->Send((*wire)->local(), Bytes("mine"));
  Address from;
  EXPECT_EQ(Receive(**wire, &from), "mine");
}

}  // namespace
}  // namespace lauberhorn::nic
