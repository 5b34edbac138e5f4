// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Cap'n Proto's RPC. An event loop belongs to a thread; what it throws ends
// here.

#include <capnp/ez-rpc.h>
#include <pthread.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/echo_peers.h"
#include "echo.capnp.h"

namespace lauberhorn::bench {
namespace {

namespace capnproto = ::bench::capnproto;

constexpr std::size_t kWindow = 128;

class EchoServer final : public capnproto::Echo::Server {
  kj::Promise<void> echo(EchoContext context) override {
    context.getResults().setMessage(context.getParams().getMessage());
    return kj::READY_NOW;
  }
};

template <std::size_t kSize>
kj::ArrayPtr<const kj::byte> BytesOf(const char (&text)[kSize]) {
  return {reinterpret_cast<const kj::byte*>(text), kSize - 1};
}

void Fill(const Message& message, capnproto::EchoMessage::Builder to) {
  if (!message.is_record()) {
    const std::string& payload = message.payload();
    capnp::Data::Builder bytes =
        to.initPayload(static_cast<unsigned>(payload.size()));
    std::memcpy(bytes.begin(), payload.data(), payload.size());
    return;
  }
  capnproto::Record::Builder record = to.initRecord();
  record.setId(Message::kId);
  record.setName(Message::kName);
  record.setMail(Message::kMail);
  record.setAge(Message::kAge);
  record.setBalance(Message::kBalance);
  record.setActive(Message::kActive);
  record.setCreated(Message::kCreated);
  record.setOffset(Message::kOffset);
  record.setDigest(BytesOf(Message::kDigest));
  record.setFlags(Message::kFlags);
}

bool Is(const Message& message, capnproto::EchoMessage::Reader reply) {
  if (!message.is_record()) {
    const capnp::Data::Reader bytes = reply.getPayload();
    const std::string& payload = message.payload();
    return bytes.size() == payload.size() &&
           std::memcmp(bytes.begin(), payload.data(), payload.size()) == 0;
  }
  const capnproto::Record::Reader record = reply.getRecord();
  return record.getId() == Message::kId && record.getName() == Message::kName &&
         record.getMail() == Message::kMail &&
         record.getAge() == Message::kAge &&
         record.getBalance() == Message::kBalance &&
         record.getActive() == Message::kActive &&
         record.getCreated() == Message::kCreated &&
         record.getOffset() == Message::kOffset &&
         record.getDigest() == BytesOf(Message::kDigest) &&
         record.getFlags() == Message::kFlags;
}

absl::Status FromKj(const kj::Exception& exception) {
  return absl::UnavailableError(
      absl::StrCat("Cap'n Proto: ", exception.getDescription().cStr()));
}

class CapnProtoClient final : public EchoClient {
 public:
  CapnProtoClient(const std::string& address, const Message& message)
      : message_(message),
        client_(address.c_str()),
        echo_(client_.getMain<capnproto::Echo>()) {}

  // KJ's destructors may throw, which would be the end here.
  ~CapnProtoClient() noexcept override {}

  absl::Status Start(std::size_t number) override {
    try {
      auto request = echo_.echoRequest();
      Fill(message_, request.initMessage());
      // Eagerly: a promise of KJ does nothing until somebody waits for it.
      calls_[number].emplace(
          request.send()
              .then(
                  [this, number](auto&& reply) {
                    End(number, Is(message_, reply.getMessage())
                                    ? absl::OkStatus()
                                    : WrongReply());
                  },
                  [this, number](const kj::Exception& exception) {
                    End(number, FromKj(exception));
                  })
              .eagerlyEvaluate(nullptr));
    } catch (const kj::Exception& exception) {
      return FromKj(exception);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Finish() override {
    if (ended_.empty()) {
      auto next = kj::newPromiseAndFulfiller<void>();
      next_ = kj::mv(next.fulfiller);
      next.promise.wait(client_.getWaitScope());
    }
    const auto [number, status] = ended_.front();
    ended_.pop_front();
    if (!status.ok()) return status;
    return number;
  }

 private:
  void End(std::size_t number, absl::Status status) {
    ended_.emplace_back(number, std::move(status));
    if (next_.get() != nullptr) {
      next_->fulfill();
      next_ = nullptr;
    }
  }

  const Message& message_;
  capnp::EzRpcClient client_;
  capnproto::Echo::Client echo_;
  std::deque<std::pair<std::size_t, absl::Status>> ended_;
  kj::Own<kj::PromiseFulfiller<void>> next_;
  std::optional<kj::Promise<void>> calls_[kWindow];
};

class CapnProtoPeer final : public Peer {
 public:
  CapnProtoPeer(bool is_unix, const Message& message)
      : is_unix_(is_unix), message_(message) {}

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    std::promise<int> port;
    std::thread([this, &port] {
      pthread_setname_np(pthread_self(), "echo");
      const std::string address = is_unix_ ? Address(getpid()) : "127.0.0.1:0";
      capnp::EzRpcServer server(kj::heap<EchoServer>(), address.c_str());
      const auto bound =
          static_cast<int>(server.getPort().wait(server.getWaitScope()));
      port.set_value(is_unix_ ? getpid() : bound);
      kj::NEVER_DONE.wait(server.getWaitScope());
    }).detach();  // ends with the process
    until_stopped(port.get_future().get());
    return 0;
  }

  EchoClientOr Connect(int port) override {
    return std::make_unique<CapnProtoClient>(Address(port), message_);
  }

 private:
  std::string Address(int port) const {
    return is_unix_ ? absl::StrCat("unix-abstract:lauberhorn-bench-", port)
                    : absl::StrCat("127.0.0.1:", port);
  }

  const bool is_unix_;
  const Message message_;
};

}  // namespace

std::unique_ptr<Peer> MakeCapnProtoTcp(const Message& message) {
  return std::make_unique<CapnProtoPeer>(false, message);
}

std::unique_ptr<Peer> MakeCapnProtoUnix(const Message& message) {
  return std::make_unique<CapnProtoPeer>(true, message);
}

}  // namespace lauberhorn::bench
