// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// UDP sockets over the loopback device, which loses nothing and keeps the
// order.

#include "nic/udp_wire.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
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

// Whether this system allows rings.
bool HasRings() {
  const auto wire = UdpWire::Open(UdpWire::Input::kRing);
  return wire.ok() && (*wire)->input() == UdpWire::Input::kRing;
}

// Over both families, with each kind of input.
class LoopbackTest
    : public ::testing::TestWithParam<std::tuple<bool, UdpWire::Input>> {
 protected:
  static bool v6() { return std::get<0>(GetParam()); }
  static UdpWire::Input input() { return std::get<1>(GetParam()); }

  void SetUp() override {
    if (v6() && !HasV6()) {
      GTEST_SKIP() << "this host has no IPv6 loopback address";
    }
    if (input() == UdpWire::Input::kRing && !HasRings()) {
      GTEST_SKIP() << "this system does not allow io_uring, or has an old one";
    }
  }
  static Address Loopback(std::uint16_t port = 0) {
    return v6() ? LoopbackV6(port) : LoopbackV4(port);
  }
  // Never null: a test without its wire is over.
  static std::unique_ptr<UdpWire> Bind() { return Bound(Loopback()); }
  static std::unique_ptr<UdpWire> Bound(const Address& address) {
    return Checked(UdpWire::Bind(address, input()));
  }
  static std::unique_ptr<UdpWire> Open() {
    return Checked(UdpWire::Open(input()));
  }

 private:
  static std::unique_ptr<UdpWire> Checked(
      absl::StatusOr<std::unique_ptr<UdpWire>> wire) {
    EXPECT_TRUE(wire.ok()) << wire.status();
    EXPECT_EQ((*wire)->input(), input());
    return *std::move(wire);
  }
};

INSTANTIATE_TEST_SUITE_P(
    Kinds, LoopbackTest,
    ::testing::Combine(::testing::Bool(),
                       ::testing::Values(UdpWire::Input::kSystemCalls,
                                         UdpWire::Input::kRing)),
    [](const auto& which) {
      const bool ring = std::get<1>(which.param) == UdpWire::Input::kRing;
      return std::string(std::get<0>(which.param) ? "V6" : "V4") +
             (ring ? "Ring" : "SystemCalls");
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

TEST_P(LoopbackTest, WakesWhoSleepsOnIt) {
  const auto server = Bind();
  const auto client = Bind();
  for (int round = 0; round < 3; ++round) {
    std::thread other([&] {
      // Most likely the receiver sleeps by then.
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      SendNow(*client, server->local(), "wake up");
    });
    EXPECT_EQ(Inbox(*server).Next().text, "wake up");
    other.join();
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

TEST(UdpWireTest, AfterAPacketOneLookIsLeftOut) {
  const auto wire = UdpWire::Bind(LoopbackV4(), UdpWire::Input::kSystemCalls);
  ASSERT_TRUE(wire.ok()) << wire.status();
  SendRaw((*wire)->local(), "first");
  SendRaw((*wire)->local(), "second");
  ASSERT_TRUE(Readable(**wire));
  ASSERT_EQ((*wire)->Receive().size(), 1u);
  const std::uint64_t calls = (*wire)->system_calls();
  EXPECT_TRUE((*wire)->Receive().empty());
  EXPECT_EQ((*wire)->system_calls(), calls);
  EXPECT_TRUE(Readable(**wire)) << "who sleeps now would never hear of it";
  EXPECT_EQ((*wire)->Receive().size(), 1u);
  EXPECT_TRUE((*wire)->Receive().empty());
  EXPECT_FALSE(Readable(**wire));
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

TEST_P(LoopbackTest, AWireForCallsHearsWhereNobodyListens) {
  const Address nobody = Bind()->local();  // a moment ago
  const auto server = Bind();
  const auto client = Open();
  if (input() == UdpWire::Input::kRing) {
    SendNow(*client, nobody, "lost");
    EXPECT_TRUE(client->Receive().empty());
    EXPECT_TRUE(client->Unreachable().empty()) << "a ring does not hear";
    return;
  }
  for (int round = 0; round < 3; ++round) {
    SendNow(*client, nobody, "lost");
    ASSERT_TRUE(Readable(*client)) << "it wakes who sleeps";
    EXPECT_TRUE(client->Receive().empty());
    const absl::Span<const Address> heard = client->Unreachable();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0], nobody);
    EXPECT_TRUE(client->Unreachable().empty());
    EXPECT_FALSE(Readable(*client)) << "it would never sleep again";
    // The next packet to another one pays for it no more than once: it is sent.
    SendNow(*client, nobody, "lost");
    SendNow(*client, server->local(), "one");
    SendNow(*client, nobody, "lost");
    for (const char* text : {"two", "three"}) {
      client->Send(server->local(), Bytes(text));
    }
    client->Flush();
    Inbox inbox(*server);
    for (const char* text : {"one", "two", "three"}) {
      EXPECT_EQ(inbox.Next().text, text);
    }
    EXPECT_EQ(client->Unreachable().size(), 2u);
    EXPECT_FALSE(Readable(*client));
  }
  // Nothing is wrong: it costs nothing.
  SendNow(*client, server->local(), "fine");
  EXPECT_TRUE(client->Receive().empty());
  const std::uint64_t calls = client->system_calls();
  EXPECT_TRUE(client->Unreachable().empty());
  EXPECT_EQ(client->system_calls(), calls);
}

TEST_P(LoopbackTest, AFloodOfErrorsIsSurvived) {
  const Address nobody = Bind()->local();
  const auto client = Open();
  for (int i = 0; i < 500; ++i) SendNow(*client, nobody, "lost");
  for (int i = 0; i < 100 && Readable(*client); ++i) {
    EXPECT_TRUE(client->Receive().empty());
    EXPECT_LE(client->Unreachable().size(), Wire::kBatch);
  }
  EXPECT_FALSE(Readable(*client));
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

// A client takes answers only from whom it has asked.
TEST_P(LoopbackTest, AnswersFromTheAddressThatWasAsked) {
  Address any;
  if (!v6()) {
    lh_address raw = {};
    raw.ip[10] = raw.ip[11] = 0xff;
    any = Address(raw);
  }
  const auto server = Bound(any);
  const auto client = Open();
  Inbox server_inbox(*server);
  Inbox client_inbox(*client);
  // All of 127.0.0.0/8 is this host.
  std::vector<Address> asked;
  for (std::uint8_t last = 1; last <= 3; ++last) {
    lh_address raw = LoopbackV4(server->local().port()).raw();
    raw.ip[15] = last;
    asked.emplace_back(raw);
  }
  if (v6()) asked.push_back(Loopback(server->local().port()));
  for (const Address& address : asked) client->Send(address, Bytes("there"));
  client->Flush();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Message there = server_inbox.Next();
    EXPECT_EQ(there.text, "there");
    server->Send(there.from, Bytes("back"));
  }
  server->Flush();
  for (const Address& address : asked) {
    EXPECT_EQ(client_inbox.Next().from.ToString(), address.ToString());
  }
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

// From now on this process gets EPERM for io_uring_setup(2), as in a container.
bool RefuseRings() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = std::size(program), .filter = program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(UdpWireTest, WorksWhereRingsAreRefused) {
  // In a process of its own, whose exit code says how far it came.
  const auto run = [] {
    if (!RefuseRings()) return 1;
    const auto wire = UdpWire::Bind(LoopbackV4(), UdpWire::Input::kRing);
    if (!wire.ok()) return 2;
    if ((*wire)->input() != UdpWire::Input::kSystemCalls) return 3;
    SendNow(**wire, (*wire)->local(), "still");
    return Inbox(**wire).Next().text == "still" ? 42 : 4;
  };
  EXPECT_EXIT(_exit(run()), ::testing::ExitedWithCode(42), "");
}

TEST(UdpWireTest, ARingIsMadeOfASocketOnly) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto input = MakeRingInput(ends[0]);
  EXPECT_EQ(input.status().code(), absl::StatusCode::kUnavailable)
      << input.status();
  close(ends[0]);
  close(ends[1]);
}

// What comes while no buffer is lent, or no completion has room, comes later.
TEST(UdpWireTest, ARingThatIsTooSmallLosesNothing) {
  if (!HasRings()) {
    GTEST_SKIP() << "this system does not allow io_uring, or has an old one";
  }
  constexpr RingSizes kSizes[] = {{.buffers = 4, .completions = 64},
                                  {.buffers = 1, .completions = 2},
                                  {.buffers = 64, .completions = 2}};
  for (const RingSizes& sizes : kSizes) {
    SCOPED_TRACE(sizes.buffers);
    const int receiver =
        socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ASSERT_GE(receiver, 0);
    sockaddr_storage storage;
    socklen_t size = LoopbackV4().ToSockaddr(AF_INET, &storage);
    ASSERT_EQ(bind(receiver, reinterpret_cast<sockaddr*>(&storage), size), 0);
    size = sizeof(storage);
    ASSERT_EQ(
        getsockname(receiver, reinterpret_cast<sockaddr*>(&storage), &size), 0);
    auto input = MakeRingInput(receiver, sizes);
    ASSERT_TRUE(input.ok()) << input.status();
    const auto sender = UdpWire::Open();
    ASSERT_TRUE(sender.ok()) << sender.status();
    for (int round = 0; round < 3; ++round) {
      constexpr int kPackets = 100;
      for (int i = 0; i < kPackets; ++i) {
        (*sender)->Send(Address::FromSockaddr(storage),
                        Bytes(std::to_string(i)));
      }
      (*sender)->Flush();
      int came = 0;
      while (came < kPackets) {
        const absl::Span<const Datagram> batch = (*input)->Receive();
        ASSERT_FALSE(batch.empty()) << "after " << came;
        for (const Datagram& datagram : batch) {
          ASSERT_EQ(Text(datagram.bytes), std::to_string(came));
          ++came;
        }
      }
      EXPECT_TRUE((*input)->Receive().empty());
    }
    input->reset();
    close(receiver);
  }
}

}  // namespace
}  // namespace lauberhorn::nic
