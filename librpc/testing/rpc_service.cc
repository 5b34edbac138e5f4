// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/testing/rpc_service.h"

#include <pthread.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

Service& In(void* service) { return *static_cast<Service*>(service); }

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
  if (!In(service).entered.try_wait()) In(service).entered.count_down();
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

std::string PeerText(const ServerCall& call) {
  const absl::StatusOr<PeerAddress> peer = call.peer();
  return peer.ok() ? peer->ToString() : peer.status().ToString();
}

// Asks between the steps of its reply, too.
void Peer(void*, ServerCall& call) {
  const std::string mine = PeerText(call);
  std::string others;
  std::thread([&] { others = PeerText(call); }).join();
  const std::string reply = absl::StrCat(mine, " ", others, " ");
  std::uint8_t* const to = call.ReserveReply(reply.size() + mine.size());
  std::memcpy(to, reply.data(), reply.size());
  std::memcpy(to + reply.size(), PeerText(call).data(), mine.size());
  call.Reply();
}

constexpr Method kMethods[] = {
    {"/test.Service/Nest", &Nest},
    {"/test.Service/NestBetween", &NestBetween},
    {"/test.Service/EndThread", &EndThread},
    {"/test.Service/Sleep", &Sleep},
    {"/test.Service/Peer", &Peer},
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

}  // namespace

absl::Span<const Method> TestMethods() { return kMethods; }

absl::string_view Text(absl::Span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::shared_ptr<Runtime> OpenRuntime(const RuntimeOptions& options) {
  absl::StatusOr<std::shared_ptr<Runtime>> runtime = Runtime::Open(options);
  EXPECT_TRUE(runtime.ok()) << runtime.status();
  return *std::move(runtime);
}

TestServer::TestServer(const std::shared_ptr<Runtime>& runtime,
                       absl::string_view address) {
  absl::StatusOr<std::unique_ptr<Server>> created = Server::Create(runtime);
  EXPECT_TRUE(created.ok()) << created.status();
  server = *std::move(created);
  EXPECT_EQ(server->AddService(TestMethods(), &service), absl::OkStatus());
  absl::StatusOr<int> listening = server->Listen(address);
  EXPECT_TRUE(listening.ok()) << listening.status();
  port = *listening;
}

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
                                 const CallOptions& options) {
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

}  // namespace lauberhorn::testing
