// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls from end to end: client, NIC, wire, NIC, server, and back.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kLargest = 1392;

// A call to any of these that hangs is ended by the deadline and fails the
// test.
constexpr absl::Duration kPatience = absl::Seconds(60);

struct Service {
  std::string name = "one";
  std::atomic<int> runs{0};
  std::latch entered{1};
  std::latch leave{1};
  std::atomic<bool> saw_cancel{false};
  Client* self = nullptr;  // to this process
};

Service& In(void* service) { return *static_cast<Service*>(service); }

void Answer(ServerCall& call, absl::string_view text) {
  std::uint8_t* const to = call.ReserveReply(text.size());
  if (to == nullptr) return;
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  call.Reply();
}

absl::string_view Text(absl::Span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void Echo(void* service, ServerCall& call) {
  ++In(service).runs;
  Answer(call, Text(call.request()));
}

void Name(void* service, ServerCall& call) { Answer(call, In(service).name); }

void Grow(void*, ServerCall& call) {
  Answer(call, std::string(kLargest + 1, 'x'));
}

void Refuse(void*, ServerCall& call) {
  call.Fail(absl::StatusCode::kNotFound, "no such key");
  // Only the first answer counts.
  call.Fail(absl::StatusCode::kInternal, "again");
  Answer(call, "again");
}

void FailOk(void*, ServerCall& call) {
  call.Fail(absl::StatusCode::kOk, "not an error");
}

void Throw(void*, ServerCall&) { throw std::runtime_error("out of paper"); }

void Forget(void*, ServerCall&) {}

void WaitToLeave(void* service, ServerCall& call) {
  In(service).entered.count_down();
  In(service).leave.wait();
  Answer(call, "left");
}

void WaitForCancel(void* service, ServerCall& call) {
  if (call.deadline() == absl::InfiniteFuture()) {
    return call.Fail(absl::StatusCode::kInvalidArgument, "no deadline");
  }
  In(service).entered.count_down();
  while (!call.IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  In(service).saw_cancel = true;
  Answer(call, "too late");
}

// Calls itself as often as the request says.
void Nest(void* service, ServerCall& call) {
  ++In(service).runs;
  int depth = 0;
  if (!absl::SimpleAtoi(Text(call.request()), &depth) || depth == 0) {
    return Answer(call, "bottom");
  }
  const std::string name = "/test.Service/Nest";
  const std::string request = absl::StrCat(depth - 1);
  UnaryCall nested(*In(service).self, name, MethodId(name));
  std::memcpy(nested.ReserveRequest(request.size()), request.data(),
              request.size());
  CallOptions options;
  options.deadline = call.deadline();
  const absl::Status status = nested.Run(options);
  if (!status.ok()) return call.Fail(status.code(), status.message());
  Answer(call, absl::StrCat(Text(nested.reply()), "<", depth));
}

// Reserves its reply before it makes a call.
void NestBetween(void* service, ServerCall& call) {
  std::uint8_t* const to = call.ReserveReply(5);
  std::memcpy(to, "first", 5);
  const std::string name = "/test.Service/Name";
  UnaryCall nested(*In(service).self, name, MethodId(name));
  nested.ReserveRequest(0);
  if (!nested.Run({}).ok()) std::memcpy(to, "error", 5);
  call.Reply();
}

void EndThread(void*, ServerCall&) { pthread_exit(nullptr); }

void Sleep(void* service, ServerCall& call) {
  ++In(service).runs;
  absl::SleepFor(absl::Milliseconds(100));
  Answer(call, "slept");
}

constexpr Method kMethods[] = {
    {"/test.Service/Nest", &Nest},
    {"/test.Service/NestBetween", &NestBetween},
    {"/test.Service/EndThread", &EndThread},
    {"/test.Service/Sleep", &Sleep},
    {"/test.Service/Echo", &Echo},
    {"/test.Service/Name", &Name},
    {"/test.Service/Grow", &Grow},
    {"/test.Service/Refuse", &Refuse},
    {"/test.Service/FailOk", &FailOk},
    {"/test.Service/Throw", &Throw},
    {"/test.Service/Forget", &Forget},
    {"/test.Service/WaitToLeave", &WaitToLeave},
    {"/test.Service/WaitForCancel", &WaitForCancel},
};

std::shared_ptr<Runtime> OpenRuntime(const RuntimeOptions& options = {}) {
  absl::StatusOr<std::shared_ptr<Runtime>> runtime = Runtime::Open(options);
  EXPECT_TRUE(runtime.ok()) << runtime.status();
  return *std::move(runtime);
}

// A server with all methods on a port of its own.
struct TestServer {
  explicit TestServer(const std::shared_ptr<Runtime>& runtime,
                      absl::string_view address = "127.0.0.1:0") {
    absl::StatusOr<std::unique_ptr<Server>> created = Server::Create(runtime);
    EXPECT_TRUE(created.ok()) << created.status();
    server = *std::move(created);
    EXPECT_EQ(server->AddService(kMethods, &service), absl::OkStatus());
    absl::StatusOr<int> listening = server->Listen(address);
    EXPECT_TRUE(listening.ok()) << listening.status();
    port = *listening;
  }
  std::string target() const { return absl::StrCat("127.0.0.1:", port); }

  Service service;
  std::unique_ptr<Server> server;
  int port;
};

std::shared_ptr<Client> Connect(const std::shared_ptr<Runtime>& runtime,
                                absl::string_view target) {
  absl::StatusOr<std::shared_ptr<Client>> client =
      Client::Connect(runtime, target);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

CallOptions Patient() {
  CallOptions options;
  options.deadline = absl::Now() + kPatience;
  return options;
}

absl::StatusOr<std::string> Call(Client& client, absl::string_view method,
                                 absl::string_view request,
                                 const CallOptions& options = Patient()) {
  const std::string name = absl::StrCat("/test.Service/", method);
  UnaryCall call(client, name, MethodId(name));
  std::uint8_t* const to = call.ReserveRequest(request.size());
  if (to != nullptr && !request.empty()) {
    std::memcpy(to, request.data(), request.size());
  }
  const absl::Status status = call.Run(options);
  if (!status.ok()) return status;
  return std::string(Text(call.reply()));
}

class RpcTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Call(absl::string_view method,
                                   absl::string_view request,
                                   const CallOptions& options = Patient()) {
    return lauberhorn::Call(*client_, method, request, options);
  }

  std::shared_ptr<Runtime> server_runtime_ = OpenRuntime();
  TestServer server_{server_runtime_};
  std::shared_ptr<Runtime> runtime_ = OpenRuntime();
  std::shared_ptr<Client> client_ = Connect(runtime_, server_.target());
};

TEST_F(RpcTest, EchoesEverySizeAroundTheBorders) {
  for (const std::size_t size :
       {0u, 1u, 79u, 80u, 81u, 127u, 128u, 129u, 1391u, 1392u}) {
    std::string request(size, '\0');
    for (std::size_t at = 0; at < size; ++at) {
      request[at] = static_cast<char>(at * 31 + size);
    }
    const absl::StatusOr<std::string> reply = Call("Echo", request);
    ASSERT_TRUE(reply.ok()) << size << ": " << reply.status();
    EXPECT_EQ(*reply, request) << size;
  }
  EXPECT_EQ(server_.service.runs, 10);
}

TEST_F(RpcTest, MessagesThatAreTooLargeAreRefusedWithBothSizes) {
  const absl::Status request =
      Call("Echo", std::string(kLargest + 1, 'x')).status();
  EXPECT_EQ(request.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(request.message(), AllOf(HasSubstr("1393"), HasSubstr("1392")));
  const absl::Status reply = Call("Grow", "").status();
  EXPECT_EQ(reply.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(reply.message(), AllOf(HasSubstr("1393"), HasSubstr("1392")));
}

TEST_F(RpcTest, TheFirstAnswerOfAHandlerCounts) {
  const absl::Status status = Call("Refuse", "").status();
  EXPECT_EQ(status, absl::NotFoundError("no such key"));
  // The worker goes on.
  EXPECT_EQ(*Call("Echo", "still here"), "still here");
}

TEST_F(RpcTest, AHandlerThatThrowsIsAnsweredUnknown) {
  const absl::Status status = Call("Throw", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(status.message(), HasSubstr("out of paper"));
}

TEST_F(RpcTest, AHandlerThatForgetsToAnswerIsAnsweredInternal) {
  EXPECT_EQ(Call("Forget", "").status().code(), absl::StatusCode::kInternal);
}

TEST_F(RpcTest, AnUnknownMethodIsUnimplementedByName) {
  const absl::Status status = Call("Missing", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("/test.Service/Missing"));
}

TEST_F(RpcTest, TwoMethodsWithOneIdAreNotTakenForEachOther) {
  // The names differ, the ids are made the same.
  const std::uint64_t id = MethodId("/test.Service/Echo");
  const auto call = [&](const std::string& name) {
    UnaryCall unary(*client_, name, id);
    EXPECT_NE(unary.ReserveRequest(0), nullptr);
    return unary.Run(Patient());
  };
  EXPECT_TRUE(call("/test.Service/Echo").ok());
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = call("/test.Service/Other");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(),
                HasSubstr("/test.Service/Echo and /test.Service/Other"));
  }
  EXPECT_TRUE(call("/test.Service/Echo").ok());
  EXPECT_EQ(server_.service.runs, 2);
}

TEST_F(RpcTest, AServersMethodWithAnotherNameIsNotRun) {
  UnaryCall call(*client_, "/test.Service/Other",
                 MethodId("/test.Service/Echo"));
  ASSERT_NE(call.ReserveRequest(0), nullptr);
  const absl::Status status = call.Run(Patient());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(
      status.message(),
      HasSubstr("no method /test.Service/Other, but /test.Service/Echo"));
  EXPECT_EQ(server_.service.runs, 0);
}

TEST_F(RpcTest, ANameHasItsLimits) {
  for (const std::size_t size : {0u, 256u}) {
    const std::string name(size, 'n');
    UnaryCall call(*client_, name, MethodId(name));
    ASSERT_NE(call.ReserveRequest(0), nullptr);
    const absl::Status status = call.Run(Patient());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(std::to_string(size)));
  }
}

TEST_F(RpcTest, AProcessMayCallMoreMethodsThanTheNicKeepsNames) {
  for (int method = 0; method < 1100; ++method) {
    const absl::Status status = Call(std::to_string(method), "").status();
    ASSERT_EQ(status.code(), absl::StatusCode::kUnimplemented) << method;
    ASSERT_THAT(
        status.message(),
        HasSubstr(method < 1024 ? "/test.Service/" + std::to_string(method)
                                : "no such method"));
  }
  EXPECT_EQ(*Call("Echo", "x"), "x");
}

TEST_F(RpcTest, ADeadlineEndsTheCallAndTellsTheHandler) {
  CallOptions options;
  options.deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_EQ(Call("WaitForCancel", "", options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  server_.server->Shutdown();  // waits for the handler
  EXPECT_TRUE(server_.service.saw_cancel);
}

TEST_F(RpcTest, ADeadlineThatHasPassedNeverRunsTheHandler) {
  CallOptions options;
  options.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_EQ(Call("Echo", "x", options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*Call("Name", ""), "one");
  EXPECT_EQ(server_.service.runs, 0);
}

TEST_F(RpcTest, ACallIsMadeOnceAndOneAtATime) {
  const std::string name = "/test.Service/Echo";
  UnaryCall first(*client_, name, MethodId(name));
  ASSERT_NE(first.ReserveRequest(0), nullptr);
  EXPECT_TRUE(first.Run(Patient()).ok());
  EXPECT_EQ(first.Run(Patient()).code(), absl::StatusCode::kFailedPrecondition);
  // Its reply is still held.
  EXPECT_EQ(Call("Echo", "x").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RpcTest, ControlCommandsMayComeBetweenTheStepsOfACall) {
  const std::string name = "/test.Service/Echo";
  const std::string request = "short";
  UnaryCall call(*client_, name, MethodId(name));
  std::uint8_t* const to = call.ReserveRequest(request.size());
  ASSERT_NE(to, nullptr);
  std::memcpy(to, request.data(), request.size());
  const auto make_commands = [&] {
    // More than a lane has slots.
    for (int count = 0; count < 12; ++count) {
      Connect(runtime_, server_.target());
    }
  };
  make_commands();
  EXPECT_EQ(call.Run(Patient()), absl::OkStatus());
  make_commands();
  EXPECT_EQ(Text(call.reply()), request);
}

TEST_F(RpcTest, AThreadMayEndWithObjectsThatStillMakeCommands) {
  std::thread([this] {
    // Destroyed after the thread's endpoint has been given back.
    thread_local std::shared_ptr<Client> last;
    last = Connect(runtime_, server_.target());
    EXPECT_EQ(*lauberhorn::Call(*last, "Name", ""), "one");
  }).join();
  EXPECT_EQ(*Call("Name", ""), "one");
}

TEST_F(RpcTest, AStatusThatIsNoErrorBecomesUnknown) {
  EXPECT_EQ(Call("FailOk", "").status(), absl::UnknownError("not an error"));
}

TEST_F(RpcTest, ManyThreadsGetTheirOwnAnswers) {
  constexpr int kThreads = 12;
  constexpr int kCalls = 100;
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (unsigned number = 0; number < kCalls; ++number) {
        const std::string request = absl::StrCat(
            thread, "/", number, std::string(number % 3u * 100u, '.'));
        const absl::StatusOr<std::string> reply = Call("Echo", request);
        ASSERT_TRUE(reply.ok()) << reply.status();
        if (*reply == request) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, kThreads * kCalls);
  EXPECT_EQ(server_.service.runs, kThreads * kCalls);
}

TEST_F(RpcTest, ShutdownWaitsForTheCallThatRunsAndRefusesOthers) {
  std::thread caller([this] { EXPECT_EQ(*Call("WaitToLeave", ""), "left"); });
  server_.service.entered.wait();
  std::atomic<bool> down{false};
  std::thread closer([&] {
    server_.server->Shutdown();
    down = true;
  });
  // Until the server has begun to close, calls are served.
  absl::Status status;
  do {
    status = Call("Name", "").status();
  } while (status.ok());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(down);
  server_.service.leave.count_down();
  caller.join();
  closer.join();
  server_.server->Shutdown();  // again: nothing
  EXPECT_EQ(server_.server->AddService(kMethods, nullptr).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(server_.server->Listen("127.0.0.1:0").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RpcTest, ShutdownEndsWhatRunsAtItsDeadline) {
  CallOptions options = Patient();
  std::thread caller([&] {
    const absl::Status status = Call("WaitForCancel", "", options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(status.message(), HasSubstr("was shut down"));
  });
  server_.service.entered.wait();
  server_.server->Shutdown(absl::Now() + absl::Milliseconds(20));
  EXPECT_TRUE(server_.service.saw_cancel) << "it waits for the handler";
  caller.join();
}

TEST_F(RpcTest, ShutdownReturnsInEveryThreadThatCallsIt) {
  std::thread caller([&] {
    EXPECT_EQ(Call("WaitForCancel", "").status().code(),
              absl::StatusCode::kUnavailable);
  });
  server_.service.entered.wait();
  std::vector<std::thread> closers;
  for (int closer = 0; closer < 4; ++closer) {
    closers.emplace_back([&, closer] {
      // Without the last they would wait for as long as the call.
      server_.server->Shutdown(closer < 3 ? absl::InfiniteFuture()
                                          : absl::Now());
      EXPECT_TRUE(server_.service.saw_cancel);
    });
  }
  for (std::thread& closer : closers) closer.join();
  caller.join();
  server_.server->Shutdown();
}

TEST_F(RpcTest, TwoServersOfAProcessAreApart) {
  TestServer other(server_runtime_);
  other.service.name = "other";
  const std::shared_ptr<Client> client = Connect(runtime_, other.target());
  EXPECT_EQ(*Call("Name", ""), "one");
  EXPECT_EQ(*lauberhorn::Call(*client, "Name", ""), "other");
  other.server->Shutdown();
  EXPECT_EQ(*Call("Name", ""), "one");
}

TEST_F(RpcTest, AProcessCallsItself) {
  const std::shared_ptr<Client> client =
      Connect(server_runtime_, server_.target());
  EXPECT_EQ(*lauberhorn::Call(*client, "Echo", "myself"), "myself");
}

TEST_F(RpcTest, AMethodIsAddedOnce) {
  EXPECT_EQ(server_.server->AddService(kMethods, &server_.service).code(),
            absl::StatusCode::kAlreadyExists);
  const std::string long_name(256, 'x');
  const Method method(long_name, &Echo);
  EXPECT_EQ(server_.server->AddService({&method, 1}, nullptr).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RpcTest, APortIsListenedOnOnce) {
  TestServer other(server_runtime_);
  const absl::Status status = other.server->Listen(server_.target()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(server_.target()));
}

TEST_F(RpcTest, AServerThatIsNotThereIsMissedAtOnce) {
  EXPECT_EQ(*Call("Name", ""), "one");
  server_.server->Shutdown();
  const absl::Status status = Call("Name", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("nobody listens at"),
                                      HasSubstr("is the server running?")));
}

TEST_F(RpcTest, ARestartedServerIsCalledAgain) {
  EXPECT_EQ(*Call("Name", ""), "one");
  server_.server->Shutdown();
  EXPECT_EQ(Call("Name", "").status().code(), absl::StatusCode::kUnavailable);
  TestServer again(server_runtime_, server_.target());
  CallOptions wait = Patient();
  wait.wait_for_ready = true;
  EXPECT_EQ(*Call("Name", "", wait), "one");
}

TEST(RpcWithoutServerTest, FailsWithTheAddress) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(runtime, "127.0.0.1:9");
  const absl::Status status = Call(*client, "Echo", "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("127.0.0.1:9"));
}

TEST(RpcWithoutServerTest, WaitsForReadyIfTold) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  std::string target;
  {
    TestServer gone(runtime);
    target = gone.target();
  }
  std::thread caller([&] {
    const std::shared_ptr<Client> client = Connect(runtime, target);
    CallOptions wait = Patient();
    wait.wait_for_ready = true;
    EXPECT_EQ(*Call(*client, "Name", "", wait), "one");
  });
  absl::SleepFor(absl::Milliseconds(100));
  TestServer server(runtime, target);
  caller.join();
}

TEST(RpcThreadsTest, ThreadsComeAndGoOnFewEndpoints) {
  RuntimeOptions options;
  options.endpoints = 8;
  options.workers = 2;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int round = 0; round < 100; ++round) {
    std::thread([&] {
      EXPECT_EQ(*Call(*client, "Echo", "short life"), "short life");
    }).join();
  }
  EXPECT_EQ(server.service.runs, 100);
}

TEST(RpcThreadsTest, TooManyThreadsAreToldWhatToRaise) {
  RuntimeOptions options;
  options.endpoints = 4;  // kept, this thread's, a worker's, and one more
  options.max_workers = 2;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  absl::Status first, second;
  std::thread([&] {
    first = Call(*client, "Echo", "").status();
    std::thread([&] { second = Call(*client, "Echo", "").status(); }).join();
  }).join();
  // A second worker may have been faster than the first of them.
  const absl::Status& refused = first.ok() ? second : first;
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("RuntimeOptions::endpoints"));
  EXPECT_EQ(*Call(*client, "Echo", "mine"), "mine");
}

// `chains` threads of `client` make calls of this depth; how they ended.
std::vector<absl::StatusOr<std::string>> CallNested(Client& client, int chains,
                                                    int depth) {
  std::vector<absl::StatusOr<std::string>> results(
      static_cast<std::size_t>(chains));
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back(
        [&] { result = Call(client, "Nest", absl::StrCat(depth)); });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

TEST(RpcNestedTest, FourWorkersCallTheirOwnProcessToDepthEight) {
  RuntimeOptions options;
  options.workers = 4;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  server.service.self = client.get();
  constexpr int kChains = 16;
  for (const auto& result : CallNested(*client, kChains, 8)) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(*result, "bottom<1<2<3<4<5<6<7<8");
  }
  EXPECT_EQ(server.service.runs, 9 * kChains);
}

TEST(RpcNestedTest, IfThereMayBeNoMoreThreadsTheyAllEndAllTheSame) {
  RuntimeOptions options;
  options.workers = 4;
  options.max_workers = 4;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  server.service.self = client.get();
  int refused = 0;
  for (const auto& result : CallNested(*client, 4, 8)) {
    if (result.ok()) continue;
    ++refused;
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted)
        << result.status();
    EXPECT_THAT(result.status().message(), HasSubstr("max_workers"));
  }
  EXPECT_GT(refused, 0) << "four threads cannot hold four chains of nine";
  EXPECT_EQ(*Call(*client, "Echo", "after"), "after");
}

TEST(RpcNestedTest, ACallOfAnotherRuntimeInheritsTheDeadlineOnly) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  CallOptions options;
  options.parent.process = &options;  // not this one
  options.parent.call = 1;
  options.parent.deadline = 1;  // long ago
  EXPECT_EQ(Call(*client, "Echo", "", options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  options.inherit_deadline = false;
  EXPECT_EQ(*Call(*client, "Echo", "no", options), "no");
}

TEST(RpcNestedTest, AReplyMayBeReservedBeforeACall) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  server.service.self = client.get();
  EXPECT_EQ(*Call(*client, "NestBetween", ""), "first");
}

TEST(RpcWorkersTest, HandlersThatBlockDoNotStopOthers) {
  RuntimeOptions options;
  options.workers = 1;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Runtime> callers = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(callers, server.target());
  std::thread blocked(
      [&] { EXPECT_EQ(*Call(*client, "WaitToLeave", ""), "left"); });
  server.service.entered.wait();
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 8; ++i) {
    sleepers.emplace_back(
        [&] { EXPECT_EQ(*Call(*client, "Sleep", ""), "slept"); });
  }
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(*Call(*client, "Echo", "while it waits"), "while it waits");
  server.service.leave.count_down();
  blocked.join();
}

TEST(RpcWorkersTest, AHandlerThatEndsItsThreadEndsItsCallOnly) {
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int round = 0; round < 20; ++round) {
    const absl::Status status = Call(*client, "EndThread", "").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnknown) << status;
    EXPECT_THAT(status.message(), HasSubstr("has ended"));
    EXPECT_EQ(*Call(*client, "Echo", "goes on"), "goes on");
  }
  server.server->Shutdown();
}

// Client, server and both runtimes go in every order, after a call.
TEST(RpcRuntimeTest, WhatUsesARuntimeMayGoInAnyOrder) {
  std::vector<int> order = {0, 1, 2, 3};
  do {
    std::shared_ptr<Runtime> serving = OpenRuntime();
    std::shared_ptr<Runtime> calling = OpenRuntime();
    auto server = std::make_unique<TestServer>(serving);
    std::shared_ptr<Client> client = Connect(calling, server->target());
    EXPECT_EQ(*Call(*client, "Name", ""), "one");
    for (const int next : order) {
      if (next == 0) serving = nullptr;
      if (next == 1) calling = nullptr;
      if (next == 2) server = nullptr;
      if (next == 3) client = nullptr;
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(RpcRuntimeTest, OptionsOutOfRangeAreRefused) {
  RuntimeOptions few;
  few.endpoints = 3;
  EXPECT_EQ(Runtime::Open(few).status().code(),
            absl::StatusCode::kInvalidArgument);
  RuntimeOptions many;
  many.max_workers = many.endpoints;
  EXPECT_EQ(Runtime::Open(many).status().code(),
            absl::StatusCode::kInvalidArgument);
  RuntimeOptions none;
  none.max_queued = 0;
  EXPECT_EQ(Runtime::Open(none).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const std::uint32_t calls : {0u, 65'537u}) {
    RuntimeOptions wrong;
    wrong.max_calls = calls;
    EXPECT_EQ(Runtime::Open(wrong).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  RuntimeOptions backwards;
  backwards.spin_before_park = absl::Seconds(-1);
  EXPECT_EQ(Runtime::Open(backwards).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RpcRuntimeTest, TheDefaultIsSharedAndOpensAgain) {
  {
    const auto first = Runtime::Default();
    const auto second = Runtime::Default();
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(*first, *second);
    TestServer server(*first);
    EXPECT_EQ(*Call(*Connect(*second, server.target()), "Name", ""), "one");
  }
  const auto again = Runtime::Default();
  ASSERT_TRUE(again.ok());
  TestServer server(*again);
  EXPECT_EQ(*Call(*Connect(*again, server.target()), "Name", ""), "one");
}

TEST(RpcRuntimeTest, ASpinningEngineServesToo) {
  RuntimeOptions options;
  options.spin = true;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  TestServer server(runtime);
  const std::shared_ptr<Client> client = Connect(runtime, server.target());
  for (int call = 0; call < 20; ++call) {
    EXPECT_EQ(*Call(*client, "Echo", "x"), "x");
  }
}

}  // namespace
}  // namespace lauberhorn
