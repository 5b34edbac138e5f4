// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The functions of the native library, without a NIC; see fake_core.h.
#include "librpc/compat/testing/fake_core.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"

namespace lauberhorn {
namespace {

using testing::FakeCore;
using testing::FakeServerCall;
using testing::kLargestMessage;

// What a Cancellation takes for an open call.
constexpr std::uint64_t kOpenCall = 4;

// Guards FakeCore while calls run.
std::mutex core_mutex;

class FakeRuntime final : public Runtime {};

class FakeClient final : public Client {
 public:
  FakeClient(std::string target, int port)
      : target_(std::move(target)), port_(port) {}
  const std::string& target() const override { return target_; }
  const PeerAddress& peer() const override { return peer_; }
  absl::StatusOr<ConnectionState> GetState(bool) override {
    return ConnectionState::kReady;
  }
  absl::StatusOr<ConnectionState> WaitForChange(ConnectionState,
                                                absl::Time) override {
    return ConnectionState::kReady;
  }
  int port() const { return port_; }

 private:
  const std::string target_;
  const PeerAddress peer_;
  const int port_;
};

class FakeServer;

struct Ports {
  std::mutex mutex;
  std::map<int, FakeServer*> servers;
  int next_free = 40000;

  static Ports& Get() {
    static Ports& ports = *new Ports();
    return ports;
  }
};

absl::StatusOr<int> PortOf(absl::string_view address) {
  const std::size_t colon = address.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address, "' is no host:port"));
  }
  return port;
}

class FakeServer final : public Server {
 public:
  FakeServer() = default;
  ~FakeServer() override { Shutdown(absl::InfiniteFuture()); }

  absl::Status AddService(absl::Span<const Method> methods,
                          void* service) override {
    for (const Method& method : methods) {
      if (!rows_.emplace(method.id, std::make_pair(&method, service)).second) {
        return absl::AlreadyExistsError(
            absl::StrCat(method.name, " is there already"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int> Listen(absl::string_view address) override {
    absl::StatusOr<int> port = PortOf(address);
    if (!port.ok()) return port;
    const std::lock_guard<std::mutex> lock(Ports::Get().mutex);
    if (*port == 0) port = Ports::Get().next_free++;
    if (!Ports::Get().servers.emplace(*port, this).second) {
      return absl::UnavailableError("the port is in use");
    }
    return port;
  }

  using Server::Shutdown;
  void Shutdown(absl::Time) override {
    const std::lock_guard<std::mutex> lock(Ports::Get().mutex);
    std::erase_if(Ports::Get().servers,
                  [this](const auto& port) { return port.second == this; });
  }

  void Run(absl::string_view name, std::uint64_t id, FakeServerCall& call) {
    const auto row = rows_.find(id);
    if (row == rows_.end()) {
      call.Fail(absl::StatusCode::kUnimplemented, name);
      return;
    }
    const auto& [method, service] = row->second;
    method->thunk(service, call);
  }

 private:
  std::map<std::uint64_t, std::pair<const Method*, void*>> rows_;
};

// The calls of a thread: one in another's handler, at most so deep.
struct Buffers {
  std::array<std::uint8_t, kLargestMessage> request;
  std::size_t request_size = 0;
  std::array<std::uint8_t, kLargestMessage> metadata;
  std::size_t metadata_size = 0;
  bool refused = false;
  std::array<std::uint8_t, kLargestMessage> reply;
  std::array<std::uint8_t, kLargestMessage> reply_metadata;
};

thread_local std::array<Buffers, 4> buffers_of_thread;
thread_local std::size_t depth = 0;

Buffers& Current() { return buffers_of_thread[depth - 1]; }

absl::Span<const std::uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

absl::StatusOr<std::shared_ptr<Runtime>> Runtime::Open(const RuntimeOptions&) {
  return std::make_shared<FakeRuntime>();
}

absl::StatusOr<std::shared_ptr<Runtime>> Runtime::Default() {
  return Open(RuntimeOptions());
}

absl::StatusOr<std::unique_ptr<Server>> Server::Create(
    // NOLINTNEXTLINE(performance-unnecessary-value-param): as the real one
    std::shared_ptr<Runtime>) {
  return std::make_unique<FakeServer>();
}

absl::StatusOr<std::shared_ptr<Client>> Client::Connect(
    // NOLINTNEXTLINE(performance-unnecessary-value-param): as the real one
    std::shared_ptr<Runtime>, absl::string_view target) {
  const std::lock_guard<std::mutex> lock(core_mutex);
  std::vector<absl::Status>& errors = FakeCore::Get().connect_errors;
  if (!errors.empty()) {
    const absl::Status error = errors.front();
    errors.erase(errors.begin());
    return error;
  }
  const absl::StatusOr<int> port = PortOf(target);
  if (!port.ok()) return port.status();
  ++FakeCore::Get().connects;
  return std::make_shared<FakeClient>(std::string(target), *port);
}

UnaryCall::UnaryCall(Client& client, absl::string_view name, std::uint64_t id)
    : client_(client), name_(name), id_(id) {
  ++depth;
  Current().refused = false;
}

UnaryCall::~UnaryCall() { --depth; }

std::uint8_t* UnaryCall::ReserveRequest(
    std::size_t size, absl::Span<const std::uint8_t> metadata) {
  Current().refused = size + metadata.size() > kLargestMessage;
  Current().request_size = size;
  if (!Current().refused) {
    Current().metadata_size = metadata.size();
    std::copy(metadata.begin(), metadata.end(), Current().metadata.begin());
  }
  return Current().refused ? nullptr : Current().request.data();
}

absl::Status UnaryCall::Run(const CallOptions& options) {
  const FakeCore& core = FakeCore::Get();
  {
    const std::lock_guard<std::mutex> lock(core_mutex);
    FakeCore::Get().last_options = options;
  }
  Buffers& buffers = Current();
  if (buffers.refused) {
    return absl::ResourceExhaustedError("the request is too large");
  }
  FakeServer* server = nullptr;
  {
    const std::lock_guard<std::mutex> lock(Ports::Get().mutex);
    const auto& servers = Ports::Get().servers;
    const auto found = servers.find(static_cast<FakeClient&>(client_).port());
    if (found != servers.end()) server = found->second;
  }
  if (server == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("no server at ", client_.target()));
  }
  // Nothing interrupts it.
  const auto nothing = [](void*, std::uint64_t) {};
  if (options.cancellation != nullptr) {
    if (!options.cancellation->Begin(nothing, nullptr, kOpenCall)) {
      return absl::CancelledError("cancelled before it was sent");
    }
    options.cancellation->End();
  }
  FakeServerCall call(
      absl::MakeSpan(buffers.request.data(), buffers.request_size));
  call.set_deadline(options.deadline);
  call.set_metadata(
      absl::MakeSpan(buffers.metadata.data(), buffers.metadata_size));
  server->Run(name_, id_, call);
  const absl::Span<const std::uint8_t> metadata =
      core.reply_metadata_instead.empty() ? call.reply_metadata()
                                          : Bytes(core.reply_metadata_instead);
  std::copy(metadata.begin(), metadata.end(), buffers.reply_metadata.begin());
  reply_metadata_ =
      absl::MakeSpan(buffers.reply_metadata.data(), metadata.size());
  if (!call.status().ok()) return call.status();
  const absl::Span<const std::uint8_t> reply =
      core.reply_instead.empty() ? call.reply() : Bytes(core.reply_instead);
  std::copy(reply.begin(), reply.end(), buffers.reply.begin());
  reply_ = absl::MakeSpan(buffers.reply.data(), reply.size());
  return absl::OkStatus();
}

namespace testing {

FakeCore& FakeCore::Get() {
  static FakeCore& core = *new FakeCore();
  return core;
}

std::uint8_t* FakeServerCall::ReserveReply(
    std::size_t size, absl::Span<const std::uint8_t> metadata) {
  if (size + metadata.size() > kLargestMessage) {
    Fail(absl::StatusCode::kResourceExhausted, "the reply is too large");
    return nullptr;
  }
  reply_metadata_size_ = metadata.size();
  std::copy(metadata.begin(), metadata.end(), reply_metadata_.begin());
  size_ = size;
  return buffer_.data();
}

void FakeServerCall::Reply() { ++answers_; }

void FakeServerCall::Fail(absl::StatusCode code, absl::string_view message,
                          absl::Span<const std::uint8_t> metadata) {
  ++answers_;
  reply_metadata_size_ = metadata.size();
  std::copy(metadata.begin(), metadata.end(), reply_metadata_.begin());
  status_ = absl::Status(code, message);
}

}  // namespace testing
}  // namespace lauberhorn
