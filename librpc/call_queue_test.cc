// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Queues from end to end: many calls, one channel, any number of threads.

#include "lauberhorn/call_queue.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"
#include "librpc/embedded_device.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn {
namespace {

using ::testing::HasSubstr;
using Got = CallQueue::Got;

constexpr std::size_t kManyCalls = 4096;

// A call to any of these that hangs is ended by the deadline and fails the
// test.
constexpr absl::Duration kPatience = absl::Seconds(60);

// Opens once, however often it is told to.
class Gate {
 public:
  void Open() {
    open_ = true;
    open_.notify_all();
  }
  void Wait() { open_.wait(false); }

 private:
  std::atomic<bool> open_{false};
};

struct Service {
  std::atomic<int> runs{0};
  Gate entered;
  Gate leave;
  std::atomic<bool> saw_cancel{false};
  std::atomic<absl::StatusCode> nested{absl::StatusCode::kOk};
  Client* self = nullptr;                 // to this process
  std::shared_ptr<Runtime> self_runtime;  // and its runtime
};

Service& In(void* service) { return *static_cast<Service*>(service); }

absl::string_view Text(absl::Span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Span<const std::uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

CallOptions Patient() {
  CallOptions options;
  options.deadline = absl::Now() + kPatience;
  return options;
}

void Answer(ServerCall& call, absl::string_view text) {
  std::uint8_t* const to = call.ReserveReply(text.size());
  if (to == nullptr) return;
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  call.Reply();
}

void Echo(void* service, ServerCall& call) {
  ++In(service).runs;
  Answer(call, Text(call.request()));
}

void EchoMetadata(void*, ServerCall& call) {
  if (call.ReserveReply(0, call.metadata()) != nullptr) call.Reply();
}

// Echoes, but not before the test says so.
void EchoLater(void* service, ServerCall& call) {
  In(service).leave.Wait();
  Echo(service, call);
}

void WaitToLeave(void* service, ServerCall& call) {
  In(service).entered.Open();
  In(service).leave.Wait();
  Answer(call, "left");
}

void WaitForCancel(void* service, ServerCall& call) {
  In(service).entered.Open();
  while (!call.IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  In(service).saw_cancel = true;
  Answer(call, "too late");
}

void Refuse(void*, ServerCall& call) {
  call.Fail(absl::StatusCode::kNotFound, "no such key");
}

// Calls its own process through a queue, and answers how that ended.
void Nest(void* service, ServerCall& call) {
  auto queue = CallQueue::Create(In(service).self_runtime);
  if (!queue.ok()) return call.Fail(queue.status().code(), "no queue");
  constexpr absl::string_view kName = "/test.Service/Echo";
  CallOptions options;
  options.deadline = call.deadline();
  const auto started = (*queue)->Start(
      *In(service).self, {kName, MethodId(kName), {}, {}}, options, nullptr);
  Completion done;
  if (!started.ok() || !(*queue)->Next(&done)) return Answer(call, "nothing");
  Answer(call, absl::StatusCodeToString(done.status().code()));
}

// Makes a call for this one that only its end ends.
void NestFor(void* service, ServerCall& call) {
  auto queue = CallQueue::Create(In(service).self_runtime);
  if (!queue.ok()) return call.Fail(queue.status().code(), "no queue");
  constexpr absl::string_view kName = "/test.Service/EchoLater";
  CallOptions options;
  options.parent = call.AsParent();
  const auto started = (*queue)->Start(
      *In(service).self, {kName, MethodId(kName), {}, {}}, options, nullptr);
  Completion done;
  In(service).entered.Open();
  if (started.ok() && (*queue)->Next(&done)) {
    In(service).nested = done.status().code();
    In(service).nested.notify_all();
  }
  Answer(call, "too late");
}

constexpr Method kMethods[] = {
    {"/test.Service/Echo", &Echo},
    {"/test.Service/EchoMetadata", &EchoMetadata},
    {"/test.Service/EchoLater", &EchoLater},
    {"/test.Service/WaitToLeave", &WaitToLeave},
    {"/test.Service/WaitForCancel", &WaitForCancel},
    {"/test.Service/Refuse", &Refuse},
    {"/test.Service/Nest", &Nest},
    {"/test.Service/NestFor", &NestFor},
};

std::shared_ptr<Runtime> OpenRuntime(const RuntimeOptions& options = {}) {
  absl::StatusOr<std::shared_ptr<Runtime>> runtime = Runtime::Open(options);
  EXPECT_TRUE(runtime.ok()) << runtime.status();
  return *std::move(runtime);
}

// A runtime whose NIC accepts so many calls at a time, and answers others BUSY.
std::shared_ptr<Runtime> OpenBusyRuntime(std::uint32_t accepted_calls) {
  const RuntimeOptions options;
  EmbeddedDeviceOptions embedded;
  embedded.endpoints = options.endpoints;
  embedded.calls = options.endpoints + options.max_calls;
  embedded.accepted_calls = accepted_calls;
  absl::StatusOr<std::unique_ptr<Device>> device = MakeEmbeddedDevice(embedded);
  EXPECT_TRUE(device.ok()) << device.status();
  return std::make_shared<RuntimeImpl>(options, *std::move(device));
}

std::shared_ptr<Client> Connect(const std::shared_ptr<Runtime>& runtime,
                                absl::string_view target) {
  absl::StatusOr<std::shared_ptr<Client>> client =
      Client::Connect(runtime, target);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

std::unique_ptr<CallQueue> MakeQueue(const std::shared_ptr<Runtime>& runtime,
                                     std::uint32_t max_calls = 0) {
  CallQueueOptions options;
  options.max_calls = max_calls;
  absl::StatusOr<std::unique_ptr<CallQueue>> queue =
      CallQueue::Create(runtime, options);
  EXPECT_TRUE(queue.ok()) << queue.status();
  return *std::move(queue);
}

// The methods' full names, which outlive their calls.
absl::string_view FullName(absl::string_view method) {
  for (const Method& known : kMethods) {
    if (known.name.substr(known.name.rfind('/') + 1) == method) {
      return known.name;
    }
  }
  return "/test.Service/Missing";
}

void* Tag(std::size_t number) { return reinterpret_cast<void*>(number); }

absl::StatusOr<std::uint64_t> Start(CallQueue& queue, Client& client,
                                    absl::string_view method,
                                    absl::string_view request,
                                    std::size_t tag = 0,
                                    const CallOptions& options = Patient()) {
  const absl::string_view name = FullName(method);
  return queue.Start(client, {name, MethodId(name), Bytes(request), {}},
                     options, Tag(tag));
}

absl::StatusOr<std::string> Call(Client& client, absl::string_view method,
                                 absl::string_view request,
                                 const CallOptions& options = Patient()) {
  const absl::string_view name = FullName(method);
  UnaryCall call(client, name, MethodId(name));
  std::uint8_t* const to = call.ReserveRequest(request.size());
  if (to != nullptr && !request.empty()) {
    std::memcpy(to, request.data(), request.size());
  }
  const absl::Status status = call.Run(options);
  if (!status.ok()) return status;
  return std::string(Text(call.reply()));
}

// The request of the call with this number: some beyond a line.
std::string RequestOf(std::size_t number) {
  return absl::StrCat(number, "/", std::string(number % 5 * 50, '.'));
}

// Which of the calls 0 .. count - 1 have been fetched; fails the test if one
// comes twice, or with another's reply.
class Fetched {
 public:
  explicit Fetched(std::size_t count) : times_(count) {}

  void Add(const Completion& done) {
    const auto number = reinterpret_cast<std::size_t>(done.tag());
    ASSERT_LT(number, times_.size());
    EXPECT_EQ(times_[number].fetch_add(1), 0) << number << " came twice";
    EXPECT_EQ(done.status(), absl::OkStatus()) << number;
    EXPECT_EQ(Text(done.reply()), RequestOf(number));
    ++count_;
  }
  std::size_t count() const { return count_; }

 private:
  std::vector<std::atomic<int>> times_;
  std::atomic<std::size_t> count_{0};
};

struct TestServer {
  explicit TestServer(const RuntimeOptions& options = {})
      : runtime(OpenRuntime(options)) {
    absl::StatusOr<std::unique_ptr<Server>> created = Server::Create(runtime);
    EXPECT_TRUE(created.ok()) << created.status();
    server = *std::move(created);
    EXPECT_EQ(server->AddService(kMethods, &service), absl::OkStatus());
    absl::StatusOr<int> port = server->Listen("127.0.0.1:0");
    EXPECT_TRUE(port.ok()) << port.status();
    target = absl::StrCat("127.0.0.1:", *port);
  }

  std::shared_ptr<Runtime> runtime;
  Service service;
  std::unique_ptr<Server> server;
  std::string target;
};

class CallQueueTest : public ::testing::Test {
 protected:
  TestServer server_;
  std::shared_ptr<Runtime> runtime_ = OpenRuntime();
  std::shared_ptr<Client> client_ = Connect(runtime_, server_.target);
};

TEST_F(CallQueueTest, ACallEndsWithItsTagItsNameAndItsReply) {
  const auto queue = MakeQueue(runtime_);
  int tag = 0;
  const absl::string_view name = FullName("Echo");
  const auto call = queue->Start(
      *client_, {name, MethodId(name), Bytes("request"), {}}, Patient(), &tag);
  ASSERT_TRUE(call.ok()) << call.status();
  Completion done;
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.tag(), &tag);
  EXPECT_EQ(done.call(), *call);
  EXPECT_EQ(done.status(), absl::OkStatus());
  EXPECT_EQ(Text(done.reply()), "request");
}

TEST_F(CallQueueTest, EchoesEverySizeAroundTheBorders) {
  const auto queue = MakeQueue(runtime_);
  for (const std::size_t size : {0u, 1u, 80u, 81u, 1391u, 1392u}) {
    const std::string request(size, 'x');
    ASSERT_TRUE(Start(*queue, *client_, "Echo", request).ok());
    Completion done;
    ASSERT_TRUE(queue->Next(&done));
    EXPECT_EQ(done.status(), absl::OkStatus());
    EXPECT_EQ(Text(done.reply()), request);
  }
  EXPECT_EQ(
      Start(*queue, *client_, "Echo", std::string(1393, 'x')).status().code(),
      absl::StatusCode::kResourceExhausted);
}

TEST_F(CallQueueTest, MetadataGoesThereAndBack) {
  const auto queue = MakeQueue(runtime_);
  const absl::string_view name = FullName("EchoMetadata");
  const CallRequest request = {name, MethodId(name), Bytes("bytes"),
                               Bytes("metadata")};
  ASSERT_TRUE(queue->Start(*client_, request, Patient(), nullptr).ok());
  Completion done;
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status(), absl::OkStatus());
  EXPECT_EQ(Text(done.reply_metadata()), "metadata");
  EXPECT_EQ(Text(done.reply()), "");
}

TEST_F(CallQueueTest, ErrorsAreThoseOfTheCall) {
  const auto queue = MakeQueue(runtime_);
  Completion done;
  ASSERT_TRUE(Start(*queue, *client_, "Refuse", "").ok());
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status(), absl::NotFoundError("no such key"));
  ASSERT_TRUE(Start(*queue, *client_, "Missing", "").ok());
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(done.status().message(), HasSubstr("/test.Service/Missing"));
  CallOptions late;
  late.deadline = absl::Now() - absl::Seconds(1);
  ASSERT_TRUE(Start(*queue, *client_, "Echo", "", 0, late).ok());
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(CallQueueTest, FourThousandCallsOfOneThreadOverOneChannel) {
  const auto queue = MakeQueue(runtime_);
  for (std::size_t number = 0; number < kManyCalls; ++number) {
    const auto call =
        Start(*queue, *client_, "Echo", RequestOf(number), number);
    ASSERT_TRUE(call.ok()) << number << ": " << call.status();
  }
  Fetched fetched(kManyCalls);
  Completion done;
  for (std::size_t count = 0; count < kManyCalls; ++count) {
    ASSERT_TRUE(queue->Next(&done));
    fetched.Add(done);
  }
  EXPECT_EQ(queue->NextBefore(absl::InfinitePast(), &done), Got::kTimeout);
  EXPECT_EQ(server_.service.runs, static_cast<int>(kManyCalls));
}

TEST(CallQueueManyTest, NoneIsAnsweredBeforeAllWereStarted) {
  // One thread, which waits; all other calls are queued, by NICs alone.
  RuntimeOptions options;
  options.workers = options.max_workers = 1;
  TestServer server(options);
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(runtime, server.target);
  const auto queue = MakeQueue(runtime);
  for (std::size_t number = 0; number < kManyCalls; ++number) {
    const auto call =
        Start(*queue, *client, "EchoLater", RequestOf(number), number);
    ASSERT_TRUE(call.ok()) << number << ": " << call.status();
  }
  Completion done;
  EXPECT_EQ(queue->NextBefore(absl::InfinitePast(), &done), Got::kTimeout);
  server.service.leave.Open();
  Fetched fetched(kManyCalls);
  for (std::size_t count = 0; count < kManyCalls; ++count) {
    ASSERT_TRUE(queue->Next(&done));
    fetched.Add(done);
  }
  EXPECT_EQ(queue->NextBefore(absl::InfinitePast(), &done), Got::kTimeout);
}

TEST_F(CallQueueTest, ManyThreadsStartAndManyFetch) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kCalls = 2000;
  const auto queue = MakeQueue(runtime_);
  Fetched fetched(kThreads * kCalls);
  std::vector<std::thread> getters;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    getters.emplace_back([&] {
      Completion done;
      while (queue->Next(&done)) fetched.Add(done);
    });
  }
  std::vector<std::thread> starters;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    starters.emplace_back([&, thread] {
      for (std::size_t at = 0; at < kCalls; ++at) {
        const std::size_t number = thread * kCalls + at;
        absl::Status status;
        do {
          status = Start(*queue, *client_, "Echo", RequestOf(number), number)
                       .status();
          // As many as may be are under way: the getters see to it.
        } while (status.code() == absl::StatusCode::kResourceExhausted);
        ASSERT_EQ(status, absl::OkStatus());
      }
    });
  }
  for (std::thread& starter : starters) starter.join();
  queue->Shutdown();
  for (std::thread& getter : getters) getter.join();
  EXPECT_EQ(fetched.count(), kThreads * kCalls);
}

TEST_F(CallQueueTest, ShutdownEndsTheQueueWhenItsCallsHaveEnded) {
  constexpr int kCalls = 3;
  const auto queue = MakeQueue(runtime_);
  for (int count = 0; count < kCalls; ++count) {
    ASSERT_TRUE(Start(*queue, *client_, "WaitToLeave", "").ok());
  }
  std::atomic<int> left{0};
  std::vector<std::thread> getters;
  for (int thread = 0; thread < 4; ++thread) {
    getters.emplace_back([&] {
      Completion done;
      while (queue->Next(&done)) {
        EXPECT_EQ(Text(done.reply()), "left");
        ++left;
      }
    });
  }
  server_.service.entered.Wait();
  queue->Shutdown();
  queue->Shutdown();  // again: nothing
  EXPECT_EQ(Start(*queue, *client_, "Echo", "").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(left, 0);
  server_.service.leave.Open();
  for (std::thread& getter : getters) getter.join();
  EXPECT_EQ(left, kCalls);
  Completion done;
  EXPECT_FALSE(queue->Next(&done));
  EXPECT_EQ(queue->NextBefore(absl::InfinitePast(), &done), Got::kShutdown);
}

TEST_F(CallQueueTest, ShutdownWakesThreadsThatWaitForNothing) {
  for (int round = 0; round < 50; ++round) {
    const auto queue = MakeQueue(runtime_);
    std::vector<std::thread> getters;
    for (int thread = 0; thread < 3; ++thread) {
      getters.emplace_back([&] {
        Completion done;
        EXPECT_FALSE(queue->Next(&done));
      });
    }
    queue->Shutdown();
    for (std::thread& getter : getters) getter.join();
  }
}

TEST_F(CallQueueTest, AWaitEndsAtItsDeadline) {
  const auto queue = MakeQueue(runtime_);
  ASSERT_TRUE(Start(*queue, *client_, "WaitToLeave", "").ok());
  Completion done;
  EXPECT_EQ(queue->NextBefore(absl::InfinitePast(), &done), Got::kTimeout);
  const absl::Time soon = absl::Now() + absl::Milliseconds(20);
  // One of them waits for the NIC, the other for that one.
  std::thread other([&] {
    Completion none;
    EXPECT_EQ(queue->NextBefore(soon, &none), Got::kTimeout);
  });
  EXPECT_EQ(queue->NextBefore(soon, &done), Got::kTimeout);
  other.join();
  server_.service.leave.Open();
  EXPECT_EQ(queue->NextBefore(absl::Now() + kPatience, &done),
            Got::kCompletion);
  EXPECT_EQ(Text(done.reply()), "left");
}

TEST_F(CallQueueTest, AQueueThatNobodyReadsIsInNobodysWay) {
  constexpr std::size_t kUnread = 1000;
  const auto unread = MakeQueue(runtime_, kUnread);
  for (std::size_t number = 0; number < kUnread; ++number) {
    ASSERT_TRUE(
        Start(*unread, *client_, "Echo", RequestOf(number), number).ok());
  }
  EXPECT_THAT(Start(*unread, *client_, "Echo", "").status().message(),
              HasSubstr("CallQueueOptions::max_calls"));
  const auto other = MakeQueue(runtime_);
  Completion done;
  // Until the handlers of all of them have run, and well beyond.
  for (int more = 100; more > 0;) {
    if (server_.service.runs >= static_cast<int>(kUnread)) --more;
    ASSERT_EQ(*Call(*client_, "Echo", "blocking"), "blocking");
    ASSERT_TRUE(Start(*other, *client_, "Echo", "other").ok());
    ASSERT_TRUE(other->Next(&done));
    ASSERT_EQ(Text(done.reply()), "other");
  }
  Fetched fetched(kUnread);
  for (std::size_t count = 0; count < kUnread; ++count) {
    ASSERT_TRUE(unread->Next(&done));
    fetched.Add(done);
  }
}

TEST_F(CallQueueTest, BlockingCallsGoOnWhileQueuesHaveAllThereMayBe) {
  const auto queue = MakeQueue(runtime_);
  for (std::size_t number = 0; number < kManyCalls; ++number) {
    ASSERT_TRUE(
        Start(*queue, *client_, "Echo", RequestOf(number), number).ok());
  }
  const auto another = MakeQueue(runtime_);
  EXPECT_THAT(Start(*another, *client_, "Echo", "").status().message(),
              HasSubstr("RuntimeOptions::max_calls"));
  EXPECT_EQ(*Call(*client_, "Echo", "blocking"), "blocking");
  // A call counts until its completion is gone.
  Completion first;
  ASSERT_TRUE(queue->Next(&first));
  EXPECT_FALSE(Start(*another, *client_, "Echo", "").ok());
  first.Clear();
  EXPECT_TRUE(Start(*another, *client_, "Echo", "").ok());
}

TEST_F(CallQueueTest, CompletionsMove) {
  const auto queue = MakeQueue(runtime_);
  ASSERT_TRUE(Start(*queue, *client_, "Echo", "a", 1).ok());
  Completion first;
  ASSERT_TRUE(queue->Next(&first));
  Completion second(std::move(first));
  EXPECT_EQ(Text(second.reply()), "a");
  ASSERT_TRUE(Start(*queue, *client_, "Echo", "b", 2).ok());
  ASSERT_TRUE(queue->Next(&first));
  EXPECT_EQ(Text(second.reply()), "a") << "it is still held";
  second = std::move(first);
  EXPECT_EQ(second.tag(), Tag(2));
  EXPECT_EQ(Text(second.reply()), "b");
}

TEST_F(CallQueueTest, ACancelledCallEndsAndItsHandlerIsTold) {
  const auto queue = MakeQueue(runtime_);
  const auto call = Start(*queue, *client_, "WaitForCancel", "");
  ASSERT_TRUE(call.ok());
  server_.service.entered.Wait();
  queue->Cancel(*call);
  queue->Cancel(*call);  // again: nothing
  Completion done;
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kCancelled);
  queue->Cancel(*call);        // has ended
  server_.server->Shutdown();  // waits for the handler
  EXPECT_TRUE(server_.service.saw_cancel);
}

TEST_F(CallQueueTest, ACancellationEndsItsCall) {
  const auto queue = MakeQueue(runtime_);
  Cancellation cancellation;
  CallOptions options;
  options.cancellation = &cancellation;
  ASSERT_TRUE(Start(*queue, *client_, "WaitForCancel", "", 0, options).ok());
  server_.service.entered.Wait();
  std::thread([&] { cancellation.Cancel(); }).join();
  Completion done;
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kCancelled);
  Cancellation before;
  before.Cancel();
  options.cancellation = &before;
  EXPECT_EQ(Start(*queue, *client_, "Echo", "", 0, options).status().code(),
            absl::StatusCode::kCancelled);
  Cancellation unused;
  options.cancellation = &unused;
  queue->Shutdown();
  EXPECT_FALSE(Start(*queue, *client_, "Echo", "", 0, options).ok());
  EXPECT_FALSE(queue->Next(&done)) << "nothing was started";
}

TEST_F(CallQueueTest, CancelsFromAnotherThreadAreNeverLost) {
  const auto queue = MakeQueue(runtime_);
  std::atomic<std::uint64_t> started{0};
  constexpr int kRounds = 300;
  // Cancels each call as soon as it knows its name.
  std::thread canceller([&] {
    std::uint64_t last = 0;
    for (int round = 0; round < kRounds; ++round) {
      started.wait(last);
      last = started.load();
      queue->Cancel(last);
    }
  });
  Completion done;
  for (int round = 0; round < kRounds; ++round) {
    CallOptions forever;  // only the cancel ends it
    const auto call = Start(*queue, *client_, "EchoLater", "", 0, forever);
    ASSERT_TRUE(call.ok());
    started = *call;
    started.notify_one();
    ASSERT_TRUE(queue->Next(&done));
    ASSERT_EQ(done.status().code(), absl::StatusCode::kCancelled);
    done.Clear();
  }
  canceller.join();
  server_.service.leave.Open();
}

TEST_F(CallQueueTest, AQueueMayGoWithCallsOpen) {
  auto queue = MakeQueue(runtime_);
  CallOptions forever;
  for (int count = 0; count < 20; ++count) {
    ASSERT_TRUE(Start(*queue, *client_, "EchoLater", "", 0, forever).ok());
  }
  queue.reset();
  server_.service.leave.Open();
  EXPECT_EQ(*Call(*client_, "Echo", "after"), "after");
}

TEST_F(CallQueueTest, CallsOfAClientThatIsGoneEnd) {
  const auto queue = MakeQueue(runtime_);
  CallOptions forever;
  ASSERT_TRUE(Start(*queue, *client_, "EchoLater", "", 0, forever).ok());
  client_.reset();
  Completion done;
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_FALSE(done.status().ok());
  server_.service.leave.Open();
}

TEST_F(CallQueueTest, AClientOfAnotherRuntimeIsRefused) {
  const auto queue = MakeQueue(OpenRuntime());
  EXPECT_EQ(Start(*queue, *client_, "Echo", "").status().code(),
            absl::StatusCode::kInvalidArgument);
  queue->Shutdown();
  Completion done;
  EXPECT_FALSE(queue->Next(&done)) << "nothing was started";
}

TEST(CallQueueEndpointsTest,
     EndpointsComeBackAndThreadsWithoutOneUseTheQueues) {
  TestServer server;
  RuntimeOptions options;
  options.endpoints = 4;
  options.max_workers = 2;
  const std::shared_ptr<Runtime> runtime = OpenRuntime(options);
  const std::shared_ptr<Client> client = Connect(runtime, server.target);
  for (int round = 0; round < 20; ++round) {
    // Kept, this thread's, and these.
    const auto first = MakeQueue(runtime);
    const auto second = MakeQueue(runtime);
    EXPECT_THAT(CallQueue::Create(runtime).status().message(),
                HasSubstr("RuntimeOptions::endpoints"));
    std::thread([&] {
      ASSERT_TRUE(Start(*first, *client, "Echo", "no endpoint").ok());
      Completion done;
      ASSERT_TRUE(first->Next(&done));
      EXPECT_EQ(Text(done.reply()), "no endpoint");
    }).join();
  }
}

TEST(CallQueueNestedTest, AHandlerInNextIsTakenToWait) {
  RuntimeOptions options;
  options.workers = options.max_workers = 1;
  TestServer server(options);
  const std::shared_ptr<Client> self = Connect(server.runtime, server.target);
  server.service.self = self.get();
  server.service.self_runtime = server.runtime;
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(runtime, server.target);
  // The only thread there may be waits: its own call has no chance, and is told
  // so before its deadline.
  EXPECT_EQ(*Call(*client, "Nest", ""), "RESOURCE_EXHAUSTED");
  server.service.self_runtime.reset();
}

TEST(CallQueueNestedTest, ACallMadeForAnotherEndsWithIt) {
  TestServer server;
  const std::shared_ptr<Client> self = Connect(server.runtime, server.target);
  server.service.self = self.get();
  server.service.self_runtime = server.runtime;
  const std::shared_ptr<Runtime> runtime = OpenRuntime();
  const std::shared_ptr<Client> client = Connect(runtime, server.target);
  const auto queue = MakeQueue(runtime);
  const auto call = Start(*queue, *client, "NestFor", "");
  ASSERT_TRUE(call.ok());
  server.service.entered.Wait();
  queue->Cancel(*call);
  Completion done;
  ASSERT_TRUE(queue->Next(&done));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kCancelled);
  server.service.nested.wait(absl::StatusCode::kOk);
  EXPECT_EQ(server.service.nested, absl::StatusCode::kCancelled);
  server.service.leave.Open();
  server.server->Shutdown();  // waits for the handlers
  server.service.self_runtime.reset();
}

class CallQueueBusyTest : public ::testing::Test {
 protected:
  void Open(std::uint32_t accepted_calls) {
    runtime_ = OpenBusyRuntime(accepted_calls);
    client_ = Connect(runtime_, server_.target);
    queue_ = MakeQueue(runtime_);
  }

  TestServer server_;
  std::shared_ptr<Runtime> runtime_;
  std::shared_ptr<Client> client_;
  std::unique_ptr<CallQueue> queue_;
};

TEST_F(CallQueueBusyTest, MoreCallsThanTheNicAcceptsAreMadeAllTheSame) {
  Open(50);
  for (std::size_t number = 0; number < kManyCalls; ++number) {
    const auto call =
        Start(*queue_, *client_, "Echo", RequestOf(number), number);
    ASSERT_TRUE(call.ok()) << number << ": " << call.status();
  }
  Fetched fetched(kManyCalls);
  Completion done;
  for (std::size_t count = 0; count < kManyCalls; ++count) {
    ASSERT_TRUE(queue_->Next(&done));
    fetched.Add(done);
  }
  EXPECT_EQ(queue_->NextBefore(absl::InfinitePast(), &done), Got::kTimeout);
  EXPECT_EQ(server_.service.runs, static_cast<int>(kManyCalls));
}

TEST_F(CallQueueBusyTest, QueuesAndBlockingCallsShareWhatTheNicAccepts) {
  Open(3);
  constexpr std::size_t kCalls = 300;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      const auto queue = MakeQueue(runtime_);
      Fetched fetched(kCalls);
      for (std::size_t number = 0; number < kCalls; ++number) {
        ASSERT_TRUE(
            Start(*queue, *client_, "Echo", RequestOf(number), number).ok());
      }
      Completion done;
      for (std::size_t count = 0; count < kCalls; ++count) {
        ASSERT_TRUE(queue->Next(&done));
        fetched.Add(done);
      }
    });
  }
  for (int count = 0; count < 50; ++count) {
    ASSERT_EQ(*Call(*client_, "Echo", "blocking"), "blocking");
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CallQueueBusyTest, AKeptCallEndsAtItsDeadlineOrWhenItIsCancelled) {
  Open(1);
  ASSERT_TRUE(Start(*queue_, *client_, "WaitToLeave", "", 1).ok());
  server_.service.entered.Wait();
  const auto stays = Start(*queue_, *client_, "Echo", RequestOf(2), 2);
  CallOptions soon;
  soon.deadline = absl::Now() + absl::Milliseconds(50);
  ASSERT_TRUE(Start(*queue_, *client_, "Echo", "", 3, soon).ok());
  CallOptions forever;
  const auto cancelled = Start(*queue_, *client_, "Echo", "", 4, forever);
  ASSERT_TRUE(stays.ok() && cancelled.ok());
  Completion done;
  ASSERT_TRUE(queue_->Next(&done));
  EXPECT_EQ(done.tag(), Tag(3));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kDeadlineExceeded);
  std::thread canceller([&] { queue_->Cancel(*cancelled); });
  ASSERT_TRUE(queue_->Next(&done));
  EXPECT_EQ(done.tag(), Tag(4));
  EXPECT_EQ(done.status().code(), absl::StatusCode::kCancelled);
  canceller.join();
  server_.service.leave.Open();
  ASSERT_TRUE(queue_->Next(&done));
  EXPECT_EQ(done.tag(), Tag(1));
  ASSERT_TRUE(queue_->Next(&done));
  EXPECT_EQ(done.tag(), Tag(2));
  EXPECT_EQ(Text(done.reply()), RequestOf(2));
}

TEST_F(CallQueueBusyTest, AQueueMayGoWithCallsKept) {
  Open(1);
  CallOptions forever;
  for (int count = 0; count < 20; ++count) {
    ASSERT_TRUE(Start(*queue_, *client_, "EchoLater", "", 0, forever).ok());
  }
  Completion done;
  EXPECT_EQ(queue_->NextBefore(absl::Now() + absl::Milliseconds(10), &done),
            Got::kTimeout);
  queue_.reset();
  server_.service.leave.Open();
}

}  // namespace
}  // namespace lauberhorn
