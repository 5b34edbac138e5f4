// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/compat/surface/surface.h
//
// What the surface tests share: an echo service that keeps what its contexts
// said, and servers and stubs of it. Compiled against either library.
#ifndef LIBRPC_COMPAT_SURFACE_SURFACE_H_
#define LIBRPC_COMPAT_SURFACE_SURFACE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "echo.grpc.pb.h"

namespace surface {

// Whatever hangs is ended by this and fails the test.
inline std::chrono::system_clock::time_point Patience() {
  return std::chrono::system_clock::now() + std::chrono::minutes(1);
}

inline std::string Text(const grpc::string_ref& text) {
  return std::string(text.begin(), text.end());
}

// Echoes the text, after what `say` does if there is one.
class EchoService final : public echo::Echo::Service {
 public:
  explicit EchoService(std::string name = "") : name_(std::move(name)) {}

  grpc::Status Say(grpc::ServerContext* context, const echo::Request* request,
                   echo::Reply* reply) override {
    if (say) {
      const grpc::Status status = say(*context);
      if (!status.ok()) return status;
    }
    reply->set_text(name_ + request->text());
    return grpc::Status::OK;
  }

  std::function<grpc::Status(grpc::ServerContext&)> say;

 private:
  const std::string name_;  // comes before what is echoed
};

// A server that a test builds and stubs of it, each call with a context of its
// own, which is kept.
class Surface : public ::testing::Test {
 protected:
  // Starts what `builder_` has, at a port of 127.0.0.1.
  void Start() {
    builder_.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                              &port_);
    server_ = builder_.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    Connect(grpc::ChannelArguments());
  }

  std::string target() const { return "127.0.0.1:" + std::to_string(port_); }

  void Connect(const grpc::ChannelArguments& args) {
    channel_ = grpc::CreateCustomChannel(
        target(), grpc::InsecureChannelCredentials(), args);
    stub_ = echo::Echo::NewStub(channel_);
  }

  void NewContext() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(Patience());
  }

  // With the context of the last NewContext(), or with a new one.
  grpc::Status Say(const std::string& text) {
    if (context_ == nullptr) NewContext();
    echo::Request request;
    request.set_text(text);
    reply_.Clear();
    const grpc::Status status = stub_->Say(context_.get(), request, &reply_);
    last_ = std::move(context_);
    return status;
  }

  int port_ = 0;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<echo::Echo::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientContext> last_;  // of the call that has ended
  echo::Reply reply_;
};

}  // namespace surface

#endif  // LIBRPC_COMPAT_SURFACE_SURFACE_H_
