// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A program that has grown: limits, metadata, deadlines by gpr_timespec, hosts,
// cancellation, a service that calls itself. Compiled and run with this library
// and with gRPC's own; 0 if all went well.
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "echo.grpc.pb.h"

namespace {

// Answers itself, but for "forward ...", which it asks itself for.
class Forwarder final : public echo::Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext* context, const echo::Request* request,
                   echo::Reply* reply) override {
    for (const auto& entry : context->client_metadata()) {
      if (entry.first == "tenant") {
        context->AddTrailingMetadata(
            "served-tenant",
            std::string(entry.second.data(), entry.second.length()));
      }
    }
    if (request->text() == "wait") {
      while (!context->IsCancelled()) {
        gpr_sleep_until(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                     gpr_time_from_millis(1, GPR_TIMESPAN)));
      }
      return grpc::Status::CANCELLED;
    }
    const std::string prefix = "forward ";
    if (request->text().compare(0, prefix.size(), prefix) != 0) {
      reply->set_text(request->text());
      return grpc::Status::OK;
    }
    const std::unique_ptr<grpc::ClientContext> nested =
        grpc::ClientContext::FromServerContext(
            *context, grpc::PropagationOptions().enable_deadline_propagation());
    echo::Request inner;
    inner.set_text(request->text().substr(prefix.size()));
    return self->Say(nested.get(), inner, reply);
  }

  std::unique_ptr<echo::Echo::Stub> self;
};

gpr_timespec In(int64_t millis) {
  return gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                      gpr_time_from_millis(millis, GPR_TIMESPAN));
}

grpc::Status Say(const std::unique_ptr<echo::Echo::Stub>& stub,
                 grpc::ClientContext* context, const std::string& text,
                 std::string* answer) {
  echo::Request request;
  request.set_text(text);
  echo::Reply reply;
  grpc::Status status = stub->Say(context, request, &reply);
  *answer = reply.text();
  return status;
}

void Run() {
  Forwarder service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(1000)
      .SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 4)
      .AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port)
      .RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  GPR_ASSERT(server);

  grpc::ChannelArguments args;
  args.SetUserAgentPrefix("careful/1");
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                grpc::InsecureChannelCredentials(), args);
  GPR_ASSERT(channel->WaitForConnected(In(60'000)));
  GPR_ASSERT(channel->GetState(false) == GRPC_CHANNEL_READY);
  service.self = echo::Echo::NewStub(channel);
  const std::unique_ptr<echo::Echo::Stub> stub = echo::Echo::NewStub(channel);

  std::string answer;
  {
    grpc::ClientContext context;
    context.set_deadline(In(60'000));
    context.set_wait_for_ready(true);
    context.AddMetadata("tenant", "blue");
    GPR_ASSERT(Say(stub, &context, "forward forward hello", &answer).ok());
    GPR_ASSERT(answer == "hello");
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto served = trailing.find("served-tenant");
    GPR_ASSERT(served != trailing.end() && served->second == "blue");
  }
  {
    grpc::ClientContext context;
    context.set_deadline(In(60'000));
    const grpc::Status status =
        Say(stub, &context, std::string(1200, 'x'), &answer);
    GPR_ASSERT(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
    gpr_log(GPR_INFO, "as expected: %s", context.debug_error_string().c_str());
  }
  {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(50));
    const grpc::Status status = Say(stub, &context, "forward wait", &answer);
    GPR_ASSERT(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  {
    grpc::ClientContext context;
    context.TryCancel();
    const grpc::Status status = Say(stub, &context, "wait", &answer);
    GPR_ASSERT(status.error_code() == grpc::StatusCode::CANCELLED);
  }
  server->Shutdown(In(10'000));
}

}  // namespace

int main() {
  grpc_init();
  Run();
  grpc_shutdown();
  return 0;
}
