// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/engine_thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

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

// What woke the thread.
enum Tag : std::uint64_t { kRing, kReport, kWire };

}  // namespace

absl::StatusOr<std::unique_ptr<EngineThread>> EngineThread::Start(
    const EngineThreadOptions& options, Region& region) {
  auto thread = absl::WrapUnique(new EngineThread(options, region));
  const absl::Status status = thread->Prepare();
  if (!status.ok()) return status;
  return thread;
}

EngineThread::EngineThread(const EngineThreadOptions& options, Region& region)
    : options_(options),
      region_(region),
      wires_(poll_, kWire, options.input, options.local) {}

absl::Status EngineThread::MakeEngine() {
  EngineOptions engine = options_.engine;
  absl::Status status = FillSecret(&engine.secret);
  if (!status.ok()) return status;
  engine_ = absl::WrapUnique(new Engine(engine, region_, wires_, *this));
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
  absl::Status status = poll_.Open();
  if (!status.ok()) return status;
  ring_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (ring_ < 0) return SystemError("cannot create an eventfd");
  status = poll_.Add(ring_, kRing);
  if (!status.ok()) return status;
  status = MakeEngine();
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
}

// A process without a place for its socket works all the same.
void EngineThread::OpenReports() {
  look_ = kNever;
  reports_ =
      ReportSocket::Open(*engine_, ThisProcess(), options_.report_folders);
  if (reports_ == nullptr) return;
  if (!poll_.Add(reports_->descriptor(), kReport).ok()) {
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
  for (const std::uint64_t tag : poll_.Wait(now, until)) {
    if (tag == kReport) look_ = 0;
    if (tag != kRing) continue;
    std::uint64_t rings;
    (void)!read(ring_, &rings, sizeof(rings));
  }
  lh_store_release(&region_.info()->nic_cpu,
                   static_cast<__u64>(sched_getcpu() + 1));
}

void EngineThread::Wake(std::uint32_t, __u64* word) {
  // The futex is the low half: the contract is little-endian.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word),
          options_.mapped_twice ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
          1, nullptr, nullptr, 0);
}

}  // namespace lauberhorn::nic
