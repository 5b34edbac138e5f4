// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// This library: one server, and clients that block in each call or that have
// many under way over one queue.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/echo_peers.h"
#include "echo.pb.h"
#include "lauberhorn/call_queue.h"
#include "lauberhorn/client.h"
#include "lauberhorn/kept_message.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn::bench {
namespace {

constexpr absl::string_view kName = "/bench.Echo/Echo";

// What generated code does around a handler, and the handler.
void EchoThunk(void*, ServerCall& call) {
  KeptMessage<::bench::EchoMessage, struct OfRequest> request;
  if (!request->ParseFromArray(call.request().data(),
                               static_cast<int>(call.request().size()))) {
    return call.Fail(absl::StatusCode::kInternal, "malformed request");
  }
  KeptMessage<::bench::EchoMessage, struct OfReply> reply;
  *reply = *request;
  std::uint8_t* const to = call.ReserveReply(reply->ByteSizeLong());
  if (to == nullptr) return;
  reply->SerializeWithCachedSizesToArray(to);
  call.Reply();
  request.Keep();
  reply.Keep();
}

constexpr Method kMethods[] = {{kName, &EchoThunk}};

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "the echo server: %s\n", status.ToString().c_str());
  return 1;
}

CallOptions InTime() {
  CallOptions options;
  options.deadline = absl::Now() + absl::Seconds(10);
  return options;
}

bool IsReply(const Message& message, absl::Span<const std::uint8_t> bytes) {
  ::bench::EchoMessage reply;
  return reply.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         message.Is(reply);
}

class LauberhornClient final : public BlockingEchoClient {
 public:
  LauberhornClient(std::shared_ptr<Client> client, const Message& message)
      : client_(std::move(client)), message_(message) {}

  absl::Status Echo() override {
    ::bench::EchoMessage request;
    message_.Fill(&request);
    UnaryCall call(*client_, kName, kMethods[0].id);
    std::uint8_t* const to = call.ReserveRequest(request.ByteSizeLong());
    if (to != nullptr) request.SerializeWithCachedSizesToArray(to);
    absl::Status status = call.Run(InTime());
    if (!status.ok()) return status;
    return IsReply(message_, call.reply()) ? absl::OkStatus() : WrongReply();
  }

 private:
  const std::shared_ptr<Client> client_;
  const Message& message_;
};

// A call's number is its tag.
class LauberhornQueueClient final : public EchoClient {
 public:
  LauberhornQueueClient(std::shared_ptr<Client> client,
                        std::unique_ptr<CallQueue> queue,
                        const Message& message)
      : client_(std::move(client)),
        queue_(std::move(queue)),
        message_(message) {}

  absl::Status Start(std::size_t number) override {
    ::bench::EchoMessage request;
    message_.Fill(&request);
    std::uint8_t bytes[Message::kMostBytes];
    const std::size_t size = request.ByteSizeLong();
    request.SerializeWithCachedSizesToArray(bytes);
    return queue_
        ->Start(*client_, {kName, kMethods[0].id, {bytes, size}, {}}, InTime(),
                reinterpret_cast<void*>(number))
        .status();
  }

  absl::StatusOr<std::size_t> Finish() override {
    Completion done;
    if (!queue_->Next(&done)) return absl::InternalError("no calls");
    absl::Status status = done.status();
    if (!status.ok()) return status;
    if (!IsReply(message_, done.reply())) return WrongReply();
    return reinterpret_cast<std::size_t>(done.tag());
  }

 private:
  const std::shared_ptr<Client> client_;
  const std::unique_ptr<CallQueue> queue_;
  const Message& message_;
};

enum class Calls : std::uint8_t { kBlocking, kQueued };

// How packets go between the two processes.
enum class Path : std::uint8_t { kMemory, kUdp };

class LauberhornPeer final : public Peer {
 public:
  LauberhornPeer(Calls calls, Path path, const Message& message)
      : calls_(calls), message_(message) {
    options_.local = path == Path::kMemory;
    client_options_ = options_;
  }
  LauberhornPeer(const Message& message, absl::Duration client_spin)
      : LauberhornPeer(Calls::kBlocking, Path::kMemory, message) {
    client_options_.spin_before_park = client_spin;
  }

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    const auto runtime = Runtime::Open(options_);
    if (!runtime.ok()) return Failed(runtime.status());
    const auto server = Server::Create(*runtime);
    if (!server.ok()) return Failed(server.status());
    const absl::Status added = (*server)->AddService(kMethods, nullptr);
    if (!added.ok()) return Failed(added);
    const absl::StatusOr<int> port = (*server)->Listen("127.0.0.1:0");
    if (!port.ok()) return Failed(port.status());
    until_stopped(*port);
    (*server)->Shutdown();
    return 0;
  }

  EchoClientOr Connect(int port) override {
    const auto runtime = Runtime::Open(client_options_);
    if (!runtime.ok()) return runtime.status();
    auto client = Client::Connect(*runtime, absl::StrCat("127.0.0.1:", port));
    if (!client.ok()) return client.status();
    if (calls_ == Calls::kBlocking) {
      return std::make_unique<LauberhornClient>(*std::move(client), message_);
    }
    auto queue = CallQueue::Create(*runtime);
    if (!queue.ok()) return queue.status();
    return std::make_unique<LauberhornQueueClient>(*std::move(client),
                                                   *std::move(queue), message_);
  }

 private:
  const Calls calls_;
  const Message message_;
  RuntimeOptions options_;
  RuntimeOptions client_options_;
};

}  // namespace

std::unique_ptr<Peer> MakeLauberhorn(const Message& message) {
  return std::make_unique<LauberhornPeer>(Calls::kBlocking, Path::kMemory,
                                          message);
}

std::unique_ptr<Peer> MakeLauberhornQueue(const Message& message) {
  return std::make_unique<LauberhornPeer>(Calls::kQueued, Path::kMemory,
                                          message);
}

std::unique_ptr<Peer> MakeLauberhornWaiting(const Message& message,
                                            absl::Duration spin) {
  return std::make_unique<LauberhornPeer>(message, spin);
}

std::unique_ptr<Peer> MakeLauberhornUdp(const Message& message) {
  return std::make_unique<LauberhornPeer>(Calls::kBlocking, Path::kUdp,
                                          message);
}

std::unique_ptr<Peer> MakeLauberhornUdpQueue(const Message& message) {
  return std::make_unique<LauberhornPeer>(Calls::kQueued, Path::kUdp, message);
}

}  // namespace lauberhorn::bench
