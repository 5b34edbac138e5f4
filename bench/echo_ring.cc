// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// A slot is owned by the side that its word says: even counts are the writer's,
// odd ones the reader's. The word is stored with release and loaded with
// acquire, and orders the bytes beside it.

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <thread>

#include "bench/cpu.h"
#include "bench/echo_peers.h"

namespace lauberhorn::bench {
namespace {

constexpr std::size_t kSlots = 128;

// The first bytes lie in the line of the word.
struct alignas(64) Slot {
  std::atomic<std::uint32_t> word{0};
  std::uint16_t size = 0;
  std::uint16_t number = 0;
  std::uint8_t bytes[Message::kMostBytes];
};

// Spins; on a CPU that others want, too, it lets them run now and then.
class Wait {
 public:
  void Spin() {
    constexpr unsigned kYield = 4096;
    if (++spins_ % kYield == 0) {
      sched_yield();
    } else {
      Relax();
    }
  }

 private:
  unsigned spins_ = 0;
};

// One writer, one reader; each has its own count of what passed.
struct Ring {
  Slot slots[kSlots];
};

class RingEnd {
 public:
  explicit RingEnd(Ring& ring) : ring_(ring) {}

  Slot& slot() { return ring_.slots[count_ % kSlots]; }
  bool Is(std::uint32_t turn) {
    return slot().word.load(std::memory_order_acquire) == Round() + turn;
  }
  void Pass(std::uint32_t turn) {
    slot().word.store(Round() + turn, std::memory_order_release);
    ++count_;
  }

 private:
  std::uint32_t Round() const {
    return static_cast<std::uint32_t>(2 * (count_ / kSlots));
  }

  Ring& ring_;
  std::uint64_t count_ = 0;
};

struct Shared {
  Ring requests;
  Ring replies;
  std::atomic<bool> running{false};  // the server spins; else it sleeps
};

class RingClient final : public EchoClient {
 public:
  RingClient(Shared& shared, const Message& message)
      : message_(message),
        requests_(shared.requests),
        replies_(shared.replies) {}

  absl::Status Start(std::size_t number) override {
    for (Wait wait; !requests_.Is(0);) wait.Spin();
    Slot& slot = requests_.slot();
    slot.number = static_cast<std::uint16_t>(number);
    slot.size = static_cast<std::uint16_t>(message_.Write(slot.bytes));
    requests_.Pass(1);
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Finish() override {
    for (Wait wait; !replies_.Is(1);) wait.Spin();
    const Slot& slot = replies_.slot();
    const std::size_t number = slot.number;
    const bool right = message_.IsIn({slot.bytes, slot.size});
    replies_.Pass(2);
    if (!right) return WrongReply();
    return number;
  }

 private:
  const Message& message_;
  RingEnd requests_;
  RingEnd replies_;
};

class RingPeer final : public Peer {
 public:
  explicit RingPeer(const Message& message) : message_(message) {
    void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) shared_ = new (memory) Shared;
  }
  ~RingPeer() override {
    if (shared_ != nullptr) munmap(shared_, sizeof(*shared_));
    if (resumed_ >= 0) close(resumed_);
  }

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    if (shared_ == nullptr || resumed_ < 0) return 1;
    std::thread([this] { EchoForever(); }).detach();  // ends with the process
    until_stopped(0);
    return 0;
  }

  EchoClientOr Connect(int) override {
    if (shared_ == nullptr) return absl::ResourceExhaustedError("no memory");
    return std::make_unique<RingClient>(*shared_, message_);
  }

  void Resume() override {
    shared_->running.store(true, std::memory_order_relaxed);
    (void)eventfd_write(resumed_, 1);
  }
  void Pause() override {
    shared_->running.store(false, std::memory_order_relaxed);
  }

 private:
  void EchoForever() {
    pthread_setname_np(pthread_self(), "echo");
    RingEnd requests(shared_->requests);
    RingEnd replies(shared_->replies);
    for (;;) {
      for (Wait wait; !requests.Is(1); wait.Spin()) {
        eventfd_t count;
        if (!shared_->running.load(std::memory_order_relaxed)) {
          (void)eventfd_read(resumed_, &count);
        }
      }
      for (Wait wait; !replies.Is(0);) wait.Spin();
      const Slot& request = requests.slot();
      Slot& reply = replies.slot();
      reply.number = request.number;
      reply.size = static_cast<std::uint16_t>(
          message_.Echo({request.bytes, request.size}, reply.bytes));
      requests.Pass(2);
      replies.Pass(1);
    }
  }

  const Message message_;
  Shared* shared_ = nullptr;
  const int resumed_ = eventfd(0, EFD_CLOEXEC);
};

}  // namespace

std::unique_ptr<Peer> MakeRing(const Message& message) {
  return std::make_unique<RingPeer>(message);
}

}  // namespace lauberhorn::bench
