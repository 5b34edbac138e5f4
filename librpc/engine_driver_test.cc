// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What must hold whoever drives the engine of an embedded device, and is not
// plain if the threads that wait do: handlers that block, very many threads,
// forks, and ends in all states.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/call_queue.h"
#include "lauberhorn/server_call.h"
#include "librpc/embedded_device.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using ::testing::HasSubstr;
using testing::OpenRuntime;
using testing::Patient;
using testing::TestServer;

TEST(EngineDriverOfTest, TheOptionCountsMoreThanTheEnvironment) {
  EXPECT_EQ(*EngineDriverOf("", "thread", 2), EngineDriver::kThread);
  EXPECT_EQ(*EngineDriverOf("", "fused", 2), EngineDriver::kFused);
  EXPECT_EQ(*EngineDriverOf("fused", "thread", 2), EngineDriver::kFused);
  EXPECT_EQ(*EngineDriverOf("thread", "none", 2), EngineDriver::kThread);
  EXPECT_EQ(*EngineDriverOf("", "spin", 2), EngineDriver::kSpin);
}

TEST(EngineDriverOfTest, WithFewCpusNoneIsKeptForTheEngine) {
  EXPECT_EQ(*EngineDriverOf("", "", 1), EngineDriver::kFused);
  EXPECT_EQ(*EngineDriverOf("", "", 4), EngineDriver::kFused);
  EXPECT_EQ(*EngineDriverOf("", "", 5), EngineDriver::kThread);
  EXPECT_EQ(*EngineDriverOf("", "fused", 64), EngineDriver::kFused);
  EXPECT_EQ(*EngineDriverOf("thread", "", 1), EngineDriver::kThread);
}

TEST(EngineDriverOfTest, WhatIsNoneIsRefusedByTheNameOfWhoSaidIt) {
  const absl::Status option = EngineDriverOf("fast", "", 2).status();
  EXPECT_EQ(option.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(option.message()),
              HasSubstr("RuntimeOptions::engine is 'fast'; it must be thread, "
                        "fused, or spin"));
  EXPECT_THAT(std::string(EngineDriverOf("", "Fused", 2).status().message()),
              HasSubstr("LAUBERHORN_ENGINE is 'Fused'"));
  RuntimeOptions options;
  options.engine = "fast";
  EXPECT_EQ(Runtime::Open(options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

class EngineDriverTest : public ::testing::TestWithParam<const char*> {
 protected:
  static RuntimeOptions Options() {
    RuntimeOptions options;
    options.engine = GetParam();
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(Drivers, EngineDriverTest,
                         ::testing::Values("thread", "fused"),
                         [](const auto& which) { return which.param; });

// One handler computes at a time, and it blocks until all others have been
// answered. That they are is what is tested, not when.
TEST_P(EngineDriverTest, OthersAreAnsweredWhileAHandlerBlocks) {
  RuntimeOptions options = Options();
  options.workers = 1;
  TestServer server(OpenRuntime(options));
  const std::shared_ptr<Runtime> runtime = OpenRuntime(Options());
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  EXPECT_EQ(*Call(*client, "Echo", "first"), "first");
  std::thread blocked(
      [&] { EXPECT_EQ(*Call(*client, "WaitToLeave", ""), "left"); });
  server.service.entered.wait();
  for (int call = 0; call < 20; ++call) {
    EXPECT_EQ(*Call(*client, "Echo", absl::StrCat(call)), absl::StrCat(call));
  }
  server.service.leave.count_down();
  blocked.join();
}

// The same in one process, whose one worker blocks in a handler of another's
// server until this process's own calls have ended.
TEST_P(EngineDriverTest, AProcessGetsItsAnswersWhileItsOnlyWorkerBlocks) {
  RuntimeOptions options = Options();
  options.workers = options.max_workers = 1;
  const std::shared_ptr<Runtime> both = OpenRuntime(options);
  TestServer mine(both);
  const std::shared_ptr<Runtime> far = OpenRuntime(Options());
  TestServer other(far);
  const std::shared_ptr<Client> to_mine = Connect(far, mine.target());
  const std::shared_ptr<Client> to_other = Connect(both, other.target());
  std::thread blocked(
      [&] { EXPECT_EQ(*Call(*to_mine, "WaitToLeave", ""), "left"); });
  mine.service.entered.wait();
  for (int call = 0; call < 20; ++call) {
    EXPECT_EQ(*Call(*to_other, "Echo", absl::StrCat(call)), absl::StrCat(call));
  }
  mine.service.leave.count_down();
  blocked.join();
}

// Handlers that all take one lock. Whoever has it waits until all others are
// there, and they wait for the lock.
struct Crowd {
  static constexpr int kHandlers = 8;
  std::latch entered{kHandlers};
  std::mutex lock;
};

void EnterCrowd(void* service, ServerCall& call) {
  Crowd& crowd = *static_cast<Crowd*>(service);
  crowd.entered.count_down();
  {
    const std::lock_guard<std::mutex> lock(crowd.lock);
    crowd.entered.wait();
  }
  call.ReserveReply(0);
  call.Reply();
}

constexpr Method kCrowdMethods[] = {{"/test.Crowd/Enter", &EnterCrowd}};

TEST_P(EngineDriverTest, HandlersBlockOnALockThatAnotherHas) {
  RuntimeOptions options = Options();
  options.workers = 2;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  Crowd crowd;
  const std::unique_ptr<Server> server = *Server::Create(runtime);
  ASSERT_TRUE(server->AddService(kCrowdMethods, &crowd).ok());
  const std::string target =
      absl::StrCat("127.0.0.1:", *server->Listen("127.0.0.1:0"));
  const std::shared_ptr<Client> client =
      Connect(OpenRuntime(Options()), target);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < Crowd::kHandlers; ++caller) {
    callers.emplace_back([&client] {
      const absl::string_view name = kCrowdMethods[0].name;
      UnaryCall call(*client, name, MethodId(name));
      call.ReserveRequest(0);
      EXPECT_EQ(call.Run(Patient()), absl::OkStatus());
    });
  }
  for (std::thread& caller : callers) caller.join();
  server->Shutdown();
}

// A thousand threads that wait for calls of their own, and a thousand that wait
// for one queue; all of them get theirs.
TEST_P(EngineDriverTest, TwoThousandThreadsWait) {
  constexpr int kThreads = 1000;
  TestServer server(OpenRuntime(Options()));
  RuntimeOptions options = Options();
  options.endpoints = 1024;
  options.max_calls = 2 * kThreads;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  const std::unique_ptr<CallQueue> queue =
      *CallQueue::Create(runtime, CallQueueOptions());
  std::atomic<int> answered{0};
  std::atomic<int> fetched{0};
  std::latch ready(kThreads + 1);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      ready.arrive_and_wait();
      for (int call = 0; call < 2; ++call) {
        if (Call(*client, "Echo", "x").ok()) ++answered;
      }
    });
    threads.emplace_back([&] {
      Completion done;
      if (queue->Next(&done) && done.status().ok()) ++fetched;
    });
  }
  ready.arrive_and_wait();
  const std::string name = "/test.Service/Echo";
  for (int call = 0; call < kThreads; ++call) {
    EXPECT_TRUE(
        queue
            ->Start(*client, {name, MethodId(name), {}, {}}, Patient(), nullptr)
            .ok());
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 2 * kThreads);
  EXPECT_EQ(fetched, kThreads);
}

// In the child of a fork: how a call ends there, as an exit code, and whether
// the same client reaches the server by the child's own NIC then.
int CallInChild(Client& client) {
  const absl::StatusCode first = Call(client, "Echo", "child").status().code();
  if (first != absl::StatusCode::kUnavailable) {
    return 10 + static_cast<int>(first);
  }
  CallOptions options = Patient();
  options.wait_for_ready = true;
  return Call(client, "Echo", "child", options).ok() ? 0 : 1;
}

TEST_P(EngineDriverTest, AForkedChildHasANicOfItsOwn) {
  TestServer server(OpenRuntime(Options()));
  const std::shared_ptr<Runtime> runtime = OpenRuntime(Options());
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  EXPECT_EQ(*Call(*client, "Echo", "before"), "before");
  const pid_t child = fork();
  if (child == 0) _exit(CallInChild(*client));
  int status = -1;
  // Meanwhile the parent goes on.
  EXPECT_EQ(*Call(*client, "Echo", "meanwhile"), "meanwhile");
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(*Call(*client, "Echo", "after"), "after");
}

// What the process was at when it exits: nobody waits for its threads.
enum class At { kNothing, kServing, kCalling, kBlocking, kFetching };

[[noreturn]] void ExitAt(const RuntimeOptions& options, At at) {
  auto& server = *new TestServer(OpenRuntime(options));
  auto& client = *new std::shared_ptr<Client>(
      Connect(OpenRuntime(options), server.target()));
  if (!Call(*client, "Echo", "x").ok()) std::exit(1);
  switch (at) {
    case At::kNothing:
      absl::SleepFor(absl::Milliseconds(5));
      break;
    case At::kServing:
      break;
    case At::kCalling:
      for (int thread = 0; thread < 4; ++thread) {
        std::thread([&client] {
          for (;;) (void)Call(*client, "Echo", "x");
        }).detach();
      }
      absl::SleepFor(absl::Milliseconds(5));
      break;
    case At::kBlocking:
      std::thread([&client] {
        (void)Call(*client, "WaitToLeave", "");
      }).detach();
      server.service.entered.wait();
      break;
    case At::kFetching: {
      auto& queue = *new std::unique_ptr<CallQueue>(
          *CallQueue::Create(OpenRuntime(options), CallQueueOptions()));
      for (int thread = 0; thread < 3; ++thread) {
        std::thread([&queue] {
          Completion done;
          (void)queue->Next(&done);
        }).detach();
      }
      break;
    }
  }
  std::exit(0);
}

TEST_P(EngineDriverTest, TheProcessExitsInEveryState) {
  for (const At at : {At::kNothing, At::kServing, At::kCalling, At::kBlocking,
                      At::kFetching}) {
    for (int round = 0; round < 3; ++round) {
      EXPECT_EXIT(ExitAt(Options(), at), ::testing::ExitedWithCode(0), "");
    }
  }
}

// Nobody waits any more; the thread that stands by may be at anything.
TEST_P(EngineDriverTest, TheRuntimeEndsInEveryState) {
  for (int round = 0; round < 40; ++round) {
    const std::shared_ptr<Runtime> runtime = OpenRuntime(Options());
    if (round % 4 == 0) continue;
    TestServer server(OpenRuntime(Options()));
    const std::shared_ptr<Client> client = Connect(runtime, server.target());
    if (round % 4 == 1) continue;
    EXPECT_EQ(*Call(*client, "Echo", "x"), "x");
    if (round % 4 == 2) continue;
    const std::unique_ptr<CallQueue> queue =
        *CallQueue::Create(runtime, CallQueueOptions());
    const std::string name = "/test.Service/Echo";
    EXPECT_TRUE(
        queue
            ->Start(*client, {name, MethodId(name), {}, {}}, Patient(), nullptr)
            .ok());
  }
}

}  // namespace
}  // namespace lauberhorn
