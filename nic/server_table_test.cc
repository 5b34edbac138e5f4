// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/server_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "nic/testing/memory_wire.h"

namespace lauberhorn::nic {
namespace {

using testing::MemoryNetwork;
using testing::TestAddress;

class ServerTableTest : public ::testing::Test {
 protected:
  // The method that a call over the listener is for; null if there is none.
  const MethodTarget* Find(std::uint32_t listener, std::uint64_t method) {
    closing_ = false;
    const ServerTable::Method* const found =
        table_.Find(listener, method, &closing_);
    return found == nullptr ? nullptr : &found->target;
  }

  MemoryNetwork network_{1};
  std::unique_ptr<WireFactory> wires_ = network_.Host(TestAddress(1));
  ServerTable table_{*wires_};
  bool closing_ = false;
};

TEST_F(ServerTableTest, FindsMethodsByListener) {
  const std::uint64_t a = *table_.Open();
  const std::uint64_t b = *table_.Open();
  EXPECT_NE(a, b);
  ASSERT_TRUE(table_.AddMethod(a, 7, "/a.A/Do", 1, 2, 3).ok());
  ASSERT_TRUE(table_.AddMethod(b, 7, "/b.B/Do", 4, 5, 6).ok());
  const auto at_a = table_.Listen(a, TestAddress(1, 100));
  const auto at_b = table_.Listen(b, TestAddress(1, 0));
  ASSERT_TRUE(at_a.ok() && at_b.ok());
  EXPECT_EQ(*at_a, TestAddress(1, 100));
  EXPECT_NE(at_b->port(), 0);
  ASSERT_EQ(table_.listener_count(), 2u);
  EXPECT_EQ(table_.wire(0)->local(), *at_a);
  EXPECT_EQ(table_.wire(1)->local(), *at_b);

  const MethodTarget* const first = Find(0, 7);
  ASSERT_NE(first, nullptr);
  EXPECT_FALSE(closing_);
  EXPECT_EQ(first->code, 1u);
  EXPECT_EQ(first->data, 2u);
  EXPECT_EQ(first->index, 3u);
  EXPECT_EQ(first->server, lh_handle_index(a));
  const MethodTarget* const second = Find(1, 7);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->code, 4u);
  EXPECT_EQ(second->server, lh_handle_index(b));
  EXPECT_EQ(Find(0, 8), nullptr);
  EXPECT_FALSE(closing_);
}

TEST_F(ServerTableTest, OneServerListensAtManyPlaces) {
  const std::uint64_t server = *table_.Open();
  ASSERT_TRUE(table_.Listen(server, TestAddress(1, 100)).ok());
  ASSERT_TRUE(table_.Listen(server, TestAddress(1, 101)).ok());
  ASSERT_TRUE(table_.AddMethod(server, 7, "/a.A/Do", 1, 2, 3).ok());
  EXPECT_NE(Find(0, 7), nullptr);
  EXPECT_EQ(Find(0, 7), Find(1, 7));
}

TEST_F(ServerTableTest, TellsTheSameMethodFromTheSameId) {
  const std::uint64_t server = *table_.Open();
  ASSERT_TRUE(table_.AddMethod(server, 7, "/a.A/Do", 1, 2, 3).ok());
  const absl::Status again = table_.AddMethod(server, 7, "/a.A/Do", 9, 9, 9);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  const absl::Status collision =
      table_.AddMethod(server, 7, "/b.B/Other", 9, 9, 9);
  EXPECT_EQ(collision.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(collision.message().find("/a.A/Do"), absl::string_view::npos);
  EXPECT_NE(collision.message().find("/b.B/Other"), absl::string_view::npos);
  EXPECT_NE(collision.message(), again.message());
  ASSERT_TRUE(table_.Listen(server, TestAddress(1, 100)).ok());
  EXPECT_EQ(Find(0, 7)->code, 1u) << "the first one stays";
}

TEST_F(ServerTableTest, KnowsNoForgedOldOrClosedHandle) {
  const std::uint64_t server = *table_.Open();
  ASSERT_TRUE(table_.Close(server, 2, kNever).ok());
  EXPECT_EQ(table_.AddMethod(server, 1, "/a.A/Do", 1, 2, 3).code(),
            absl::StatusCode::kNotFound);
  std::uint32_t asker = 0;
  std::vector<std::uint32_t> listeners;
  ASSERT_TRUE(table_.TakeClosed(&asker, &listeners));
  for (const std::uint64_t handle : std::vector<std::uint64_t>{
           server, 0, ~std::uint64_t{0},
           lh_handle(lh_handle_index(server), lh_handle_generation(server) + 1),
           lh_handle(lh_handle_index(server) + 1, 1)}) {
    EXPECT_EQ(table_.AddMethod(handle, 1, "/a.A/Do", 1, 2, 3).code(),
              absl::StatusCode::kNotFound);
    EXPECT_EQ(table_.Listen(handle, TestAddress(1, 0)).status().code(),
              absl::StatusCode::kNotFound);
    EXPECT_EQ(table_.Close(handle, 0, kNever).code(),
              absl::StatusCode::kNotFound);
  }
  EXPECT_EQ(table_.listener_count(), 0u);
}

TEST_F(ServerTableTest, TheEarlierDeadlineOfAClosingCountsOnce) {
  const std::uint64_t a = *table_.Open();
  const std::uint64_t b = *table_.Open();
  table_.CallStarted(lh_handle_index(a));
  table_.CallStarted(lh_handle_index(b));
  EXPECT_EQ(table_.NextLate(), kNever);
  ASSERT_TRUE(table_.Close(a, 5, 100).ok());
  ASSERT_TRUE(table_.Close(b, 6, kNever).ok());
  EXPECT_EQ(table_.NextLate(), 100u);
  EXPECT_EQ(table_.Close(b, 7, 50).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(table_.Close(b, 8, 60).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(table_.NextLate(), 50u);
  EXPECT_EQ(table_.TakeLate(49), ServerTable::kNone);
  EXPECT_EQ(table_.TakeLate(50), lh_handle_index(b));
  EXPECT_EQ(table_.TakeLate(50), ServerTable::kNone);
  EXPECT_EQ(table_.NextLate(), 100u);
  // What has ended in time has no deadline any more.
  table_.CallEnded(lh_handle_index(a));
  std::uint32_t asker = 0;
  std::vector<std::uint32_t> listeners;
  ASSERT_TRUE(table_.TakeClosed(&asker, &listeners));
  EXPECT_EQ(asker, 5u);
  EXPECT_EQ(table_.NextLate(), kNever);
  table_.CallEnded(lh_handle_index(b));
  ASSERT_TRUE(table_.TakeClosed(&asker, &listeners));
  EXPECT_EQ(asker, 6u) << "the first that asked";
}

TEST_F(ServerTableTest, PassesOnWhyItCannotListen) {
  const std::uint64_t server = *table_.Open();
  ASSERT_TRUE(table_.Listen(server, TestAddress(1, 100)).ok());
  EXPECT_EQ(table_.Listen(server, TestAddress(1, 100)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(table_.Listen(server, TestAddress(2, 100)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(table_.listener_count(), 1u);
}

TEST_F(ServerTableTest, ClosesOnceNoCallIsInWork) {
  const std::uint64_t server = *table_.Open();
  ASSERT_TRUE(table_.AddMethod(server, 7, "/a.A/Do", 1, 2, 3).ok());
  ASSERT_TRUE(table_.Listen(server, TestAddress(1, 100)).ok());
  ASSERT_TRUE(table_.Listen(server, TestAddress(1, 101)).ok());
  table_.CallStarted(lh_handle_index(server));
  table_.CallStarted(lh_handle_index(server));

  std::uint32_t asker = 0;
  std::vector<std::uint32_t> listeners;
  EXPECT_FALSE(table_.TakeClosed(&asker, &listeners)) << "it is open";
  ASSERT_TRUE(table_.Close(server, 5, kNever).ok());
  EXPECT_FALSE(table_.TakeClosed(&asker, &listeners));
  Find(0, 7);
  EXPECT_TRUE(closing_);
  table_.CallEnded(lh_handle_index(server));
  EXPECT_FALSE(table_.TakeClosed(&asker, &listeners));
  table_.CallEnded(lh_handle_index(server));
  ASSERT_TRUE(table_.TakeClosed(&asker, &listeners));
  EXPECT_EQ(asker, 5u);
  EXPECT_EQ(listeners, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_FALSE(table_.TakeClosed(&asker, &listeners)) << "twice";

  // Calls that still come are refused until the listener is gone.
  EXPECT_EQ(Find(0, 7), nullptr);
  EXPECT_TRUE(closing_);
  for (const std::uint32_t listener : listeners) {
    table_.RemoveListener(listener);
    EXPECT_EQ(table_.wire(listener), nullptr);
  }
}

TEST_F(ServerTableTest, ClosesEachOfSeveral) {
  const std::uint64_t a = *table_.Open();
  const std::uint64_t b = *table_.Open();
  const std::uint64_t c = *table_.Open();
  ASSERT_TRUE(table_.Listen(b, TestAddress(1, 100)).ok());
  ASSERT_TRUE(table_.Listen(a, TestAddress(1, 101)).ok());
  ASSERT_TRUE(table_.Close(b, 2, kNever).ok());
  ASSERT_TRUE(table_.Close(a, 1, kNever).ok());
  std::vector<std::uint32_t> askers;
  std::vector<std::uint32_t> listeners;
  std::uint32_t asker = 0;
  while (table_.TakeClosed(&asker, &listeners)) {
    askers.push_back(asker);
    ASSERT_EQ(listeners.size(), 1u);
    EXPECT_EQ(listeners[0], asker == 1 ? 1u : 0u);
    table_.RemoveListener(listeners[0]);
    listeners.clear();
  }
  EXPECT_EQ(askers.size(), 2u);
  EXPECT_TRUE(table_.AddMethod(c, 1, "/c.C/Do", 1, 2, 3).ok()) << "c is open";
}

TEST_F(ServerTableTest, ReusesWhatIsGoneUnderANewName) {
  const std::uint64_t old = *table_.Open();
  ASSERT_TRUE(table_.AddMethod(old, 7, "/a.A/Do", 1, 2, 3).ok());
  ASSERT_TRUE(table_.Listen(old, TestAddress(1, 100)).ok());
  ASSERT_TRUE(table_.Close(old, 0, kNever).ok());
  std::uint32_t asker = 0;
  std::vector<std::uint32_t> listeners;
  ASSERT_TRUE(table_.TakeClosed(&asker, &listeners));
  table_.RemoveListener(0);

  const std::uint64_t fresh = *table_.Open();
  EXPECT_NE(fresh, old);
  // The port, the listener's number and the methods' ids are free again.
  ASSERT_TRUE(table_.Listen(fresh, TestAddress(1, 100)).ok());
  EXPECT_EQ(table_.listener_count(), 1u);
  EXPECT_EQ(Find(0, 7), nullptr);
  EXPECT_FALSE(closing_);
  EXPECT_TRUE(table_.AddMethod(fresh, 7, "/b.B/Do", 4, 5, 6).ok());
  EXPECT_EQ(Find(0, 7)->code, 4u);
  EXPECT_EQ(table_.Close(old, 0, kNever).code(), absl::StatusCode::kNotFound);
}

TEST_F(ServerTableTest, AProcessHasAtMostSoManyServersAndListeners) {
  std::vector<std::uint64_t> servers;
  for (std::uint32_t i = 0; i < ServerTable::kMaxServers; ++i) {
    servers.push_back(*table_.Open());
  }
  const absl::Status open = table_.Open().status();
  EXPECT_EQ(open.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(open.message().find("64 servers"), absl::string_view::npos);
  for (std::uint16_t i = 0; i < ServerTable::kMaxListeners; ++i) {
    ASSERT_TRUE(table_.Listen(servers[0], Address()).ok());
  }
  const absl::Status listen = table_.Listen(servers[1], Address()).status();
  EXPECT_EQ(listen.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(listen.message().find("64 addresses"), absl::string_view::npos);
  // Others find the place of those that are gone.
  table_.RemoveListener(7);
  EXPECT_TRUE(table_.Listen(servers[1], Address()).ok());
  ASSERT_TRUE(table_.Close(servers[5], 0, kNever).ok());
  std::uint32_t asker;
  std::vector<std::uint32_t> listeners;
  ASSERT_TRUE(table_.TakeClosed(&asker, &listeners));
  EXPECT_TRUE(table_.Open().ok());
}

}  // namespace
}  // namespace lauberhorn::nic
