// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Servers in processes of their own, and what is seen of a process.

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

#include "bench/echo_peers.h"
#include "bench/forked_server.h"
#include "bench/process_sample.h"
#include "bench/thread_usage.h"
#include "gtest/gtest.h"

namespace lauberhorn::bench {
namespace {

TEST(ForkedServerTest, TellsItsPortAndStops) {
  const auto server = ForkedServer::Start(
      ForkedServer::kAnyCpu, [](const ForkedServer::UntilStopped& wait) {
        wait(4711);
        return 0;
      });
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->port(), 4711);
  EXPECT_EQ(kill((*server)->pid(), 0), 0);
}

TEST(ForkedServerTest, SaysThatItDidNotStart) {
  const auto server =
      ForkedServer::Start(ForkedServer::kAnyCpu,
                          [](const ForkedServer::UntilStopped&) { return 1; });
  EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
  const auto nowhere = ForkedServer::Start(
      1'000'000, [](const ForkedServer::UntilStopped& wait) {
        wait(1);
        return 0;
      });
  EXPECT_EQ(nowhere.status().code(), absl::StatusCode::kUnavailable);
}

TEST(ProcessSampleTest, SwitchesAndMemoryOfThisProcessGrow) {
  const auto before = SampleProcess(getpid());
  ASSERT_TRUE(before.ok()) << before.status();
  constexpr std::size_t kMore = 32 << 20;
  std::vector<char> memory(kMore);
  std::memset(memory.data(), 1, memory.size());
  for (int i = 0; i < 10; ++i) usleep(1000);
  const auto after = SampleProcess(getpid());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->switches - before->switches, 10u);
  EXPECT_GE(after->rss_mib - before->rss_mib, 30);
  EXPECT_GT(after->cpu_seconds, before->cpu_seconds);
  EXPECT_EQ(after->threads, 1);
  EXPECT_EQ(memory[kMore / 2], 1);
}

TEST(ProcessSampleTest, AnotherProcessIsSeen) {
  const auto busy = ForkedServer::Start(
      ForkedServer::kAnyCpu, [](const ForkedServer::UntilStopped& wait) {
        constexpr double kSeconds = 0.02;
        for (int i = 0; i < 10; ++i) usleep(1000);
        while (static_cast<double>(clock()) / CLOCKS_PER_SEC < kSeconds) {
        }
        wait(1);
        return 0;
      });
  ASSERT_TRUE(busy.ok()) << busy.status();
  const auto sample = SampleProcess((*busy)->pid());
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_GE(sample->cpu_seconds, 0.019);
  EXPECT_GE(sample->switches, 10u);
  EXPECT_GT(sample->rss_mib, 0);
}

TEST(ProcessSampleTest, NoProcessIsNotFound) {
  EXPECT_EQ(SampleProcess(1 << 30).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ThreadUsageTest, ThreadsAreKnownByNameWithoutTheirNumbers) {
  std::atomic<int> ready{0};
  std::atomic<bool> stop{false};
  const auto work = [&](const char* name) {
    pthread_setname_np(pthread_self(), name);
    for (int i = 0; i < 10; ++i) usleep(1000);
    ++ready;
    while (!stop) usleep(1000);
  };
  const ThreadUsages before = SampleThreads(getpid());
  std::thread first([&] { work("pool-1"); });
  std::thread second([&] { work("pool-22"); });
  while (ready < 2) usleep(1000);
  const auto used = UsageBetween(before, SampleThreads(getpid()));
  stop = true;
  first.join();
  second.join();
  ASSERT_EQ(used.count("pool"), 1u);
  EXPECT_GE(used.at("pool").wakeups, 20u);
  EXPECT_GT(used.at("pool").cpu_ns, 0u);
}

TEST(ThreadUsageTest, NoProcessHasNoThreads) {
  EXPECT_TRUE(SampleThreads(1 << 30).empty());
}

absl::Status CallOurs(Peer& peer, int port) {
  const EchoClientOr client = peer.Connect(port);
  return client.ok() ? (*client)->Call() : client.status();
}

// Last: it starts the threads of this process's runtime.
TEST(EchoLauberhornTest, AnswersWithTheRequest) {
  for (const std::size_t size : {64u, 0u, 1000u}) {
    const auto peer = MakeLauberhorn(Message::Bytes(size));
    const auto server = ForkedServer::Start(
        ForkedServer::kAnyCpu,
        [&peer](const ForkedServer::UntilStopped& until_stopped) {
          return peer->Serve(until_stopped);
        });
    ASSERT_TRUE(server.ok()) << server.status();
    const absl::Status status = CallOurs(*peer, (*server)->port());
    EXPECT_TRUE(status.ok()) << status;
    const auto large = MakeLauberhorn(Message::Bytes(100'000));
    EXPECT_EQ(CallOurs(*large, (*server)->port()).code(),
              absl::StatusCode::kResourceExhausted);
  }
}

TEST(ProcessWatchTest, SeesWhoSleepsMeanwhile) {
  const absl::StatusOr<ProcessWatch> watch = WatchProcess(getpid(), 0.01);
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_GE(watch->seconds, 0.01);
  EXPECT_GE(watch->switches(), 1);  // this thread's own
  EXPECT_GT(watch->cpu_seconds(), 0);
  EXPECT_FALSE(WatchProcess(-1, 0).ok());
}

}  // namespace
}  // namespace lauberhorn::bench
