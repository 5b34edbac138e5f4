// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Who knocks without right, or with what is no link, is hung up on, and others
// are served.

#include "nic/local_links.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nic/testing/local_peers.h"

namespace lauberhorn::nic {
namespace {

using testing::IsReadable;
using testing::LoopbackAddress;

class LocalLinksTest : public ::testing::Test {
 protected:
  LocalLinksTest() {
    EXPECT_TRUE(server_.Open().ok());
    door_ = AskAs(client_address_).value();
  }

  // What a client at this address gets.
  std::optional<lh_door> AskAs(const Address& from,
                               std::size_t size = sizeof(lh_door)) {
    return AskAs(server_, from, size);
  }
  static std::optional<lh_door> AskAs(LocalLinks& server, const Address& from,
                                      std::size_t size = sizeof(lh_door)) {
    const std::vector<std::uint8_t> zeros(size);
    Packet question;
    question.header = {};
    question.header.type = LH_PACKET_LOCAL;
    question.header.ack_bits = 7;
    question.payload = zeros;
    const auto answer = server.OnAsk(question, from);
    if (!answer) return std::nullopt;
    EXPECT_EQ(answer->type, LH_PACKET_DOOR);
    EXPECT_EQ(answer->number, 7u);
    return answer->door;
  }

  static Descriptor Connect(const lh_door& door) {
    DoorName name;
    std::copy(std::begin(door.name), std::end(door.name), name.begin());
    return ConnectToDoor(name);
  }
  Descriptor Connect() const { return Connect(door_); }

  static lh_knock GoodKnock(const lh_door& door) {
    return {.version = LH_LINK_VERSION,
            .size = LH_LINK_SIZE,
            .from = door.from,
            .to = LoopbackAddress(1).raw(),
            .time = door.time,
            .cookie = door.cookie};
  }
  lh_knock GoodKnock() const { return GoodKnock(door_); }

  static Descriptor GoodMemory() {
    Descriptor file;
    EXPECT_NE(LinkMemory::Make(&file), nullptr);
    return file;
  }

  template <typename Message>
  static absl::Span<const std::uint8_t> BytesOf(const Message& message) {
    return {reinterpret_cast<const std::uint8_t*>(&message), sizeof(message)};
  }

  // Whether the server hangs up on the socket, or answers.
  enum class Answer { kOpen, kHungUp };
  Answer Wait(const Descriptor& socket) {
    lh_knocked answer;
    for (;;) {
      server_.LookAtEvents();
      switch (ReceiveMessage(
          socket.get(),
          {reinterpret_cast<std::uint8_t*>(&answer), sizeof(answer)})) {
        case Received::kMessage:
          EXPECT_EQ(answer.status, 0u);
          return Answer::kOpen;
        case Received::kBroken:
          return Answer::kHungUp;
        case Received::kNothing:
          continue;
      }
    }
  }

  Answer Knock(const lh_knock& knock, absl::Span<const int> brings) {
    const Descriptor socket = Connect();
    EXPECT_TRUE(SendMessage(socket.get(), BytesOf(knock), brings));
    return Wait(socket);
  }
  Answer Knock(const lh_knock& knock, const Descriptor& memory) {
    const int brings[] = {memory.get()};
    return Knock(knock, absl::Span<const int>(brings));
  }

  const Address client_address_ = LoopbackAddress(4711);
  LocalLinks server_;
  lh_door door_;
};

TEST_F(LocalLinksTest, OpensToWhoComesAsItShould) {
  const Descriptor socket = Connect();
  EXPECT_TRUE(
      SendMessage(socket.get(), BytesOf(GoodKnock()), {GoodMemory().get()}));
  EXPECT_EQ(Wait(socket), Answer::kOpen);
  EXPECT_EQ(server_.count(), 1u);
  EXPECT_TRUE(server_.Has(client_address_));
}

TEST_F(LocalLinksTest, AnswersNeitherOtherHostsNorOtherSizes) {
  EXPECT_EQ(AskAs(client_address_, 0), std::nullopt);
  EXPECT_EQ(AskAs(client_address_, sizeof(lh_door) + 1), std::nullopt);
  EXPECT_EQ(AskAs(Address(
                {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1},
                 .scope = 0,
                 .port = 1,
                 .reserved = 0})),
            std::nullopt);
}

// Each server has another name, and a name is not that of another one's door.
TEST_F(LocalLinksTest, NamesAreRandom) {
  LocalLinks other;
  ASSERT_TRUE(other.Open().ok());
  const lh_door door = AskAs(other, client_address_).value();
  EXPECT_NE(std::memcmp(door.name, door_.name, sizeof(door.name)), 0);
  EXPECT_NE(door.cookie, door_.cookie);
}

TEST_F(LocalLinksTest, HangsUpOnWhoIsNotWhoItSays) {
  const std::pair<const char*, std::function<void(lh_knock&)>> lies[] = {
      {"version", [](lh_knock& knock) { ++knock.version; }},
      {"size", [](lh_knock& knock) { knock.size += 4096; }},
      {"another address", [](lh_knock& knock) { knock.from.ip[15] = 2; }},
      {"another port", [](lh_knock& knock) { ++knock.from.port; }},
      {"time", [](lh_knock& knock) { ++knock.time; }},
      {"an old time", [](lh_knock& knock) { knock.time -= 100; }},
      {"cookie", [](lh_knock& knock) { knock.cookie ^= 1; }},
  };
  for (const auto& [what, lie] : lies) {
    lh_knock knock = GoodKnock();
    lie(knock);
    EXPECT_EQ(Knock(knock, GoodMemory()), Answer::kHungUp) << what;
  }
  EXPECT_EQ(server_.count(), 0u);
  EXPECT_EQ(Knock(GoodKnock(), GoodMemory()), Answer::kOpen);
}

TEST_F(LocalLinksTest, HangsUpOnWhoBringsNoLink) {
  EXPECT_EQ(Knock(GoodKnock(), absl::Span<const int>()), Answer::kHungUp);
  EXPECT_EQ(Knock(GoodKnock(), Descriptor(open("/dev/null", O_RDWR))),
            Answer::kHungUp);
  Descriptor unsealed(memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(unsealed.get(), LH_LINK_SIZE), 0);
  EXPECT_EQ(Knock(GoodKnock(), unsealed), Answer::kHungUp);
  EXPECT_EQ(server_.count(), 0u);
}

// Bells are two eventfds that do not block, or none.
TEST_F(LocalLinksTest, HangsUpOnWhoBringsOtherBells) {
  const Descriptor memory = GoodMemory();
  const LinkBells bells = LinkBells::Make();
  const int good = bells.mine.get();
  const auto knock = [&](absl::Span<const int> brings) {
    return Knock(GoodKnock(), brings);
  };
  EXPECT_EQ(knock({memory.get(), good}), Answer::kHungUp);
  EXPECT_EQ(knock({good, memory.get(), good}), Answer::kHungUp);
  EXPECT_EQ(knock({memory.get(), good, memory.get()}), Answer::kHungUp);
  const Descriptor blocks(eventfd(0, EFD_CLOEXEC));
  EXPECT_EQ(knock({memory.get(), blocks.get(), good}), Answer::kHungUp);
  const Descriptor file(open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(knock({memory.get(), good, file.get()}), Answer::kHungUp);
  const Descriptor socket = Connect();
  EXPECT_EQ(knock({memory.get(), good, socket.get()}), Answer::kHungUp);
  EXPECT_EQ(server_.count(), 0u);
  EXPECT_EQ(knock({memory.get(), good, bells.peers.get()}), Answer::kOpen);
}

// It could make them block whoever rings.
TEST_F(LocalLinksTest, AnotherUsersBellsAreNotRung) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  const LinkBells bells = LinkBells::Make();
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    if (setuid(65'534) != 0) _exit(1);
    Descriptor file;
    const std::unique_ptr<LinkMemory> memory = LinkMemory::Make(&file);
    reinterpret_cast<lh_link_taker*>(memory->base() +
                                     LH_LINK_TAKER(LH_LINK_TO_CLIENT))
        ->asleep = LH_LINK_ASLEEP_AT_EVENT;
    const Descriptor socket = Connect();
    if (!SendMessage(socket.get(), BytesOf(GoodKnock()),
                     {file.get(), bells.mine.get(), bells.peers.get()})) {
      _exit(2);
    }
    for (const ssize_t size : {ssize_t{sizeof(lh_knocked)}, ssize_t{1}}) {
      pollfd waits = {socket.get(), POLLIN, 0};
      poll(&waits, 1, -1);
      lh_knocked heard;
      if (recv(socket.get(), &heard, sizeof(heard), 0) != size) _exit(3);
    }
    _exit(IsReadable(bells.mine.get()) || IsReadable(bells.peers.get()) ? 4
                                                                        : 0);
  }
  while (!server_.Has(client_address_)) server_.LookAtEvents();
  const std::vector<std::uint8_t> packet(100);
  EXPECT_TRUE(server_.Put(client_address_, packet));
  server_.Ring();
  int status;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(LocalLinksTest, HangsUpOnWhoSaysSomethingElse) {
  for (const std::size_t size : {std::size_t{0}, sizeof(lh_knock) - 1,
                                 sizeof(lh_knock) + 1, std::size_t{4096}}) {
    const Descriptor socket = Connect();
    const std::vector<std::uint8_t> bytes(size);
    EXPECT_TRUE(SendMessage(socket.get(), bytes, {GoodMemory().get()}));
    EXPECT_EQ(Wait(socket), Answer::kHungUp) << size;
  }
}

// Those that come and say nothing take no room from those that do.
TEST_F(LocalLinksTest, SilentOnesMakeRoom) {
  std::vector<Descriptor> silent;
  for (int number = 0; number < 100; ++number) {
    silent.push_back(Connect());
    EXPECT_TRUE(silent.back().ok());
    server_.LookAtEvents();
  }
  EXPECT_EQ(Knock(GoodKnock(), GoodMemory()), Answer::kOpen);
  EXPECT_EQ(Wait(silent.front()), Answer::kHungUp);
}

// Whose end is not heard by the socket, as a child has it, too.
TEST_F(LocalLinksTest, WhoEndsWithoutAKnockIsForgotten) {
  int pids[2];
  ASSERT_EQ(pipe(pids), 0);
  const pid_t client = fork();
  ASSERT_GE(client, 0);
  if (client == 0) {
    const Descriptor socket = Connect();
    const pid_t child = fork();
    if (child != 0 && write(pids[1], &child, sizeof(child)) < 0) _exit(1);
    for (;;) pause();
  }
  pid_t child;
  ASSERT_EQ(read(pids[0], &child, sizeof(child)), ssize_t{sizeof(child)});
  server_.LookAtEvents();
  EXPECT_FALSE(IsReadable(server_.descriptor()));
  ASSERT_EQ(kill(client, SIGKILL), 0);
  ASSERT_EQ(waitpid(client, nullptr, 0), client);
  EXPECT_TRUE(IsReadable(server_.descriptor()));
  server_.LookAtEvents();
  EXPECT_FALSE(IsReadable(server_.descriptor())) << "it would wake for ever";
  ASSERT_EQ(kill(child, SIGKILL), 0);
  close(pids[0]);
  close(pids[1]);
}

TEST_F(LocalLinksTest, TheClientAtAnAddressIsTheLastThatCame) {
  const Descriptor first = Connect();
  EXPECT_TRUE(
      SendMessage(first.get(), BytesOf(GoodKnock()), {GoodMemory().get()}));
  EXPECT_EQ(Wait(first), Answer::kOpen);
  EXPECT_EQ(Knock(GoodKnock(), GoodMemory()), Answer::kOpen);
  EXPECT_EQ(Wait(first), Answer::kHungUp);
}

// With room for 256 descriptors there are 16 links.
TEST_F(LocalLinksTest, AnotherUserGetsAQuarter) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  rlimit few = files;
  few.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  LocalLinks server;
  ASSERT_TRUE(server.Open().ok());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  constexpr int kClients = 8;
  std::vector<lh_door> doors;
  for (std::uint16_t client = 0; client < kClients; ++client) {
    doors.push_back(AskAs(server, LoopbackAddress(5000 + client)).value());
  }
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    if (setuid(65'534) != 0) _exit(255);
    std::vector<Descriptor> open;
    for (const lh_door& door : doors) {
      Descriptor socket = Connect(door);
      if (!SendMessage(socket.get(), BytesOf(GoodKnock(door)),
                       {GoodMemory().get()})) {
        continue;  // it was hung up on already
      }
      pollfd answer = {socket.get(), POLLIN, 0};
      poll(&answer, 1, -1);
      lh_knocked knocked;
      if (recv(socket.get(), &knocked, sizeof(knocked), 0) ==
          static_cast<ssize_t>(sizeof(knocked))) {
        open.push_back(std::move(socket));
      }
    }
    _exit(static_cast<int>(open.size()));
  }
  int status;
  while (waitpid(other, &status, WNOHANG) == 0) server.LookAtEvents();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 4);
}

// A link that was given up is not said to be of a process that has ended.
TEST_F(LocalLinksTest, WhoBreaksTheContractLosesItsLink) {
  Descriptor file;
  const std::unique_ptr<LinkMemory> memory = LinkMemory::Make(&file);
  const Descriptor socket = Connect();
  EXPECT_TRUE(SendMessage(socket.get(), BytesOf(GoodKnock()), {file.get()}));
  EXPECT_EQ(Wait(socket), Answer::kOpen);
  auto* const slot = reinterpret_cast<lh_message*>(
      memory->base() + LH_LINK_LANE(LH_LINK_TO_SERVER));
  slot->length = ~0u;
  slot->word = 0x12;  // FULL
  Datagram batch[Wire::kBatch];
  while (server_.count() > 0) {
    server_.Release();
    EXPECT_EQ(server_.Take(absl::MakeSpan(batch)), 0u);
  }
  EXPECT_TRUE(server_.Gone().empty());
  EXPECT_EQ(Wait(socket), Answer::kHungUp);
}

// The packet that opens a session is sent again if its answer takes long; with
// it the question for the door would be. The second knock would look as if the
// client were another one now, and the first link would end as if the server
// had.
TEST_F(LocalLinksTest, WhoHasKnockedDoesNotAskAgain) {
  LocalLinks client;
  ASSERT_TRUE(client.Open().ok());
  const Address server = LoopbackAddress(1);
  const auto question = client.Ask(server);
  ASSERT_TRUE(question.has_value());
  const std::vector<std::uint8_t> bytes(
      reinterpret_cast<const std::uint8_t*>(&door_),
      reinterpret_cast<const std::uint8_t*>(&door_ + 1));
  Packet answer;
  answer.header = {};
  answer.header.type = LH_PACKET_DOOR;
  answer.header.ack_bits = question->number;
  answer.payload = bytes;
  client.OnDoor(answer, server);
  EXPECT_FALSE(client.Ask(server).has_value());
  EXPECT_TRUE(client.Ask(LoopbackAddress(2)).has_value());
  while (!client.Has(server)) {
    server_.LookAtEvents();
    client.LookAtEvents();
  }
  EXPECT_TRUE(client.Gone().empty());
}

// An answer that nobody asked for, or from elsewhere, opens nothing.
TEST_F(LocalLinksTest, TheClientBelievesOnlyAnswers) {
  LocalLinks client;
  ASSERT_TRUE(client.Open().ok());
  const Address server = LoopbackAddress(1);
  const auto question = client.Ask(server);
  ASSERT_TRUE(question.has_value());
  const auto say = [&](const Address& from, std::uint64_t number,
                       std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    std::memcpy(bytes.data(), &door_, std::min(size, sizeof(door_)));
    Packet answer;
    answer.header = {};
    answer.header.type = LH_PACKET_DOOR;
    answer.header.ack_bits = number;
    answer.payload = bytes;
    client.OnDoor(answer, from);
    server_.LookAtEvents();
    client.LookAtEvents();
    return client.Has(server);
  };
  EXPECT_FALSE(say(server, question->number + 1, sizeof(door_)));
  EXPECT_FALSE(say(LoopbackAddress(2), question->number, sizeof(door_)));
  EXPECT_FALSE(say(server, question->number, sizeof(door_) - 1));
  say(server, question->number, sizeof(door_));
  while (!client.Has(server)) {
    server_.LookAtEvents();
    client.LookAtEvents();
  }
}

}  // namespace
}  // namespace lauberhorn::nic
