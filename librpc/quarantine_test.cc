// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads whose messages break the contract so often that the NIC does not
// serve them any more: they are told, and nobody else suffers.

#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"
#include "librpc/endpoint.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn {
namespace {

using ::testing::HasSubstr;

// Puts messages that no NIC takes until it has had enough.
void BreakContract(Endpoint& endpoint, lh_channel& channel) {
  while (!endpoint.IsQuarantined()) {
    lh_line* const line = endpoint.PutBegin(channel);
    std::memset(&line->header.call, 0,
                sizeof(line->header) - sizeof(line->header.word));
    line->header.kind = LH_KIND_NONE;
    endpoint.Put(channel, line);
  }
}

Endpoint& Mine(Runtime& runtime) {
  Connection* connection;
  return **RuntimeImpl::From(runtime).ThisThread(&connection);
}

void Answer(ServerCall& call, absl::string_view text) {
  std::memcpy(call.ReserveReply(text.size()), text.data(), text.size());
  call.Reply();
}

void Good(void*, ServerCall& call) { Answer(call, "good"); }

// The worker goes bad while it runs its handler.
void GoBad(void* runtime, ServerCall& call) {
  Endpoint& mine = Mine(*static_cast<Runtime*>(runtime));
  BreakContract(mine, mine.serve());
  Answer(call, "for nobody");
}

// Its own calls go bad; it serves on.
void GoHalfBad(void* runtime, ServerCall& call) {
  Endpoint& mine = Mine(*static_cast<Runtime*>(runtime));
  BreakContract(mine, mine.call());
  Answer(call, "half bad");
}

constexpr Method kMethods[] = {
    {"/test.Service/Good", &Good},
    {"/test.Service/GoBad", &GoBad},
    {"/test.Service/GoHalfBad", &GoHalfBad},
};

class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() {
    runtime_ = *Runtime::Open({});
    server_ = *Server::Create(runtime_);
    EXPECT_TRUE(server_->AddService(kMethods, runtime_.get()).ok());
    client_ = *Client::Connect(
        runtime_, absl::StrCat("127.0.0.1:", *server_->Listen("127.0.0.1:0")));
  }

  absl::StatusOr<std::string> Call(absl::string_view method) {
    const std::string name = absl::StrCat("/test.Service/", method);
    UnaryCall call(*client_, name, MethodId(name));
    call.ReserveRequest(0);
    CallOptions options;
    options.deadline = absl::Now() + absl::Minutes(1);
    const absl::Status status = call.Run(options);
    if (!status.ok()) return status;
    return std::string(call.reply().begin(), call.reply().end());
  }

  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<Client> client_;
};

TEST_F(QuarantineTest, AClientIsToldAndOthersGoOn) {
  EXPECT_EQ(*Call("Good"), "good");
  BreakContract(Mine(*runtime_), Mine(*runtime_).call());
  for (int round = 0; round < 20; ++round) {
    const absl::Status status = Call("Good").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("broke the contract"));
  }
  std::thread([&] { EXPECT_EQ(*Call("Good"), "good"); }).join();
  // Commands that must not fail go another way.
  server_->Shutdown();
  client_ = nullptr;
}

TEST_F(QuarantineTest, AWorkerIsReplacedAndItsCallEnds) {
  for (int round = 0; round < 10; ++round) {
    const absl::Status status = Call("GoBad").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnknown) << status;
    EXPECT_EQ(*Call("Good"), "good");
  }
  server_->Shutdown();
}

TEST_F(QuarantineTest, AWorkerWhoseOwnCallsGoBadServesOn) {
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(*Call("GoHalfBad"), "half bad");
    EXPECT_EQ(*Call("Good"), "good");
  }
  server_->Shutdown();
}

TEST_F(QuarantineTest, AnEndpointIsNotUsedAgain) {
  for (int round = 0; round < 10; ++round) {
    std::thread([&] {
      EXPECT_EQ(*Call("Good"), "good");
      BreakContract(Mine(*runtime_), Mine(*runtime_).call());
    }).join();
  }
}

}  // namespace
}  // namespace lauberhorn
