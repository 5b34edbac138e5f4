// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// The message lies in shared memory, and each side sleeps until the other one
// writes to an eventfd: what the kernel takes to wake a thread, twice. The
// system calls order the bytes.

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <thread>

#include "bench/echo_peers.h"

namespace lauberhorn::bench {
namespace {

struct Bytes {
  std::size_t size = 0;
  std::uint8_t bytes[Message::kMostBytes];
};

struct Shared {
  alignas(64) Bytes request;
  alignas(64) Bytes reply;
};

bool Wake(int descriptor) { return eventfd_write(descriptor, 1) == 0; }
bool Sleep(int descriptor) {
  eventfd_t count;
  return eventfd_read(descriptor, &count) == 0;
}

class EventfdPeer final : public Peer {
 public:
  explicit EventfdPeer(const Message& message) : message_(message) {
    void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) shared_ = new (memory) Shared;
  }
  ~EventfdPeer() override {
    if (shared_ != nullptr) munmap(shared_, sizeof(*shared_));
    if (requested_ >= 0) close(requested_);
    if (replied_ >= 0) close(replied_);
  }

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    if (!IsGood()) return 1;
    std::thread([this] { EchoForever(); }).detach();  // ends with the process
    until_stopped(0);
    return 0;
  }

  EchoClientOr Connect(int) override {
    if (!IsGood()) return absl::ResourceExhaustedError("no eventfd");
    return std::make_unique<Client>(*this);
  }

 private:
  class Client final : public BlockingEchoClient {
   public:
    explicit Client(EventfdPeer& peer) : peer_(peer) {}

    absl::Status Echo() override {
      Shared& shared = *peer_.shared_;
      shared.request.size = peer_.message_.Write(shared.request.bytes);
      if (!Wake(peer_.requested_) || !Sleep(peer_.replied_)) {
        return absl::UnavailableError("eventfd");
      }
      const Bytes& reply = shared.reply;
      return peer_.message_.IsIn({reply.bytes, reply.size}) ? absl::OkStatus()
                                                            : WrongReply();
    }

   private:
    EventfdPeer& peer_;
  };

  bool IsGood() const {
    return shared_ != nullptr && requested_ >= 0 && replied_ >= 0;
  }

  void EchoForever() {
    pthread_setname_np(pthread_self(), "echo");
    while (Sleep(requested_)) {
      const Bytes& request = shared_->request;
      shared_->reply.size =
          message_.Echo({request.bytes, request.size}, shared_->reply.bytes);
      Wake(replied_);
    }
  }

  const Message message_;
  Shared* shared_ = nullptr;
  const int requested_ = eventfd(0, EFD_CLOEXEC);
  const int replied_ = eventfd(0, EFD_CLOEXEC);
};

}  // namespace

std::unique_ptr<Peer> MakeEventfd(const Message& message) {
  return std::make_unique<EventfdPeer>(message);
}

}  // namespace lauberhorn::bench
