// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/echo_peers.h"
#include "echo.pb.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn::bench {
namespace {

constexpr absl::string_view kName = "/bench.Echo/Echo";

// What generated code does around a handler, and the handler.
void EchoThunk(void*, ServerCall& call) {
  ::bench::EchoMessage request;
  if (!request.ParseFromArray(call.request().data(),
                              static_cast<int>(call.request().size()))) {
    return call.Fail(absl::StatusCode::kInternal, "malformed request");
  }
  const ::bench::EchoMessage reply = request;
  std::uint8_t* const to = call.ReserveReply(reply.ByteSizeLong());
  if (to == nullptr) return;
  reply.SerializeWithCachedSizesToArray(to);
  call.Reply();
}

constexpr Method kMethods[] = {{kName, &EchoThunk}};

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "the echo server: %s\n", status.ToString().c_str());
  return 1;
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
    CallOptions options;
    options.deadline = absl::Now() + absl::Seconds(10);
    absl::Status status = call.Run(options);
    if (!status.ok()) return status;
    ::bench::EchoMessage reply;
    if (!reply.ParseFromArray(call.reply().data(),
                              static_cast<int>(call.reply().size())) ||
        !message_.Is(reply)) {
      return WrongReply();
    }
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<Client> client_;
  const Message& message_;
};

class LauberhornPeer final : public Peer {
 public:
  explicit LauberhornPeer(const Message& message) : message_(message) {}

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    const auto runtime = Runtime::Default();
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
    const auto runtime = Runtime::Default();
    if (!runtime.ok()) return runtime.status();
    auto client = Client::Connect(*runtime, absl::StrCat("127.0.0.1:", port));
    if (!client.ok()) return client.status();
    return std::make_unique<LauberhornClient>(*std::move(client), message_);
  }

 private:
  const Message message_;
};

}  // namespace

std::unique_ptr<Peer> MakeLauberhorn(const Message& message) {
  return std::make_unique<LauberhornPeer>(message);
}

}  // namespace lauberhorn::bench
