// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/engine_thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "nic/turn_clock.h"

namespace lauberhorn::nic {
namespace {

// A thread that does not sleep looks this often whether somebody asks.
constexpr Nanos kReportLook = 100 * kMillisecond;

absl::Status SystemError(absl::string_view what) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, ": ", std::strerror(errno)));
}

// Adds the wire's socket to what wakes the thread.
absl::StatusOr<std::unique_ptr<Wire>> Watched(
    int epoll, absl::StatusOr<std::unique_ptr<UdpWire>> wire) {
  if (!wire.ok()) return wire.status();
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = (*wire)->descriptor();
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) != 0) {
    return SystemError("cannot watch a socket");
  }
  return std::unique_ptr<Wire>(*std::move(wire));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineThread>> EngineThread::Start(
    const EngineThreadOptions& options, Region& region) {
  auto thread = absl::WrapUnique(new EngineThread(options, region));
  const absl::Status status = thread->Prepare();
  if (!status.ok()) return status;
  return thread;
}

EngineThread::EngineThread(const EngineThreadOptions& options, Region& region)
    : options_(options), region_(region) {}

absl::Status EngineThread::MakeEngine() {
  EngineOptions engine = options_.engine;
  if (getrandom(engine.secret.data(), engine.secret.size(), 0) !=
      static_cast<ssize_t>(engine.secret.size())) {
    return SystemError("cannot get random bytes");
  }
  engine_ = absl::WrapUnique(new Engine(engine, region_, *this, *this));
  if (options_.trace) engine_->trace().Start();
  OpenReports();
  return absl::OkStatus();
}

absl::Status EngineThread::Reset() {
  reports_.reset();
  engine_.reset();  // and with it its sockets
  region_.Reset();
  absl::Status status = MakeEngine();
  if (!status.ok()) return status;
  region_.Ready();
  return absl::OkStatus();
}

absl::Status EngineThread::Prepare() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return SystemError("cannot create an epoll set");
  ring_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (ring_ < 0) return SystemError("cannot create an eventfd");
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = ring_;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, ring_, &event) != 0) {
    return SystemError("cannot watch the eventfd");
  }
  absl::Status status = MakeEngine();
  if (!status.ok()) return status;
  region_.Ready();
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    region_.Down();
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start the engine's thread: ", error.what()));
  }
  return absl::OkStatus();
}

EngineThread::~EngineThread() {
  if (thread_.joinable()) {
    stop_.store(true, std::memory_order_release);
    Ring();
    thread_.join();
    region_.Down();
  }
  reports_.reset();
  engine_.reset();
  if (ring_ >= 0) close(ring_);
  if (epoll_ >= 0) close(epoll_);
}

// A process without a place for its socket works all the same.
void EngineThread::OpenReports() {
  look_ = kNever;
  reports_ = ReportSocket::Open(*engine_, options_.report_folders);
  if (reports_ == nullptr) return;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = reports_->descriptor();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, event.data.fd, &event) != 0) {
    reports_.reset();
    return;
  }
  look_ = 0;
}

void EngineThread::Ring() {
  const std::uint64_t one = 1;
  // A full eventfd rings already.
  (void)!write(ring_, &one, sizeof(one));
}

void EngineThread::Run() {
  pthread_setname_np(pthread_self(), "lauberhorn-nic");
  TurnClock clock;
  while (!stop_.load(std::memory_order_acquire)) {
    // What cannot be reset is lost.
    if (region_.ResetWanted() && !Reset().ok()) [[unlikely]] {
      return region_.Down();
    }
    // The stations of a trace are told apart by their turns.
    const Nanos now = engine_->trace().on() ? clock.Read() : clock.NextTurn();
    if (now >= look_) [[unlikely]] {
      reports_->Accept();
      look_ = now + kReportLook;
    }
    const Nanos next = engine_->Poll(now);
    if (options_.spin || next <= now) continue;
    if (engine_->TryToSleep()) {
      // A driver rings after its request, if this is asleep: after the fence
      // there, one more look.
      if (!region_.ResetWanted()) Sleep(clock.Read(), next);
      engine_->Awake();
      clock.Read();
    }
  }
}

void EngineThread::Sleep(Nanos now, Nanos until) {
  until = std::max(until, now);
  timespec timeout;
  timespec* limit = nullptr;
  if (until != kNever) {
    timeout.tv_sec = static_cast<time_t>((until - now) / kSecond);
    timeout.tv_nsec = static_cast<long>((until - now) % kSecond);
    limit = &timeout;
  }
  epoll_event events[16];
  int count = epoll_pwait2(epoll_, events, 16, limit, nullptr);
  if (count < 0 && errno != EINTR) {
    // A kernel or a sandbox that counts in milliseconds: round up.
    const int milliseconds =
        limit == nullptr
            ? -1
            : static_cast<int>(std::min<Nanos>(
                  (until - now + kMillisecond - 1) / kMillisecond, 60'000));
    count = epoll_wait(epoll_, events, 16, milliseconds);
  }
  for (int at = 0; at < count; ++at) {
    if (reports_ != nullptr && events[at].data.fd == reports_->descriptor()) {
      look_ = 0;
    }
    if (events[at].data.fd != ring_) continue;
    std::uint64_t rings;
    (void)!read(ring_, &rings, sizeof(rings));
  }
  lh_store_release(&region_.info()->nic_cpu,
                   static_cast<__u64>(sched_getcpu() + 1));
}

absl::StatusOr<std::unique_ptr<Wire>> EngineThread::Listen(
    const Address& address) {
  return Watched(epoll_, UdpWire::Bind(address, options_.input));
}

absl::StatusOr<std::unique_ptr<Wire>> EngineThread::Open() {
  return Watched(epoll_, UdpWire::Open(options_.input));
}

void EngineThread::Wake(std::uint32_t, __u64* word) {
  // The futex is the low half: the contract is little-endian.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word),
          options_.mapped_twice ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
          1, nullptr, nullptr, 0);
}

}  // namespace lauberhorn::nic
