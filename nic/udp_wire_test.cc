// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// UDP sockets over the loopback device, which loses nothing and keeps the
// order.

#include "nic/udp_wire.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <deque>
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

std::string Text(absl::Span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Message {
  std::string text;
  Address from;
};

// Takes what comes one by one.
class Inbox {
 public:
  explicit Inbox(UdpWire& wire) : wire_(wire) {}

  // Sleeps until something is there.
  Message Next() {
    while (waiting_.empty()) {
      const absl::Span<const Datagram> batch = wire_.Receive();
      EXPECT_LE(batch.size(), Wire::kBatch);
      for (const Datagram& datagram : batch) {
        waiting_.push_back({Text(datagram.bytes), datagram.from});
      }
      if (waiting_.empty() && !Sleep()) return {"nothing came", {}};
    }
    Message message = waiting_.front();
    waiting_.pop_front();
    return message;
  }

 private:
  bool Sleep() {
    pollfd input = {.fd = wire_.descriptor(), .events = POLLIN, .revents = 0};
    return poll(&input, 1, 10'000) == 1;
  }

  UdpWire& wire_;
  std::deque<Message> waiting_;
};

bool Readable(const UdpWire& wire) {
  pollfd input = {.fd = wire.descriptor(), .events = POLLIN, .revents = 0};
  return poll(&input, 1, 0) == 1;
}

void SendNow(Wire& wire, const Address& to, const std::string& text) {
  wire.Send(to, Bytes(text));
  wire.Flush();
}

// Sends what a wire would not.
void SendRaw(const Address& to, const std::string& text) {
  const int family = to.IsV4() ? AF_INET : AF_INET6;
  const int sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(sender, 0);
  sockaddr_storage storage;
  const socklen_t size = to.ToSockaddr(family, &storage);
  EXPECT_EQ(sendto(sender, text.data(), text.size(), 0,
                   reinterpret_cast<const sockaddr*>(&storage), size),
            static_cast<ssize_t>(text.size()));
  close(sender);
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
  // Never null: a test without its wire is over.
  static std::unique_ptr<UdpWire> Bind() { return Bound(Loopback()); }
  static std::unique_ptr<UdpWire> Bound(const Address& address) {
    return Checked(UdpWire::Bind(address));
  }
  static std::unique_ptr<UdpWire> Open() { return Checked(UdpWire::Open()); }

 private:
  static std::unique_ptr<UdpWire> Checked(
      absl::StatusOr<std::unique_ptr<UdpWire>> wire) {
    EXPECT_TRUE(wire.ok()) << wire.status();
    return *std::move(wire);
  }
};

INSTANTIATE_TEST_SUITE_P(Families, LoopbackTest, ::testing::Bool(),
                         [](const auto& which) {
                           return which.param ? "V6" : "V4";
                         });

TEST_P(LoopbackTest, CarriesPacketsBothWays) {
  const auto server = Bind();
  EXPECT_NE(server->local().port(), 0);
  EXPECT_EQ(server->local(), Loopback(server->local().port()));
  const auto client = Open();

  SendNow(*client, server->local(), "there");
  const Message there = Inbox(*server).Next();
  EXPECT_EQ(there.text, "there");
  EXPECT_EQ(there.from, Loopback(client->local().port()));
  SendNow(*server, there.from, "and back");
  const Message back = Inbox(*client).Next();
  EXPECT_EQ(back.text, "and back");
  EXPECT_EQ(back.from, server->local());
}

TEST_P(LoopbackTest, HasNothingWhenNothingCame) {
  const auto wire = Bind();
  EXPECT_TRUE(wire->Receive().empty());
  EXPECT_FALSE(Readable(*wire));
  EXPECT_TRUE(wire->Receive().empty());
}

TEST_P(LoopbackTest, ItsDescriptorSaysWhetherToAsk) {
  const auto wire = Bind();
  Inbox inbox(*wire);
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(wire->Receive().empty());
    EXPECT_FALSE(Readable(*wire));
    SendNow(*wire, wire->local(), "ring");
    EXPECT_TRUE(Readable(*wire));
    EXPECT_EQ(inbox.Next().text, "ring");
  }
}

TEST_P(LoopbackTest, CarriesTheLargestPacketWhole) {
  const auto wire = Bind();
  std::string packet(LH_PACKET_MAX, 'x');
  packet.front() = 'a';
  packet.back() = 'z';
  SendNow(*wire, wire->local(), packet);
  EXPECT_EQ(Inbox(*wire).Next().text, packet);
}

TEST_P(LoopbackTest, CutsWhatIsLargerThanAPacketSoThatItShows) {
  const auto wire = Bind();
  SendRaw(wire->local(), std::string(9000, 'x'));
  SendRaw(wire->local(), std::string(LH_PACKET_MAX + 1, 'y'));
  SendRaw(wire->local(), "next");
  Inbox inbox(*wire);
  EXPECT_EQ(inbox.Next().text, std::string(LH_PACKET_MAX + 1, 'x'));
  EXPECT_EQ(inbox.Next().text, std::string(LH_PACKET_MAX + 1, 'y'));
  EXPECT_EQ(inbox.Next().text, "next") << "the rest of a long one?";
}

TEST_P(LoopbackTest, AnEmptyPacketIsOneToo) {
  const auto wire = Bind();
  Inbox inbox(*wire);
  for (int round = 0; round < 3; ++round) {
    const std::vector<std::string> sent = {"", "first", "", "", "second", ""};
    for (const std::string& text : sent) wire->Send(wire->local(), Bytes(text));
    wire->Flush();
    for (const std::string& text : sent) EXPECT_EQ(inbox.Next().text, text);
    EXPECT_TRUE(wire->Receive().empty());
  }
}

TEST_P(LoopbackTest, CarriesMoreThanABatchInOrder) {
  const auto server = Bind();
  const auto client = Bind();
  constexpr std::size_t kPackets = 5 * Wire::kBatch + 3;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < kPackets; ++i) {
      client->Send(server->local(), Bytes(std::to_string(i)));
    }
    client->Flush();
    Inbox inbox(*server);
    for (std::size_t i = 0; i < kPackets; ++i) {
      ASSERT_EQ(inbox.Next().text, std::to_string(i));
    }
    EXPECT_TRUE(server->Receive().empty());
  }
}

TEST_P(LoopbackTest, ABatchStaysWhileOneSends) {
  const auto server = Bind();
  const auto client = Bind();
  for (std::size_t i = 0; i < Wire::kBatch; ++i) {
    client->Send(server->local(), Bytes(std::to_string(i)));
  }
  client->Flush();
  std::size_t answered = 0;
  while (answered < Wire::kBatch) {
    for (const Datagram& datagram : server->Receive()) {
      server->Send(datagram.from, datagram.bytes);
      server->Flush();
      SendNow(*client, server->local(), "another");
      EXPECT_EQ(Text(datagram.bytes),
                answered < Wire::kBatch ? std::to_string(answered) : "another");
      ++answered;
    }
  }
  Inbox inbox(*client);
  for (std::size_t i = 0; i < Wire::kBatch; ++i) {
    EXPECT_EQ(inbox.Next().text, std::to_string(i));
  }
}

TEST_P(LoopbackTest, SendsAtTheEndWhatItKept) {
  const auto server = Bind();
  {
    const auto client = Bind();
    client->Send(server->local(), Bytes("farewell"));
    EXPECT_TRUE(server->Receive().empty());
  }
  EXPECT_EQ(Inbox(*server).Next().text, "farewell");
}

TEST_P(LoopbackTest, IsNotDisturbedByWhatNobodyTakes) {
  // A port that was free a moment ago: nobody listens there.
  const Address nobody = Bind()->local();
  const auto wire = Bind();
  for (int i = 0; i < 3; ++i) SendNow(*wire, nobody, "lost");
  // More than a packet is lost, too.
  SendNow(*wire, wire->local(), std::string(LH_PACKET_MAX + 1, 'x'));
  SendNow(*wire, wire->local(), "mine");
  const Message message = Inbox(*wire).Next();
  EXPECT_EQ(message.text, "mine");
  EXPECT_EQ(message.from, wire->local());
}

TEST_P(LoopbackTest, LosesOnlyThoseThatTheNetworkRefuses) {
  const auto wire = Bind();
  const Address refused = Loopback(0);  // nobody can be at port 0
  for (const char* text : {"one", "two", "three"}) {
    wire->Send(refused, Bytes("lost"));
    wire->Send(wire->local(), Bytes(text));
    wire->Send(refused, Bytes("lost"));
  }
  wire->Flush();
  Inbox inbox(*wire);
  for (const char* text : {"one", "two", "three"}) {
    EXPECT_EQ(inbox.Next().text, text);
  }
  EXPECT_TRUE(wire->Receive().empty());
}

TEST_P(LoopbackTest, SaysThatAPortIsInUse) {
  const auto first = Bind();
  const auto second = UdpWire::Bind(first->local());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find(first->local().ToString()),
            absl::string_view::npos)
      << second.status();
}

TEST_P(LoopbackTest, GivesThePortBack) {
  Address address = Loopback();
  for (int round = 0; round < 10; ++round) {
    const auto wire = Bound(address);
    address = wire->local();
    EXPECT_TRUE(wire->Receive().empty());
  }
}

TEST_P(LoopbackTest, AnyAddressIsReachedOverEveryFamily) {
  const auto server = Bound(Address());
  const auto client = Open();
  SendNow(*client, Loopback(server->local().port()), "there");
  const Message there = Inbox(*server).Next();
  EXPECT_EQ(there.text, "there");
  SendNow(*server, there.from, "back");
  const Message back = Inbox(*client).Next();
  EXPECT_EQ(back.text, "back");
  EXPECT_EQ(back.from, Loopback(server->local().port()));
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

TEST(UdpWireTest, AV4WireSendsNothingToV6) {
  const auto wire = UdpWire::Bind(LoopbackV4());
  ASSERT_TRUE(wire.ok()) << wire.status();
  // Its last four bytes are those of this wire's address.
  lh_address raw = (*wire)->local().raw();
  raw.ip[10] = raw.ip[11] = 0xee;
  SendNow(**wire, Address(raw), "astray");
  SendNow(**wire, (*wire)->local(), "mine");
  EXPECT_EQ(Inbox(**wire).Next().text, "mine");
}

}  // namespace
}  // namespace lauberhorn::nic
