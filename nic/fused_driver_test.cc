// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Engines without a thread of their own, over UDP: threads that wait drive
// them, and if none does the thread that stands by. The same as users see it:
// librpc/engine_driver_test.cc.

#include "nic/fused_driver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nic/clock.h"
#include "nic/testing/driven_node.h"

namespace lauberhorn::nic {
namespace {

using testing::Connect;
using testing::ConnectToServer;
using testing::HostChannel;
using testing::kLoopback;
using testing::TakenMessage;

constexpr std::uint64_t kMethod = 7;
// A process with one endpoint, and its NIC.
struct Node final : testing::DrivenNode {
  explicit Node(const FusedDriverOptions& options = {}) {
    auto started = FusedDriver::Start(options, region);
    EXPECT_TRUE(started.ok()) << started.status();
    driver = *std::move(started);
  }

  // Waits as a thread of the library does.
  TakenMessage Take(HostChannel& channel) {
    TakenMessage message = {};
    while (!channel.Take(&message)) {
      if (driver->Look(0, kNever) || !channel.Park()) continue;
      __u64* const word = channel.next_word();
      driver->Sleep(0, word, lh_load_acquire(word), kNever);
      (void)channel.Unpark();
    }
    driver->End(0);
    return message;
  }

  std::unique_ptr<FusedDriver> driver;

 private:
  void Ring() override {
    EXPECT_NE(lh_load_acquire(&region.info()->asleep), 0u) << "a put must ring";
    driver->Ring();
  }
};

class FusedDriverTest : public ::testing::Test {
 protected:
  void PutCall(std::uint32_t round, const std::string& request) {
    client_.PutCall(round, kMethod, peer_, request);
  }
  void PutReply(const TakenMessage& arrived, const std::string& text) {
    server_.PutReply(arrived, text);
  }

  Node server_;
  Node client_;
  const std::uint64_t peer_ = ConnectToServer(client_, server_, kMethod);
};

TEST_F(FusedDriverTest, ThreadsThatWaitCarryCalls) {
  constexpr std::uint32_t kRounds = 200;
  std::thread worker([this] {
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
      const TakenMessage arrived = server_.Take(server_.serve);
      PutReply(arrived, "reply to " + arrived.payload);
    }
  });
  for (std::uint32_t round = 1; round <= kRounds; ++round) {
    const std::string request(round % 80, 'q');
    PutCall(round, request);
    ASSERT_EQ(client_.Take(client_.call).payload, "reply to " + request);
  }
  worker.join();
}

// Neither a handler that is away nor a caller that does not wait stops a call.
TEST_F(FusedDriverTest, WhileNobodyWaitsTheThreadThatStandsByCarriesThem) {
  for (std::uint32_t round = 1; round <= 10; ++round) {
    PutCall(round, "request");
    const TakenMessage arrived = Node::Watch(server_.serve);
    ASSERT_EQ(arrived.payload, "request");
    PutReply(arrived, "reply");
    ASSERT_EQ(Node::Watch(client_.call).payload, "reply");
  }
}

TEST_F(FusedDriverTest, AThreadThatWaitsAgainLeadsInPlaceOfTheOneThatStoodBy) {
  for (std::uint32_t round = 1; round <= 30; round += 2) {
    PutCall(round, "request");
    PutReply(server_.Take(server_.serve), "reply");
    ASSERT_EQ(client_.Take(client_.call).payload, "reply");
    PutCall(round + 1, "request");
    PutReply(Node::Watch(server_.serve), "reply");
    ASSERT_EQ(Node::Watch(client_.call).payload, "reply");
  }
}

// The leader began to sleep without an end; then a call is put that nobody will
// ever say anything of.
TEST(FusedDriverTimerTest, ATimerOfAnothersCallEndsTheLeadersSleep) {
  const int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&at), &size), 0);
  Node node;
  lh_address address = kLoopback;
  address.port = ntohs(at.sin_port);
  const std::uint64_t peer = Connect(node.Commands(), address);
  node.PutEmpty();
  std::thread leader([&node] {
    EXPECT_EQ(node.Take(node.serve).header.kind, LH_KIND_RETIRE);
  });
  for (std::uint32_t round = 1; round <= 3; ++round) {
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(Node::SmallRegion().arrived_calls, round);
    call.code = kMethod;
    call.data = peer;
    call.deadline = Now() + 50 * kMillisecond;
    node.Put(node.call, call);
    EXPECT_NE(Node::Watch(node.call).header.code, 0u);
  }
  lh_command_handle retire;
  retire.handle = lh_handle(0, node.region.endpoint(0)->generation);
  node.Control(LH_COMMAND_ENDPOINT_RETIRE, testing::Payload(retire));
  leader.join();
  close(silent);
}

// A message for the leader, from a turn of another thread.
TEST_F(FusedDriverTest, WhoeverRingsWakesTheLeader) {
  for (std::uint64_t round = 1; round <= 200; ++round) {
    std::thread leader([this] {
      EXPECT_EQ(client_.Take(client_.call).header.kind, LH_KIND_RESULT);
    });
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = LH_COMMAND_SERVER_OPEN;
    header.call = round;
    // The lane out is this thread's, the lane in the other's.
    client_.Put(client_.call, header);
    leader.join();
  }
}

// Calls after pauses, so that the thread that stands by leads when each begins.
TEST(FusedDriverSpinTest, AThreadThatLooksLeadsInPlaceOfTheOneThatStoodBy) {
  FusedDriverOptions options;
  options.spin = kSecond;
  Node client(options);
  Node server;
  const std::uint64_t peer = ConnectToServer(client, server, kMethod);
  std::thread worker([&server] {
    for (std::uint32_t round = 1; round <= 20; ++round) {
      server.PutReply(server.Take(server.serve), "reply");
    }
  });
  for (std::uint32_t round = 1; round <= 20; ++round) {
    absl::SleepFor(absl::Milliseconds(round % 4));
    client.PutCall(round, kMethod, peer, "request");
    ASSERT_EQ(client.Take(client.call).payload, "reply");
  }
  worker.join();
}

TEST(FusedDriverSpinTest, ThreadsLookAsLongAsTheyMay) {
  FusedDriverOptions options;
  options.spin = 0;
  Node sleeps(options);
  EXPECT_FALSE(sleeps.driver->Look(0, kNever));
  options.spin = 3600 * kSecond;
  Node looks(options);
  for (int look = 0; look < 10'000; ++look) {
    ASSERT_TRUE(looks.driver->Look(0, kNever));
  }
  looks.driver->End(0);
  EXPECT_FALSE(looks.driver->Look(0, Now())) << "its time is over";
  looks.driver->End(0);
}

class FusedDriverReportTest : public ::testing::Test {
 protected:
  FusedDriverReportTest() { EXPECT_NE(mkdtemp(folder_), nullptr); }
  ~FusedDriverReportTest() override { EXPECT_EQ(rmdir(folder_), 0); }

  FusedDriverOptions Options() const {
    FusedDriverOptions options;
    options.report_folders = {folder_};
    return options;
  }

  // Returns when it has begun to answer.
  static void Ask(const Node& node) {
    const std::string path = node.driver->report_path();
    ASSERT_NE(path, "");
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(
        connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    ASSERT_EQ(write(peer, "stat\n", 5), 5);
    char first = 0;
    EXPECT_EQ(read(peer, &first, 1), 1);
    EXPECT_EQ(first, '{');
    close(peer);
  }

 private:
  char folder_[sizeof(P_tmpdir) + 32] = P_tmpdir "/lauberhorn-fused-XXXXXX";
};

TEST_F(FusedDriverReportTest, AnswersThoughNobodyWaits) {
  Ask(Node(Options()));
}

TEST_F(FusedDriverReportTest, AnswersThoughNobodySleeps) {
  FusedDriverOptions options = Options();
  options.spin = 3600 * kSecond;
  Node node(options);
  std::atomic<bool> stop{false};
  std::thread looks([&] {
    while (!stop) EXPECT_TRUE(node.driver->Look(0, kNever));
    node.driver->End(0);
  });
  for (int round = 0; round < 5; ++round) Ask(node);
  stop = true;
  looks.join();
}

TEST(FusedDriverEndTest, EndsInEveryState) {
  for (int round = 0; round < 50; ++round) {
    Node node;
    if (round % 2 == 0) continue;  // it stands by
    std::thread waits([&] { node.Take(node.call); });
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = LH_COMMAND_SERVER_OPEN;
    header.call = 1;
    node.Put(node.call, header);
    waits.join();  // it watches
  }
}

TEST(FusedDriverEndTest, ADisownedDriverDoesNothing) {
  Node node;
  node.driver->Disown();
  lh_message header = {};
  header.kind = LH_KIND_CONTROL;
  header.code = LH_COMMAND_SERVER_OPEN;
  header.call = 1;
  node.Put(node.call, header);
  EXPECT_FALSE(node.driver->Look(0, kNever));
  ASSERT_TRUE(node.call.Park());
  __u64* const word = node.call.next_word();
  node.driver->Sleep(0, word, lh_load_acquire(word), kNever);
  node.driver->End(0);
  EXPECT_TRUE(node.call.Unpark()) << "nothing has come";
}

}  // namespace
}  // namespace lauberhorn::nic
