// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A client that asks to be greeted: once, or often enough to see how long it
// takes. The same source builds against this library and against gRPC's.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "greeter.grpc.pb.h"
#include "latency.h"
#include "options.h"

namespace {

using Clock = std::chrono::steady_clock;

// Set by SIGINT and SIGTERM: no more calls, report what there is.
std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// The names of the codes, for people.
const char* NameOf(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return code >= 0 && code <= 16 ? kNames[code] : "a code that there is not";
}

grpc::Status Greet(hello::Greeter::Stub& stub, const ClientOptions& options,
                   const hello::HelloRequest& request,
                   hello::HelloReply* reply) {
  grpc::ClientContext context;
  if (options.deadline_ms > 0) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(options.deadline_ms));
  }
  return stub.SayHello(&context, request, reply);
}

// Lines of several threads, one at a time.
void Report(std::ostream& out, const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  out << line << std::endl;
}

void ReportError(const ClientOptions& options, const grpc::Status& status) {
  Report(std::cerr, "greeter_client: " + options.target + ": " +
                        NameOf(status.error_code()) + ": " +
                        status.error_message());
}

// One of the threads of a measurement.
class Caller {
 public:
  Caller(std::shared_ptr<grpc::Channel> channel, const ClientOptions& options,
         long requests)
      : stub_(hello::Greeter::NewStub(channel)),
        options_(options),
        requests_(requests) {
    request_.set_name(options.name);
    // In advance, so that no call waits for memory; page by page, so that a
    // large number costs nothing until it is reached.
    nanoseconds_.reserve(static_cast<std::size_t>(requests));
  }

  void WarmUp() {
    for (long i = 0; i < options_.warmup && !stop && ok_; ++i) Call();
    nanoseconds_.clear();
  }

  void Measure() {
    for (long i = 0; i < requests_ && !stop && ok_; ++i) {
      Call();
      if (options_.interval_ms > 0) {
        std::this_thread::sleep_for(
            std::chrono::milliseconds(options_.interval_ms));
      }
    }
  }

  const std::vector<std::int64_t>& nanoseconds() const { return nanoseconds_; }
  bool ok() const { return ok_; }
  long failures() const { return failures_; }

 private:
  void Call() {
    const Clock::time_point begin = Clock::now();
    const grpc::Status status = Greet(*stub_, options_, request_, &reply_);
    const Clock::duration taken = Clock::now() - begin;
    if (status.ok()) {
      nanoseconds_.push_back(
          std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count());
      if (options_.keep_going && worked_ != Worked::kYes) {
        Report(std::cerr, worked_ == Worked::kNo ? "greeter_client: works again"
                                                 : "greeter_client: works");
      }
      worked_ = Worked::kYes;
      return;
    }
    ++failures_;
    if (worked_ != Worked::kNo) ReportError(options_, status);
    worked_ = Worked::kNo;
    ok_ = options_.keep_going;
  }

  enum class Worked { kNotYet, kYes, kNo };

  const std::unique_ptr<hello::Greeter::Stub> stub_;
  const ClientOptions& options_;
  const long requests_;
  hello::HelloRequest request_;
  hello::HelloReply reply_;
  std::vector<std::int64_t> nanoseconds_;
  Worked worked_ = Worked::kNotYet;
  long failures_ = 0;
  bool ok_ = true;
};

int GreetOnce(const ClientOptions& options) {
  const auto stub = hello::Greeter::NewStub(
      grpc::CreateChannel(options.target, grpc::InsecureChannelCredentials()));
  hello::HelloRequest request;
  request.set_name(options.name);
  hello::HelloReply reply;
  const grpc::Status status = Greet(*stub, options, request, &reply);
  if (!status.ok()) {
    ReportError(options, status);
    return 1;
  }
  std::cout << reply.greeting() << "\n";
  return 0;
}

// Runs `step` of all callers, each in its own thread.
void InThreads(std::vector<std::unique_ptr<Caller>>& callers,
               void (Caller::*step)()) {
  std::vector<std::thread> threads;
  for (const auto& caller : callers) {
    threads.emplace_back(step, caller.get());
  }
  for (std::thread& thread : threads) thread.join();
}

bool WriteCsv(const std::string& path,
              const std::vector<std::unique_ptr<Caller>>& callers) {
  std::ofstream file(path);
  file << "thread,call,latency_ns\n";
  for (std::size_t thread = 0; thread < callers.size(); ++thread) {
    const std::vector<std::int64_t>& values = callers[thread]->nanoseconds();
    for (std::size_t call = 0; call < values.size(); ++call) {
      file << thread << ',' << call << ',' << values[call] << '\n';
    }
  }
  file.close();
  if (!file) {
    std::cerr << "greeter_client: cannot write " << path << "\n";
  }
  return static_cast<bool>(file);
}

int Measure(const ClientOptions& options) {
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel(options.target, grpc::InsecureChannelCredentials());
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < options.threads; ++i) {
    const long share = options.requests / options.threads +
                       (i < options.requests % options.threads ? 1 : 0);
    callers.push_back(std::make_unique<Caller>(channel, options, share));
  }
  InThreads(callers, &Caller::WarmUp);
  const Clock::time_point begin = Clock::now();
  InThreads(callers, &Caller::Measure);
  const std::chrono::duration<double> taken = Clock::now() - begin;

  bool ok = true;
  long failures = 0;
  std::vector<std::int64_t> all;
  for (const auto& caller : callers) {
    ok &= caller->ok();
    failures += caller->failures();
    all.insert(all.end(), caller->nanoseconds().begin(),
               caller->nanoseconds().end());
  }
  if (all.empty()) {
    std::cerr << "greeter_client: no call succeeded\n";
    return 1;
  }
  const Latencies latencies(all);
  std::cout << all.size() << " calls to " << options.target << " from "
            << options.threads
            << (options.threads == 1 ? " thread" : " threads") << "\n"
            << latencies.Figures() << "  rate   "
            << static_cast<long>(static_cast<double>(all.size()) /
                                 taken.count())
            << " calls/s\n";
  if (failures > 0) std::cout << "  failed " << failures << " calls\n";
  std::cout << "\n" << latencies.Histogram();
  if (!options.csv.empty()) ok &= WriteCsv(options.csv, callers);
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const ClientOptions options = ParseClientOptions(argc, argv);
  if (options.requests == 0) return GreetOnce(options);
  std::signal(SIGINT, [](int) { stop = true; });
  std::signal(SIGTERM, [](int) { stop = true; });
  return Measure(options);
}
