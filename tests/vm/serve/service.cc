// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/service.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "lauberhorn/call_queue.h"
#include "lauberhorn/method.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"
#include "tests/vm/serve/dawdle.h"
#include "tests/vm/serve/offspring.h"
#include "tests/vm/serve/stay.h"

namespace lauberhorn::serve {
namespace {

// A message: the call's number, and a text.
using Number = std::uint64_t;

std::atomic<std::uint64_t> calls_made{0};
std::atomic<std::uint64_t> calls_lost{0};
std::atomic<std::uint64_t> calls_duplicated{0};

// What a service says at once when a call runs that ran before; it may be
// killed.
constexpr char kTwice[] = "twice";

Number NextNumber() {
  // Of this process, and of no other.
  return static_cast<Number>(getpid()) << 40 | (++calls_made & 0xffffffffff);
}

std::string RequestOf(absl::string_view text) {
  const Number number = NextNumber();
  std::string request(reinterpret_cast<const char*>(&number), sizeof(number));
  absl::StrAppend(&request, text);
  return request;
}

absl::StatusOr<std::string> CallOn(Client& client, absl::string_view method,
                                   absl::string_view text,
                                   const CallOptions& options) {
  const std::string name = absl::StrCat("/serve.Service/", method);
  const std::string request = RequestOf(text);
  UnaryCall call(client, name, MethodId(name));
  std::uint8_t* const to = call.ReserveRequest(request.size());
  if (to != nullptr) std::memcpy(to, request.data(), request.size());
  const absl::Status status = call.Run(options);
  if (!status.ok()) return status;
  return std::string(reinterpret_cast<const char*>(call.reply().data()),
                     call.reply().size());
}

// What a service is while it serves.
class Serving {
 public:
  Serving(std::string name, std::shared_ptr<Runtime> runtime)
      : name_(std::move(name)), runtime_(std::move(runtime)) {}

  const std::string& name() const { return name_; }
  Runtime& runtime() const { return *runtime_; }

  // The text of a call that begins; counts it.
  std::string Begin(const ServerCall& call) {
    Number number = 0;
    if (call.request().size() < sizeof(number)) return "";
    std::memcpy(&number, call.request().data(), sizeof(number));
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counts_.runs;
    if (!seen_.insert(number).second) {
      ++counts_.twice;
      std::printf("%s\n", kTwice);
      std::fflush(stdout);
    }
    return std::string(
        reinterpret_cast<const char*>(call.request().data()) + sizeof(number),
        call.request().size() - sizeof(number));
  }

  Service::Counts counts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return counts_;
  }

  // The service at a port; connects at first use.
  absl::StatusOr<std::shared_ptr<Client>> At(int port) {
    return Client::Connect(runtime_, absl::StrCat("127.0.0.1:", port));
  }

 private:
  const std::string name_;
  const std::shared_ptr<Runtime> runtime_;
  mutable std::mutex mutex_;
  Service::Counts counts_;
  std::unordered_set<Number> seen_;
};

void Answer(ServerCall& call, absl::string_view text) {
  std::uint8_t* const to = call.ReserveReply(text.size());
  if (to == nullptr) return;
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  call.Reply();
}

void Echo(void* serving, ServerCall& call) {
  Answer(call, static_cast<Serving*>(serving)->Begin(call));
}

std::int64_t ThreadNanos() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void Work(void* serving, ServerCall& call) {
  std::int64_t microseconds = 0;
  (void)absl::SimpleAtoi(static_cast<Serving*>(serving)->Begin(call),
                         &microseconds);
  const std::int64_t end = ThreadNanos() + microseconds * 1'000;
  while (ThreadNanos() < end) {
  }
  Answer(call, "");
}

void Hold(void* serving, ServerCall& call) {
  static_cast<Serving*>(serving)->Begin(call);
  while (!call.IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  Answer(call, "too late");
}

void Forward(void* service, ServerCall& call) {
  Serving& serving = *static_cast<Serving*>(service);
  const std::string text = serving.Begin(call);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(' ', 1));
  int port = 0;
  if (parts.first == "Stay") {
    Stay(serving.runtime(), call, parts.second);
    return Answer(call, "too late");
  }
  if (!absl::SimpleAtoi(parts.first, &port)) {
    return Answer(call, absl::StrCat(text, "<", serving.name()));
  }
  const absl::StatusOr<std::shared_ptr<Client>> client = serving.At(port);
  if (!client.ok()) {
    return call.Fail(client.status().code(), client.status().message());
  }
  CallOptions options;
  options.parent = call.AsParent();
  const absl::StatusOr<std::string> reply =
      CallOn(**client, "Forward", parts.second, options);
  if (!reply.ok()) {
    return call.Fail(reply.status().code(), reply.status().message());
  }
  Answer(call, absl::StrCat(*reply, "<", serving.name()));
}

void Runs(void* service, ServerCall& call) {
  Answer(call, absl::StrCat(static_cast<Serving*>(service)->counts().runs));
}

void Child(void* service, ServerCall& call) {
  Serving& serving = *static_cast<Serving*>(service);
  const std::vector<std::string> words =
      absl::StrSplit(serving.Begin(call), ' ');
  int port = 0;
  if (words.size() == 2) (void)absl::SimpleAtoi(words[1], &port);
  const absl::StatusOr<std::shared_ptr<Client>> client = serving.At(port);
  if (!client.ok()) {
    return call.Fail(client.status().code(), client.status().message());
  }
  const auto echo = [&client](bool wait) {
    CallOptions options;
    options.deadline = absl::Now() + absl::Seconds(60);
    options.wait_for_ready = wait;
    return CallOn(**client, "Echo", "x", options).status();
  };
  const int result = MakeChild(words[0], echo);
  // The parent's own calls go on.
  const absl::Status own = echo(false);
  if (!own.ok()) return call.Fail(own.code(), own.message());
  Answer(call, absl::StrCat(result));
}

void Exec(void* service, ServerCall& call) {
  static_cast<Serving*>(service)->Begin(call);
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) {
    words.push_back(word);
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
}

void Stays(void* service, ServerCall& call) {
  Serving& serving = *static_cast<Serving*>(service);
  const std::string how = serving.Begin(call);
  Stay(serving.runtime(), call, how);
}

void BeginToDawdle(void* service, ServerCall& call) {
  Serving& serving = *static_cast<Serving*>(service);
  serving.Begin(call);
  Dawdle(serving.runtime());
  const Dawdles dawdles = CountDawdles();
  Answer(call, absl::StrCat(dawdles.all, " ", dawdles.gone));
}

void Find(void* serving, ServerCall& call) {
  const std::string inverted = static_cast<Serving*>(serving)->Begin(call);
  Answer(call, absl::StrCat(CountInOwnPart(inverted)));
}

constexpr Method kMethods[] = {
    {"/serve.Service/Runs", &Runs},
    {"/serve.Service/Echo", &Echo},
    {"/serve.Service/Work", &Work},
    {"/serve.Service/Hold", &Hold},
    {"/serve.Service/Forward", &Forward},
    {"/serve.Service/Child", &Child},
    {"/serve.Service/Exec", &Exec},
    {"/serve.Service/Stay", &Stays},
    {"/serve.Service/Dawdle", &BeginToDawdle},
    {"/serve.Service/Find", &Find},
};

}  // namespace

int ServiceMain(const std::string& name, const ServiceOptions& service) {
  const auto user = static_cast<uid_t>(service.user);
  if (user != 0 && setuid(user) != 0) return 1;
  prctl(PR_SET_NAME, name.c_str());
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &end, nullptr);
  RuntimeOptions options;
  options.spin_before_park = service.spin;
  const absl::StatusOr<std::shared_ptr<Runtime>> runtime =
      Runtime::Open(options);
  if (!runtime.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(),
                 runtime.status().ToString().c_str());
    return 1;
  }
  Serving serving(name, *runtime);
  const absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Create(*runtime);
  absl::Status status = server.status();
  int port = 0;
  if (status.ok()) status = (*server)->AddService(kMethods, &serving);
  if (status.ok()) {
    const absl::StatusOr<int> listens =
        (*server)->Listen(absl::StrCat("127.0.0.1:", service.port));
    status = listens.status();
    if (status.ok()) port = *listens;
  }
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), status.ToString().c_str());
    return 1;
  }
  std::printf("%d\n", port);
  std::fflush(stdout);
  int signal;
  sigwait(&end, &signal);
  (*server)->Shutdown();
  const Service::Counts counts = serving.counts();
  std::printf("%llu %llu\n", static_cast<unsigned long long>(counts.runs),
              static_cast<unsigned long long>(counts.twice));
  return 0;
}

Service::Service(const std::string& name, const ServiceOptions& options)
    : process_({"/proc/self/exe", "service", name, absl::StrCat(options.user),
                absl::StrCat(absl::ToInt64Microseconds(options.spin)),
                absl::StrCat(options.port)}) {
  AwaitPort();
}

void Service::AwaitPort() {
  const std::optional<std::string> line = ReadLine();
  EXPECT_TRUE(line.has_value() && absl::SimpleAtoi(*line, &port_))
      << "it does not serve";
}

Service::~Service() {
  process_.Kill();
  while (ReadLine().has_value()) {
  }
}

std::optional<std::string> Service::ReadLine() {
  for (;;) {
    std::optional<std::string> line = process_.ReadLine();
    if (line != kTwice) return line;
    ++calls_duplicated;
  }
}

pid_t Service::AwaitStay() {
  pid_t thread = 0;
  const std::string line = ReadLine().value_or("");
  EXPECT_TRUE(absl::StartsWith(line, "stays ") &&
              absl::SimpleAtoi(line.substr(6), &thread))
      << "it said: " << line;
  return thread;
}

Service::Counts Service::End() {
  Counts counts;
  EXPECT_TRUE(process_.Signal(SIGTERM));
  const std::string line = ReadLine().value_or("");
  const std::vector<std::string> numbers = absl::StrSplit(line, ' ');
  EXPECT_TRUE(numbers.size() == 2 &&
              absl::SimpleAtoi(numbers[0], &counts.runs) &&
              absl::SimpleAtoi(numbers[1], &counts.twice))
      << "it said: " << line;
  EXPECT_EQ(process_.Wait(), 0);
  return counts;
}

Caller::Caller(std::shared_ptr<Runtime> runtime, int port)
    : client_(*Client::Connect(std::move(runtime),
                               absl::StrCat("127.0.0.1:", port))) {}

absl::StatusOr<std::string> Caller::Call(absl::string_view method,
                                         absl::string_view text,
                                         absl::Duration patience) {
  CallOptions options;
  options.deadline = absl::Now() + patience;
  absl::StatusOr<std::string> reply = CallOn(*client_, method, text, options);
  if (absl::IsDeadlineExceeded(reply.status()) &&
      patience >= absl::Seconds(60)) {
    ++calls_lost;
  }
  return reply;
}

void Caller::CallUntilAnswered(absl::string_view method,
                               absl::string_view text) {
  EXPECT_TRUE(ComesTrue([&] {
    const absl::Status status = Call(method, text).status();
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
    return status.ok();
  }));
}

bool TellsOfADeath(const absl::Status& status) {
  return absl::IsUnavailable(status) ||
         (absl::IsUnknown(status) &&
          absl::StrContains(status.message(), "the call may have run"));
}

Load CallMany(const std::shared_ptr<Runtime>& runtime, int port,
              absl::string_view method, absl::string_view text,
              const LoadOptions& options) {
  const std::shared_ptr<Client> client =
      *Client::Connect(runtime, absl::StrCat("127.0.0.1:", port));
  const std::unique_ptr<CallQueue> queue = *CallQueue::Create(runtime, {});
  const std::string name = absl::StrCat("/serve.Service/", method);
  CallRequest request = {};
  request.name = name;
  request.id = MethodId(name);
  CallOptions patient;
  patient.deadline = absl::Now() + absl::Hours(1);
  Load load;
  std::uint64_t open = 0;
  for (std::uint64_t begun = 0;;) {
    while (open < options.open && begun < options.calls &&
           (options.stop == nullptr || !*options.stop)) {
      const std::string bytes = RequestOf(text);
      request.bytes = {reinterpret_cast<const std::uint8_t*>(bytes.data()),
                       bytes.size()};
      if (!queue->Start(*client, request, patient, nullptr).ok()) break;
      ++begun;
      ++open;
    }
    Completion done;
    if (open == 0 || !queue->Next(&done)) return load;
    --open;
    ++(done.status().ok() ? load.answered : load.failed);
    if (options.answered != nullptr && done.status().ok()) ++*options.answered;
    if (absl::IsDeadlineExceeded(done.status())) ++calls_lost;
  }
}

int Drive(const std::string& method, const std::string& text,
          const std::vector<std::string>& ports, std::uint64_t open) {
  const std::shared_ptr<Runtime> runtime = OpenKernelRuntime();
  if (runtime == nullptr) return 1;
  std::vector<std::thread> threads;
  for (const std::string& port : ports) {
    threads.emplace_back([&] {
      int number = 0;
      if (!absl::SimpleAtoi(port, &number)) return;
      const LoadOptions forever = {.calls = ~std::uint64_t{0}, .open = open};
      (void)CallMany(runtime, number, method, text, forever);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 1;
}

std::shared_ptr<Runtime> OpenKernelRuntime() {
  RuntimeOptions options;
  options.device = "kernel";
  const absl::StatusOr<std::shared_ptr<Runtime>> runtime =
      Runtime::Open(options);
  EXPECT_TRUE(runtime.ok()) << runtime.status();
  return runtime.ok() ? *runtime : nullptr;
}

std::uint64_t CallsMade() { return calls_made; }
std::uint64_t CallsLost() { return calls_lost; }
std::uint64_t CallsDuplicated() { return calls_duplicated; }

}  // namespace lauberhorn::serve
