// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// One half of both_libraries_test, compiled twice: ECHO_THROUGH and COPY_BY
// are the functions to define, ECHO_SERVICE the service of the library whose
// headers are found.
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "echo.grpc.pb.h"
#include "librpc/compat/testing/both_libraries.h"

namespace {

class EchoService final : public ECHO_SERVICE::Service {
 public:
  grpc::Status Say(grpc::ServerContext*, const echo::Request* request,
                   echo::Reply* reply) override {
    reply->set_text(request->text());
    return grpc::Status::OK;
  }
};

}  // namespace

std::string ECHO_THROUGH(const std::string& text) {
  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return "no server";
  const std::unique_ptr<ECHO_SERVICE::Stub> stub = ECHO_SERVICE::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                          grpc::InsecureChannelCredentials()));
  echo::Request request;
  request.set_text(text);
  echo::Reply reply;
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  const grpc::Status status = stub->Say(&context, request, &reply);
  return status.ok() ? reply.text() : status.error_message();
}

std::string COPY_BY(const std::string& text) {
  grpc_init();
  GPR_ASSERT(grpc_is_initialized() == 1);
  const gpr_timespec now = gpr_now(GPR_CLOCK_REALTIME);
  GPR_ASSERT(gpr_time_cmp(now, gpr_inf_future(GPR_CLOCK_REALTIME)) < 0);
  char* const copy = gpr_strdup(text.c_str());
  std::string result = copy;
  gpr_free(copy);
  grpc_shutdown_blocking();
  return result;
}
