// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Between stub and handler nothing is allocated, nor for the handler's messages
// once the thread has had some as large.
//
// Ordering: the counter is of one thread, on which the fake runs both ends.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "echo.grpc.pb.h"
#include "lauberhorn/kept_message.h"
#include "librpc/testing/allocations.h"

namespace {

class EchoService final : public echo::Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext* context, const echo::Request* request,
                   echo::Reply* reply) override {
    if (context->IsCancelled()) return grpc::Status::CANCELLED;
    reply->set_text(request->text());
    return grpc::Status::OK;
  }
};

TEST(AllocationTest, ACallAllocatesNothing) {
  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder
      .AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port)
      .RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const std::unique_ptr<echo::Echo::Stub> stub = echo::Echo::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port),
                          grpc::InsecureChannelCredentials()));
  echo::Request request;
  request.set_text("too long for a string's own bytes");
  echo::Reply reply;
  // The first call connects, and gives the replies their strings.
  for (int i = 0; i < 3; ++i) {
    const auto deadline =
        std::chrono::system_clock::now() + std::chrono::minutes(1);
    const long before = lauberhorn::testing::Allocations();
    {
      grpc::ClientContext context;
      context.set_deadline(deadline);
      const grpc::Status status = stub->Say(&context, request, &reply);
      ASSERT_TRUE(status.ok());
    }
    const long during = lauberhorn::testing::Allocations() - before;
    if (i == 0) {
      EXPECT_GT(during, 0) << "the counter does not count";
    } else {
      // Else each of the handler's messages, its string, and that one's bytes.
      EXPECT_EQ(during, lauberhorn::kKeepsMessages ? 0 : 6);
    }
  }
  EXPECT_EQ(reply.text(), request.text());
}

}  // namespace
