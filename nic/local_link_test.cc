// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The two ends of a link in one process, and a peer that does with the memory
// what it likes.

#include "nic/local_link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace lauberhorn::nic {
namespace {

absl::Span<const std::uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

enum class Peers { kOneUser, kOneUserWithoutBells, kTwoUsers };

class LocalLinkTest : public ::testing::TestWithParam<Peers> {
 protected:
  LocalLinkTest() {
    const bool trusted = GetParam() != Peers::kTwoUsers;
    LinkBells servers;
    LinkBells clients;
    if (GetParam() == Peers::kOneUser) {
      servers = LinkBells::Make();
      clients = {Descriptor(dup(servers.peers.get())),
                 Descriptor(dup(servers.mine.get()))};
      EXPECT_TRUE(servers.ok() && clients.ok());
    }
    Descriptor file;
    std::unique_ptr<LinkMemory> mine = LinkMemory::Make(&file);
    std::unique_ptr<LinkMemory> peers = LinkMemory::Adopt(file);
    EXPECT_NE(mine, nullptr);
    EXPECT_NE(peers, nullptr);
    raw_ = peers->base();
    int sockets[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         0, sockets),
              0);
    server_ = std::make_unique<LocalLink>(
        std::move(mine), Descriptor(sockets[0]), LocalLink::End::kServer,
        trusted, std::move(servers));
    client_ = std::make_unique<LocalLink>(
        std::move(peers), Descriptor(sockets[1]), LocalLink::End::kClient,
        trusted, std::move(clients));
  }

  std::string TakeAtServer() {
    const absl::Span<const std::uint8_t> bytes = server_->Take(room_);
    const std::string text(reinterpret_cast<const char*>(bytes.data()),
                           bytes.size());
    server_->Release();
    return text;
  }

  // Takes a bell that the server has heard, if there is one.
  bool HeardBell() {
    std::uint64_t count;
    return recv(server_->socket(), room_, 1, MSG_DONTWAIT) == 1 ||
           read(server_->bell(), &count, sizeof(count)) > 0;
  }

  // Of the first slot of the lane to the server.
  lh_message* FirstSlot() {
    return reinterpret_cast<lh_message*>(raw_ +
                                         LH_LINK_LANE(LH_LINK_TO_SERVER));
  }

  std::uint8_t* raw_;  // the memory, as the client has it
  std::unique_ptr<LocalLink> server_;
  std::unique_ptr<LocalLink> client_;
  std::uint8_t room_[LH_PACKET_MAX];
};

INSTANTIATE_TEST_SUITE_P(, LocalLinkTest,
                         ::testing::Values(Peers::kOneUser,
                                           Peers::kOneUserWithoutBells,
                                           Peers::kTwoUsers),
                         [](const auto& test) {
                           switch (test.param) {
                             case Peers::kOneUser:
                               return "OneUser";
                             case Peers::kOneUserWithoutBells:
                               return "OneUserWithoutBells";
                             case Peers::kTwoUsers:
                               return "TwoUsers";
                           }
                           return "";
                         });

TEST_P(LocalLinkTest, CarriesPacketsInOrder) {
  for (int round = 0; round < 5 * LH_LINK_SLOTS; ++round) {
    ASSERT_TRUE(client_->Put(Bytes("a" + std::to_string(round))));
    ASSERT_TRUE(client_->Put(Bytes(std::string(LH_PACKET_MAX, 'b'))));
    EXPECT_EQ(TakeAtServer(), "a" + std::to_string(round));
    EXPECT_EQ(TakeAtServer(), std::string(LH_PACKET_MAX, 'b'));
    EXPECT_EQ(TakeAtServer(), "");
  }
}

TEST_P(LocalLinkTest, IsQuietWhenNothingIsThere) {
  EXPECT_TRUE(server_->IsQuiet());
  ASSERT_TRUE(client_->Put(Bytes("a")));
  EXPECT_FALSE(server_->IsQuiet());
  EXPECT_TRUE(client_->IsQuiet());
  EXPECT_EQ(TakeAtServer(), "a");
  EXPECT_TRUE(server_->IsQuiet());
}

TEST_P(LocalLinkTest, HasRoomForSoMany) {
  for (int number = 0; number < LH_LINK_SLOTS; ++number) {
    ASSERT_TRUE(client_->Put(Bytes("a")));
  }
  EXPECT_FALSE(client_->Put(Bytes("b")));
  // As many may be taken before any is given back.
  for (int number = 0; number < LH_LINK_SLOTS; ++number) {
    EXPECT_FALSE(server_->Take(room_).empty());
  }
  EXPECT_TRUE(server_->Take(room_).empty());
  EXPECT_FALSE(client_->Put(Bytes("b")));
  server_->Release();
  EXPECT_TRUE(client_->Put(Bytes("b")));
}

TEST_P(LocalLinkTest, ALongPacketTakesSeveralSlots) {
  constexpr int kParts = (LH_PACKET_MAX + LH_LINK_PART - 1) / LH_LINK_PART;
  const auto packet = [](int number) {
    std::string bytes;
    for (int at = 0; at < LH_PACKET_MAX; ++at) {
      bytes.push_back(static_cast<char>(number + at / 7));
    }
    return bytes;
  };
  int put = 0;
  // Begins at any slot, and goes on at the lane's first after its last.
  for (int round = 0; round < LH_LINK_SLOTS; ++round) {
    ASSERT_TRUE(client_->Put(Bytes("a")));
    EXPECT_EQ(TakeAtServer(), "a");
    for (put = 0; client_->Put(Bytes(packet(round + put))); ++put) {
    }
    EXPECT_EQ(put, LH_LINK_SLOTS / kParts);
    for (int took = 0; took < put; ++took) {
      ASSERT_EQ(TakeAtServer(), packet(round + took));
    }
    EXPECT_EQ(TakeAtServer(), "");
  }
}

TEST_P(LocalLinkTest, APartThatCannotBeEndsIt) {
  const std::string packet(LH_PACKET_MAX, 'a');
  ASSERT_TRUE(client_->Put(Bytes(packet)));
  const auto second = reinterpret_cast<lh_message*>(
      raw_ + LH_LINK_LANE(LH_LINK_TO_SERVER) + LH_LINK_STRIDE);
  EXPECT_EQ(second->length, LH_PACKET_MAX - LH_LINK_PART);
  ++second->length;
  EXPECT_TRUE(server_->Take(room_).empty());
  EXPECT_TRUE(server_->broken());
}

TEST_P(LocalLinkTest, APacketWithoutItsEndEndsIt) {
  ASSERT_TRUE(client_->Put(Bytes("a")));
  FirstSlot()->length = LH_PACKET_MAX;
  EXPECT_TRUE(server_->Take(room_).empty());
  EXPECT_TRUE(server_->broken());
}

TEST_P(LocalLinkTest, RingsOnceForEachSleep) {
  client_->Ring();
  EXPECT_FALSE(HeardBell()) << "awake";
  ASSERT_TRUE(server_->Sleep());
  ASSERT_TRUE(client_->Put(Bytes("a")));
  client_->Ring();
  client_->Ring();
  EXPECT_EQ(GetParam() == Peers::kOneUser, server_->bell() >= 0);
  EXPECT_TRUE(HeardBell());
  EXPECT_FALSE(HeardBell()) << "once";
  server_->Awake();
  EXPECT_FALSE(server_->Sleep()) << "something is there";
  EXPECT_EQ(TakeAtServer(), "a");
  EXPECT_TRUE(server_->Sleep());
}

// How it sleeps is the peer's to say, and may be anything.
TEST_P(LocalLinkTest, RingsBySocketWhoSaysNothingElse) {
  for (const std::uint64_t asleep :
       {std::uint64_t{LH_LINK_ASLEEP}, std::uint64_t{77}, ~std::uint64_t{0}}) {
    reinterpret_cast<lh_link_taker*>(raw_ + LH_LINK_TAKER(LH_LINK_TO_SERVER))
        ->asleep = asleep;
    client_->Ring();
    EXPECT_EQ(recv(server_->socket(), room_, 1, MSG_DONTWAIT), 1) << asleep;
    EXPECT_FALSE(HeardBell());
  }
}

TEST_P(LocalLinkTest, HearsWhenThePeerHangsUp) {
  EXPECT_TRUE(server_->TakeBells());
  client_.reset();
  EXPECT_FALSE(server_->TakeBells());
}

// What was checked is what is used, if the peer is of another user.
TEST_P(LocalLinkTest, APacketOfAnotherUserStaysAsItIs) {
  ASSERT_TRUE(client_->Put(Bytes("good")));
  const absl::Span<const std::uint8_t> packet = server_->Take(room_);
  ASSERT_EQ(packet.size(), 4u);
  std::memcpy(FirstSlot() + 1, "evil", 4);
  EXPECT_EQ(std::memcmp(packet.data(),
                        GetParam() == Peers::kTwoUsers ? "good" : "evil", 4),
            0);
}

TEST_P(LocalLinkTest, ALengthThatCannotBeEndsIt) {
  ASSERT_TRUE(client_->Put(Bytes("a")));
  ASSERT_TRUE(client_->Put(Bytes("b")));
  FirstSlot()->length = LH_PACKET_MAX + 1;
  EXPECT_TRUE(server_->Take(room_).empty());
  EXPECT_TRUE(server_->broken());
  EXPECT_TRUE(server_->Take(room_).empty()) << "and so it stays";
}

TEST_P(LocalLinkTest, APacketOfNothingEndsItToo) {
  ASSERT_TRUE(client_->Put(Bytes("a")));
  FirstSlot()->length = 0;
  EXPECT_TRUE(server_->Take(room_).empty());
  EXPECT_TRUE(server_->broken());
}

// Whatever words say, nothing comes that is larger than a packet, and the end
// that looks goes on.
TEST_P(LocalLinkTest, GarbageIsHarmless) {
  std::uint64_t random = 88172645463325252;
  const auto next = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
  };
  for (int round = 0; round < 20'000 && !server_->broken(); ++round) {
    const std::size_t at = next() % (LH_LINK_SIZE / 8);
    const std::uint64_t value = next() % 4 == 0 ? next() : next() % 5;
    reinterpret_cast<volatile std::uint64_t*>(raw_)[at] = value;
    for (int take = 0; take < 4; ++take) {
      EXPECT_LE(server_->Take(room_).size(), std::size_t{LH_PACKET_MAX});
    }
    server_->Release();
    (void)server_->Put(Bytes("a"));
    server_->Ring();
    if (server_->Sleep()) server_->Awake();
  }
  EXPECT_TRUE(server_->TakeBells());
}

TEST(LinkMemoryTest, RefusesWhatCouldShrink) {
  const auto adopt = [](const char* what, off_t size, int seals) {
    Descriptor file(memfd_create(what, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(ftruncate(file.get(), size), 0);
    EXPECT_EQ(fcntl(file.get(), F_ADD_SEALS, seals), 0);
    return LinkMemory::Adopt(file) != nullptr;
  };
  constexpr int kAll = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  EXPECT_TRUE(adopt("good", LH_LINK_SIZE, kAll));
  EXPECT_FALSE(adopt("small", LH_LINK_SIZE - 4096, kAll));
  EXPECT_FALSE(adopt("large", LH_LINK_SIZE + 4096, kAll));
  EXPECT_FALSE(adopt("shrinks", LH_LINK_SIZE, F_SEAL_GROW | F_SEAL_SEAL));
  EXPECT_FALSE(adopt("grows", LH_LINK_SIZE, F_SEAL_SHRINK | F_SEAL_SEAL));
  EXPECT_FALSE(adopt("unsealed", LH_LINK_SIZE, 0));
  // To be written by nobody: it cannot be mapped as a link is.
  EXPECT_FALSE(adopt("read-only", LH_LINK_SIZE, kAll | F_SEAL_WRITE));
  EXPECT_EQ(LinkMemory::Adopt(Descriptor(open("/dev/zero", O_RDWR))), nullptr);
}

}  // namespace
}  // namespace lauberhorn::nic
