// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Packets between two wires that have met at a socket: all through its link and
// itself, and nothing by a network.

#include "nic/unix_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nic/local_socket.h"
#include "nic/testing/local_peers.h"
#include "nic/testing/temporary_folder.h"

namespace lauberhorn::nic {
namespace {

using ::testing::HasSubstr;
using testing::IsReadable;
using testing::SendTo;
using testing::TemporaryFolder;
using testing::WireInbox;

template <typename T>
T Good(absl::StatusOr<T> result) {
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

template <typename Message>
absl::Span<const std::uint8_t> BytesOf(const Message& message) {
  return {reinterpret_cast<const std::uint8_t*>(&message), sizeof(message)};
}

class UnixWireTest : public ::testing::Test {
 protected:
  UnixWireTest() { Listen(); }

  void Listen() {
    server_ = Good(UnixWire::Listen(name_));
    at_server_.emplace_back(*server_);
  }
  WireInbox& at_server() { return at_server_.back(); }

  // So that the server has a link.
  void OpenLink() {
    ToServer(LH_PACKET_HELLO);
    from_ = at_server().Next().from;
  }
  void ToServer(std::uint64_t number) {
    SendTo(*client_, to_, LH_PACKET_CALL, number);
  }

  static void FallAsleep(UnixWire& wire, WireInbox& inbox) {
    do {
      inbox.Turn();
    } while (!wire.TryToSleep());
  }

  // Whether the server hangs up; else nothing comes, for many turns.
  bool IsHungUpOn(const Descriptor& socket) {
    for (int turn = 0; turn < 1000; ++turn) {
      server_->Awake();
      at_server().Turn();
      if (IsReadable(socket.get())) return true;
    }
    return false;
  }

  const TemporaryFolder folder_;
  const SocketName name_ = Good(SocketName::From(folder_.File("socket")));
  std::unique_ptr<UnixWire> server_;
  std::deque<WireInbox> at_server_;
  std::unique_ptr<UnixWire> client_ = Good(UnixWire::Open());
  WireInbox at_client_{*client_};
  const Address to_ = client_->AddressOf(name_);
  Address from_;  // of the client, as the server sees it
};

TEST_F(UnixWireTest, TheFirstPacketComesThroughTheLink) {
  ToServer(1);
  EXPECT_EQ(client_->links(), 1u) << "it waits for no answer";
  const auto call = at_server().Next();
  EXPECT_TRUE(call.linked);
  EXPECT_EQ(call.number, 1u);
  EXPECT_TRUE(call.from.IsSocket());
  SendTo(*server_, call.from, LH_PACKET_REPLY, 2);
  const auto reply = at_client_.Next();
  EXPECT_EQ(reply.number, 2u);
  EXPECT_EQ(reply.from, to_);
}

TEST_F(UnixWireTest, ClientsAreToldApart) {
  std::vector<std::unique_ptr<UnixWire>> clients;
  std::set<std::uint32_t> numbers;
  for (int count = 0; count < 20; ++count) {
    clients.push_back(Good(UnixWire::Open()));
    SendTo(*clients.back(), clients.back()->AddressOf(name_), LH_PACKET_HELLO,
           1);
    const Address from = at_server().Next().from;
    EXPECT_TRUE(numbers.insert(from.socket_number()).second);
    SendTo(*server_, from, LH_PACKET_REPLY, 100);
    EXPECT_EQ(WireInbox(*clients.back()).Next().number, 100u);
  }
}

// Of two channels to one server the first to end takes nothing from the other.
TEST_F(UnixWireTest, AServerHasOneLinkUntilItIsForgotten) {
  EXPECT_EQ(client_->AddressOf(name_), to_);
  OpenLink();
  client_->Forget(to_);
  EXPECT_EQ(client_->links(), 1u);
  // Also with a packet of it in hand.
  SendTo(*server_, from_, LH_PACKET_REPLY, 1);
  EXPECT_EQ(at_client_.Next().number, 1u);
  client_->Forget(to_);
  EXPECT_EQ(client_->links(), 0u);
  at_client_.Turn();
  while (at_server().gone().empty()) at_server().Turn();
  EXPECT_EQ(client_->AddressOf(Good(SocketName::From("/another"))), to_)
      << "its place is free";
}

TEST_F(UnixWireTest, WhatFindsNoRoomInTheLinkGoesByTheSocket) {
  OpenLink();
  constexpr std::uint64_t kPackets = LH_LINK_SLOTS + 20;
  std::set<std::uint64_t> came;
  for (std::uint64_t number = 0; number < kPackets; ++number) ToServer(number);
  while (came.size() < kPackets) came.insert(at_server().Next().number);
  EXPECT_EQ(*came.rbegin(), kPackets - 1);
}

TEST_F(UnixWireTest, WhatFindsNoRoomAnywhereIsLost) {
  OpenLink();
  constexpr std::uint64_t kPackets = 100'000;
  for (std::uint64_t number = 1; number <= kPackets; ++number) ToServer(number);
  do {
    FallAsleep(*server_, at_server());
    server_->Awake();
  } while (IsReadable(server_->descriptor()));
  EXPECT_GT(at_server().came().size(), std::size_t{LH_LINK_SLOTS});
  EXPECT_LT(at_server().came().size(), kPackets);
  ToServer(kPackets + 1);
  while (at_server().Next().number != kPackets + 1) {
  }
}

TEST_F(UnixWireTest, PacketsEndASleep) {
  OpenLink();
  FallAsleep(*server_, at_server());
  EXPECT_FALSE(IsReadable(server_->descriptor()));
  ToServer(1);
  EXPECT_TRUE(IsReadable(server_->descriptor()));
  server_->Awake();
  EXPECT_EQ(at_server().Next().number, 1u);
  FallAsleep(*server_, at_server());
  EXPECT_FALSE(IsReadable(server_->descriptor())) << "the bell was taken";
}

// Another thread may send while one sleeps on the wires.
TEST_F(UnixWireTest, ALinkThatOpensDuringASleepRings) {
  FallAsleep(*client_, at_client_);
  ToServer(1);
  const auto call = at_server().Next();
  EXPECT_FALSE(IsReadable(client_->descriptor()));
  SendTo(*server_, call.from, LH_PACKET_REPLY, 2);
  EXPECT_TRUE(IsReadable(client_->descriptor()));
  client_->Awake();
  EXPECT_EQ(at_client_.Next().number, 2u);
}

TEST_F(UnixWireTest, WhatAPeerSaidLastComesBeforeItsEnd) {
  OpenLink();
  constexpr std::uint64_t kPackets = LH_LINK_SLOTS + 20;
  for (std::uint64_t number = 0; number < kPackets; ++number) ToServer(number);
  client_.reset();
  std::set<std::uint64_t> came;
  for (std::uint64_t count = 0; count < kPackets; ++count) {
    EXPECT_TRUE(at_server().gone().empty());
    came.insert(at_server().Next().number);
  }
  EXPECT_EQ(came.size(), kPackets);
  while (at_server().gone().empty()) at_server().Turn();
  EXPECT_EQ(at_server().gone()[0], from_);
  EXPECT_EQ(server_->links(), 0u);
}

TEST_F(UnixWireTest, TheNextServerIsFoundByTheSameAddress) {
  OpenLink();
  server_.reset();
  while (at_client_.gone().empty()) at_client_.Turn();
  EXPECT_EQ(at_client_.gone()[0], to_);
  ToServer(1);
  EXPECT_EQ(client_->Unreachable().size(), 1u);
  Listen();
  ToServer(2);
  EXPECT_EQ(client_->Unreachable().size(), 0u);
  EXPECT_EQ(at_server().Next().number, 2u);
}

TEST_F(UnixWireTest, SaysWhyNobodyIsThere) {
  const auto why = [&](const std::string& path) {
    const Address to = client_->AddressOf(Good(SocketName::From(path)));
    SendTo(*client_, to, LH_PACKET_HELLO, 1);
    EXPECT_FALSE(client_->TryToSleep()) << "there is something to be told";
    const absl::Span<const Address> told = client_->Unreachable();
    EXPECT_TRUE(told.size() == 1 && told[0] == to);
    return client_->WhyUnreachable(to);
  };
  EXPECT_EQ(why("/no/socket"),
            "cannot connect to unix:/no/socket: No such file or directory");
  EXPECT_THAT(why("/tmp"), HasSubstr("Connection refused"));
  const std::string abandoned = folder_.File("abandoned");
  Descriptor socket;
  ASSERT_EQ(ListenAt(Good(SocketName::From(abandoned)), &socket), 0);
  socket = Descriptor();
  EXPECT_THAT(why(abandoned), HasSubstr("Connection refused"));
}

TEST_F(UnixWireTest, WhoMayNotConnectIsToldSo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  ASSERT_EQ(chmod(name_.bytes().c_str(), 0700), 0);
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    if (setuid(65'534) != 0) _exit(1);
    ToServer(1);
    const bool told = client_->Unreachable().size() == 1;
    EXPECT_THAT(client_->WhyUnreachable(to_), HasSubstr("Permission denied"));
    _exit(told && !HasFailure() ? 0 : 2);
  }
  int status;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(UnixWireTest, AnotherUserHasALinkToo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  ASSERT_EQ(chmod(name_.bytes().c_str(), 0777), 0);
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    if (setuid(65'534) != 0) _exit(1);
    ToServer(7);
    _exit(at_client_.Next().number == 8 ? 0 : 2);
  }
  const auto call = at_server().Next();
  EXPECT_EQ(call.number, 7u);
  // Each user is one origin, whatever it connects.
  EXPECT_EQ(call.from, Address::OfSocket(65'534, call.from.socket_number()));
  SendTo(*server_, call.from, LH_PACKET_REPLY, 8);
  int status;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

lh_knock GoodKnock() {
  lh_knock knock = {};
  knock.version = LH_LINK_VERSION;
  knock.size = LH_LINK_SIZE;
  return knock;
}

TEST_F(UnixWireTest, HangsUpOnWhoKnocksInAnotherWay) {
  Descriptor memory;
  ASSERT_NE(LinkMemory::Make(&memory), nullptr);
  const auto knock = [&](const lh_knock& bytes, absl::Span<const int> with) {
    Descriptor socket;
    EXPECT_EQ(ConnectTo(name_, &socket), 0);
    EXPECT_TRUE(SendMessage(socket.get(), BytesOf(bytes), with));
    return IsHungUpOn(socket);
  };
  EXPECT_FALSE(knock(GoodKnock(), {memory.get()}));
  lh_knock other = GoodKnock();
  ++other.version;
  EXPECT_TRUE(knock(other, {memory.get()}));
  other = GoodKnock();
  other.size += 4096;
  EXPECT_TRUE(knock(other, {memory.get()}));
  EXPECT_TRUE(knock(GoodKnock(), {}));
  EXPECT_TRUE(knock(GoodKnock(), {0}));
}

// A client that says anything else than packets and bells.
class RudeClient {
 public:
  explicit RudeClient(const SocketName& name) {
    Descriptor file;
    memory_ = LinkMemory::Make(&file);
    EXPECT_EQ(ConnectTo(name, &socket_), 0);
    EXPECT_TRUE(SendMessage(socket_.get(), BytesOf(GoodKnock()), {file.get()}));
  }
  const Descriptor& socket() const { return socket_; }
  std::uint8_t* memory() { return memory_->base(); }
  void Say(std::size_t size) {
    const std::vector<std::uint8_t> bytes(size);
    EXPECT_EQ(send(socket_.get(), bytes.data(), size, MSG_NOSIGNAL),
              static_cast<ssize_t>(size));
  }

 private:
  std::unique_ptr<LinkMemory> memory_;
  Descriptor socket_;
};

// Sizes that are no packets reach whoever counts those that are malformed.
TEST_F(UnixWireTest, OtherMessagesHarmNobody) {
  RudeClient rude(name_);
  for (const unsigned size : {2u, 8u, 47u, 48u, unsigned{LH_PACKET_MAX}})
    rude.Say(size);
  rude.Say(LH_PACKET_MAX + 1);
  rude.Say(100'000);
  for (int bell = 0; bell < 100; ++bell) rude.Say(1);
  rude.Say(100);
  std::vector<std::size_t> came;
  while (came.empty() || came.back() != 100) {
    server_->Awake();
    for (const Datagram& datagram : server_->Receive()) {
      came.push_back(datagram.bytes.size());
    }
  }
  EXPECT_THAT(came, ::testing::ElementsAre(2, 8, 47, 48, LH_PACKET_MAX, 100));
  EXPECT_FALSE(IsHungUpOn(rude.socket()));
}

TEST_F(UnixWireTest, WhoBreaksTheContractIsGone) {
  RudeClient rude(name_);
  while (server_->links() == 0) at_server().Turn();
  auto* const slot = reinterpret_cast<lh_message*>(
      rude.memory() + LH_LINK_LANE(LH_LINK_TO_SERVER));
  slot->length = ~0u;
  slot->word = 0x12;  // FULL
  while (at_server().gone().empty()) at_server().Turn();
  EXPECT_TRUE(IsHungUpOn(rude.socket()));
}

// Where no descriptor is left, who knocks is turned away, and rings no more.
TEST_F(UnixWireTest, WithoutDescriptorsClientsAreTurnedAway) {
  FallAsleep(*server_, at_server());
  rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  ToServer(1);
  std::vector<Descriptor> all;
  rlimit few = files;
  few.rlim_cur = 200;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  do {
    all.emplace_back(dup(0));
  } while (all.back().ok());
  EXPECT_TRUE(IsReadable(server_->descriptor()));
  server_->Awake();
  at_server().Turn();
  EXPECT_FALSE(IsReadable(server_->descriptor()));
  all.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  while (at_client_.gone().empty()) {
    client_->Awake();
    at_client_.Turn();
  }
  ToServer(2);
  server_->Awake();
  EXPECT_EQ(at_server().Next().number, 2u);
}

}  // namespace
}  // namespace lauberhorn::nic
