// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "bench/echo_peers.h"
#include "bench/grpc_server.h"
#include "echo.grpc.pb.h"

namespace lauberhorn::bench {
namespace {

constexpr std::size_t kWindow = 128;

class EchoService final : public ::bench::Echo::CallbackService {
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const ::bench::EchoMessage* request,
                                 ::bench::EchoMessage* reply) override {
    *reply = *request;
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Callbacks run on gRPC's threads and leave what has ended in a queue.
class GrpcCallbackClient final : public EchoClient {
 public:
  GrpcCallbackClient(const std::shared_ptr<grpc::Channel>& channel,
                     const Message& message)
      : stub_(::bench::Echo::NewStub(channel)), message_(message) {}

  ~GrpcCallbackClient() override {
    while (under_way_ > 0) (void)Finish();
  }

  absl::Status Start(std::size_t number) override {
    Call& call = calls_[number];
    message_.Fill(&call.request.emplace());
    call.reply.emplace();
    SetDeadline(call.context.emplace());
    ++under_way_;
    stub_->async()->Echo(&*call.context, &*call.request, &*call.reply,
                         [this, number](grpc::Status status) {
                           calls_[number].status = std::move(status);
                           const std::lock_guard<std::mutex> lock(mutex_);
                           ended_.push_back(number);
                           changed_.notify_one();
                         });
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Finish() override {
    std::size_t number;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return !ended_.empty(); });
      number = ended_.front();
      ended_.pop_front();
    }
    --under_way_;
    const Call& call = calls_[number];
    if (!call.status.ok()) return FromGrpc(call.status);
    if (!message_.Is(*call.reply)) return WrongReply();
    return number;
  }

 private:
  // Made anew for each call, as a user does.
  struct Call {
    std::optional<grpc::ClientContext> context;
    std::optional<::bench::EchoMessage> request;
    std::optional<::bench::EchoMessage> reply;
    grpc::Status status;
  };

  const std::unique_ptr<::bench::Echo::Stub> stub_;
  const Message& message_;
  Call calls_[kWindow];
  std::size_t under_way_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::size_t> ended_;
};

class GrpcCallbackPeer final : public Peer {
 public:
  GrpcCallbackPeer(Transport transport, const Message& message)
      : transport_(transport), message_(message) {}

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    EchoService service;
    return ServeGrpc(transport_, service, until_stopped);
  }

  EchoClientOr Connect(int port) override {
    return std::make_unique<GrpcCallbackClient>(GrpcChannel(transport_, port),
                                                message_);
  }

 private:
  const Transport transport_;
  const Message message_;
};

}  // namespace

std::unique_ptr<Peer> MakeGrpcCallbackTcp(const Message& message) {
  return std::make_unique<GrpcCallbackPeer>(Transport::kTcp, message);
}

std::unique_ptr<Peer> MakeGrpcCallbackUnix(const Message& message) {
  return std::make_unique<GrpcCallbackPeer>(Transport::kUnix, message);
}

}  // namespace lauberhorn::bench
