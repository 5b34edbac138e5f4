// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Completion queues: one on each side, and one thread at it.

#include <grpcpp/grpcpp.h>
#include <pthread.h>

#include <optional>
#include <thread>
#include <vector>

#include "bench/echo_peers.h"
#include "bench/grpc_server.h"
#include "echo.grpc.pb.h"

namespace lauberhorn::bench {
namespace {

constexpr std::size_t kWindow = 128;

// One call of the server: asked for, answered, and asked for again.
class ServedCall {
 public:
  ServedCall(::bench::Echo::AsyncService& service,
             grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue) {
    Ask();
  }

  // What it waited for has come.
  void Go() {
    if (answered_) return Ask();
    answered_ = true;
    const ::bench::EchoMessage reply = *request_;
    writer_->Finish(reply, grpc::Status::OK, this);
  }

 private:
  void Ask() {
    answered_ = false;
    writer_.reset();
    request_.emplace();
    writer_.emplace(&context_.emplace());
    service_.RequestEcho(&*context_, &*request_, &*writer_, &queue_, &queue_,
                         this);
  }

  ::bench::Echo::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  bool answered_ = false;
  std::optional<grpc::ServerContext> context_;
  std::optional<::bench::EchoMessage> request_;
  std::optional<grpc::ServerAsyncResponseWriter<::bench::EchoMessage>> writer_;
};

void ServeQueue(::bench::Echo::AsyncService& service,
                grpc::ServerCompletionQueue& queue) {
  pthread_setname_np(pthread_self(), "queue");
  std::vector<std::unique_ptr<ServedCall>> calls;
  for (std::size_t i = 0; i < kWindow; ++i) {
    calls.push_back(std::make_unique<ServedCall>(service, queue));
  }
  void* tag;
  bool good;
  while (queue.Next(&tag, &good)) {
    if (good) static_cast<ServedCall*>(tag)->Go();
  }
}

class GrpcQueueClient final : public EchoClient {
 public:
  GrpcQueueClient(const std::shared_ptr<grpc::Channel>& channel,
                  const Message& message)
      : stub_(::bench::Echo::NewStub(channel)), message_(message) {}

  ~GrpcQueueClient() override {
    queue_.Shutdown();
    void* tag;
    bool good;
    while (queue_.Next(&tag, &good)) {
    }
  }

  absl::Status Start(std::size_t number) override {
    Call& call = calls_[number];
    ::bench::EchoMessage request;
    message_.Fill(&request);
    call.reader.reset();
    call.reply.emplace();
    SetDeadline(call.context.emplace());
    call.reader = stub_->AsyncEcho(&*call.context, request, &queue_);
    call.reader->Finish(&*call.reply, &call.status, &call);
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Finish() override {
    void* tag;
    bool good;
    if (!queue_.Next(&tag, &good)) return absl::InternalError("no calls");
    const Call* const call = static_cast<Call*>(tag);
    if (!call->status.ok()) return FromGrpc(call->status);
    if (!message_.Is(*call->reply)) return WrongReply();
    return static_cast<std::size_t>(call - calls_);
  }

 private:
  // Made anew for each call, as a user does.
  struct Call {
    std::optional<grpc::ClientContext> context;
    std::optional<::bench::EchoMessage> reply;
    std::unique_ptr<grpc::ClientAsyncResponseReader<::bench::EchoMessage>>
        reader;
    grpc::Status status;
  };

  const std::unique_ptr<::bench::Echo::Stub> stub_;
  const Message& message_;
  Call calls_[kWindow];
  grpc::CompletionQueue queue_;
};

class GrpcQueuePeer final : public Peer {
 public:
  GrpcQueuePeer(Transport transport, const Message& message)
      : transport_(transport), message_(message) {}

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    ::bench::Echo::AsyncService service;
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    const auto queue = builder.AddCompletionQueue();
    int port = 0;
    const auto server = StartGrpc(transport_, builder, &port);
    if (server == nullptr) return 1;
    std::thread thread([&] { ServeQueue(service, *queue); });
    until_stopped(port);
    server->Shutdown();
    queue->Shutdown();
    thread.join();
    return 0;
  }

  EchoClientOr Connect(int port) override {
    return std::make_unique<GrpcQueueClient>(GrpcChannel(transport_, port),
                                             message_);
  }

 private:
  const Transport transport_;
  const Message message_;
};

}  // namespace

std::unique_ptr<Peer> MakeGrpcQueueTcp(const Message& message) {
  return std::make_unique<GrpcQueuePeer>(Transport::kTcp, message);
}

std::unique_ptr<Peer> MakeGrpcQueueUnix(const Message& message) {
  return std::make_unique<GrpcQueuePeer>(Transport::kUnix, message);
}

}  // namespace lauberhorn::bench
