// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The network that other tests stand on.

#include "nic/testing/memory_wire.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nic/testing/host_side.h"

namespace lauberhorn::nic::testing {
namespace {

std::unique_ptr<Wire> Listen(MemoryNetwork& network, const Address& address) {
  auto wire = network.Host(address)->Listen(address);
  EXPECT_TRUE(wire.ok()) << wire.status();
  return *std::move(wire);
}

// What arrived at the wire, in order.
std::vector<std::string> ReceiveAll(Wire& wire) {
  std::vector<std::string> packets;
  for (auto batch = wire.Receive(); !batch.empty(); batch = wire.Receive()) {
    EXPECT_LE(batch.size(), Wire::kBatch);
    for (const Datagram& datagram : batch) {
      packets.push_back(Text(datagram.bytes));
    }
  }
  return packets;
}

TEST(MemoryWireTest, CarriesPacketsAtOnceAndInOrder) {
  MemoryNetwork network(1);
  const auto a = Listen(network, TestAddress(1, 10));
  const auto b = Listen(network, TestAddress(2, 10));
  a->Send(b->local(), Bytes("one"));
  a->Send(b->local(), Bytes("two"));
  a->Send(b->local(), Bytes(""));
  const absl::Span<const Datagram> batch = b->Receive();
  ASSERT_EQ(batch.size(), 3u);
  EXPECT_EQ(Text(batch[0].bytes), "one");
  EXPECT_EQ(Text(batch[1].bytes), "two");
  EXPECT_EQ(Text(batch[2].bytes), "");
  EXPECT_EQ(batch[0].from, TestAddress(1, 10));
  EXPECT_EQ(ReceiveAll(*b), std::vector<std::string>{});
  EXPECT_EQ(ReceiveAll(*a), std::vector<std::string>{});
}

TEST(MemoryWireTest, GivesBatches) {
  MemoryNetwork network(1);
  const auto a = Listen(network, TestAddress(1, 10));
  const auto b = Listen(network, TestAddress(2, 10));
  std::vector<std::string> sent;
  for (std::size_t i = 0; i < 2 * Wire::kBatch + 1; ++i) {
    sent.push_back(std::to_string(i));
    a->Send(b->local(), Bytes(sent.back()));
  }
  EXPECT_EQ(ReceiveAll(*b), sent);
}

TEST(MemoryWireTest, GivesAddressesAsAHostDoes) {
  MemoryNetwork network(1);
  const auto host = network.Host(TestAddress(1));
  const auto first = host->Open();
  const auto second = host->Listen(Address());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE((*first)->local(), (*second)->local());
  EXPECT_NE((*first)->local().port(), 0);
  EXPECT_EQ(host->Listen((*first)->local()).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(host->Listen(TestAddress(2, 1)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(MemoryWireTest, LosesWhatNobodyIsThereFor) {
  MemoryNetwork network(1);
  const auto a = Listen(network, TestAddress(1, 10));
  a->Send(TestAddress(2, 10), Bytes("early"));
  auto b = Listen(network, TestAddress(2, 10));
  a->Send(b->local(), Bytes("there"));
  b.reset();
  b = Listen(network, TestAddress(2, 10));
  EXPECT_EQ(ReceiveAll(*b), std::vector<std::string>{});
  EXPECT_EQ(network.totals().unreachable, 1u);
}

TEST(MemoryWireTest, SaysWhereNobodyIs) {
  MemoryNetwork network(1);
  const auto a = Listen(network, TestAddress(1, 10));
  a->Send(TestAddress(2, 10), Bytes("lost"));
  EXPECT_TRUE(a->Unreachable().empty()) << "not asked for";
  network.set_faults({.refusals = true});
  a->Send(TestAddress(2, 10), Bytes("lost"));
  const absl::Span<const Address> heard = a->Unreachable();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0], TestAddress(2, 10));
  EXPECT_TRUE(a->Unreachable().empty()) << "twice";
}

TEST(MemoryWireTest, DelaysAndFilters) {
  MemoryNetwork network(1);
  const auto a = Listen(network, TestAddress(1, 10));
  const auto b = Listen(network, TestAddress(2, 10));
  network.set_faults({.min_delay = 5, .max_delay = 5});
  network.Advance(100);
  a->Send(b->local(), Bytes("late"));
  EXPECT_EQ(network.Next(), 105u);
  network.Advance(104);
  EXPECT_EQ(ReceiveAll(*b), std::vector<std::string>{});
  network.Advance(105);
  EXPECT_EQ(ReceiveAll(*b), std::vector<std::string>{"late"});
  EXPECT_EQ(network.Next(), kNever);
  network.set_filter([](const Address&, const Address&,
                        absl::Span<const std::uint8_t> packet) {
    return Text(packet) != "bad";
  });
  a->Send(b->local(), Bytes("bad"));
  a->Send(b->local(), Bytes("good"));
  network.Advance(200);
  EXPECT_EQ(ReceiveAll(*b), std::vector<std::string>{"good"});
  EXPECT_EQ(network.totals().lost, 1u);
}

TEST(MemoryWireTest, Translates) {
  MemoryNetwork network(1);
  const auto a = Listen(network, TestAddress(1, 10));
  const auto b = Listen(network, TestAddress(2, 10));
  for (std::uint16_t port = 20; port <= 21; ++port) {
    const Address outside = TestAddress(9, port);
    network.Translate(a->local(), outside);
    a->Send(b->local(), Bytes("out"));
    const absl::Span<const Datagram> batch = b->Receive();
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(batch[0].from, outside);
    b->Send(outside, Bytes("back"));
    b->Send(a->local(), Bytes("nobody"));
    EXPECT_EQ(ReceiveAll(*a), std::vector<std::string>{"back"});
  }
  b->Send(TestAddress(9, 20), Bytes("nobody any more"));
  EXPECT_EQ(ReceiveAll(*a), std::vector<std::string>{});
  EXPECT_EQ(network.totals().unreachable, 3u);
}

std::vector<std::string> FaultyRun(std::uint64_t seed,
                                   MemoryNetwork::Totals* totals) {
  MemoryNetwork network(seed);
  network.set_faults({.loss = 100,
                      .duplication = 100,
                      .reordering = 100,
                      .corruption = 100,
                      .truncation = 100,
                      .min_delay = 1,
                      .max_delay = 100});
  const auto a = Listen(network, TestAddress(1, 10));
  const auto b = Listen(network, TestAddress(2, 10));
  std::vector<std::string> all;
  for (Nanos now = 0; now < 2000; ++now) {
    network.Advance(now);
    if (now < 1000) a->Send(b->local(), Bytes(std::to_string(now) + " packet"));
    for (std::string& packet : ReceiveAll(*b)) all.push_back(std::move(packet));
  }
  *totals = network.totals();
  return all;
}

TEST(MemoryWireTest, DoesAllItsHarmAndTheSameEveryTime) {
  MemoryNetwork::Totals totals, again;
  const std::vector<std::string> first = FaultyRun(1, &totals);
  EXPECT_EQ(first, FaultyRun(1, &again));
  EXPECT_NE(first, FaultyRun(2, &again));
  EXPECT_EQ(totals.sent, 1000u);
  for (const std::uint64_t count :
       {totals.lost, totals.duplicated, totals.reordered, totals.corrupted,
        totals.truncated}) {
    EXPECT_GT(count, 50u);
    EXPECT_LT(count, 200u);
  }
  EXPECT_EQ(totals.received, totals.sent - totals.lost + totals.duplicated);
}

}  // namespace
}  // namespace lauberhorn::nic::testing
