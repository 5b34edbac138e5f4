// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Each peer brings back what was sent, in every kind of load, and the driver
// says what its threads used. Nothing here depends on time.

#include "bench/echo_peers.h"

#include <memory>
#include <set>
#include <string>

#include "bench/call_costs.h"
#include "bench/load_process.h"
#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

class EchoPeersTest : public testing::TestWithParam<PeerKind> {};

// Ends when the first call has been answered.
Load Closed(std::uint32_t outstanding) {
  return {Arrivals::kClosed, outstanding, 0, 1e-9, 1};
}

TEST_P(EchoPeersTest, EchoesEveryMessageAtEveryLoad) {
  for (const Message& message :
       {Message::Bytes(0), Message::Bytes(1024), Message::Record()}) {
    const auto process = LoadProcess::Start(
        GetParam(), message, ForkedServer::kAnyCpu, ForkedServer::kAnyCpu);
    ASSERT_TRUE(process.ok()) << process.status();
    for (const std::uint32_t outstanding : {1u, 5u}) {
      LoadOutcome outcome;
      const absl::Status status =
          (*process)->Run(Closed(outstanding), &outcome);
      if (ThreadsFor(GetParam(), Closed(outstanding)) == 0) {
        EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
        continue;
      }
      ASSERT_TRUE(status.ok()) << message.name() << ": " << status;
      EXPECT_GE(outcome.result.latencies.count(), 1u);
      EXPECT_GT(outcome.result.latencies.max(), 0u);
      EXPECT_EQ(outcome.usage.count({"client", "load"}), 1u);
      std::set<std::string> processes;
      for (const auto& used : outcome.usage) processes.insert(used.first.first);
      EXPECT_EQ(processes.size(), 2u);
    }
    LoadOutcome outcome;
    const Load open = {Arrivals::kPoisson, 0, 1000, 0.02, 1};
    const absl::Status status = (*process)->Run(open, &outcome);
    ASSERT_TRUE(status.ok()) << message.name() << ": " << status;
    EXPECT_EQ(outcome.result.latencies.count() + outcome.result.unsent,
              DueTimes(open).size());
  }
}

TEST_P(EchoPeersTest, CallsCanBeCounted) {
  const auto costs = CountCosts(GetParam(), Message::Bytes(64), 20);
  if (costs.status().code() == absl::StatusCode::kPermissionDenied) {
    GTEST_SKIP() << "ptrace is not allowed here";
  }
  ASSERT_TRUE(costs.ok()) << costs.status();
  if (!GetParam().spins) {
    EXPECT_GE(costs->syscalls, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EchoPeersTest,
                         testing::ValuesIn(Peers().begin(), Peers().end()),
                         [](const testing::TestParamInfo<PeerKind>& peer) {
                           std::string name;
                           for (const char* at = peer.param.name; *at != 0;
                                ++at) {
                             name += *at == '-' ? '_' : *at;
                           }
                           return name;
                         });

}  // namespace
}  // namespace lauberhorn::bench
