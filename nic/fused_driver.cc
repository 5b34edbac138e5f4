// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/fused_driver.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "nic/clock.h"

namespace lauberhorn::nic {
namespace {

// Who is usually away for longer, with all that waits, wakes another.
constexpr Nanos kLongAbsence = 50 * kMicrosecond;

// How often the thread that stands by looks while others are away.
constexpr Nanos kStandbyLook = kMillisecond;

// What came is looked at before what was put if nobody has looked for so long:
// it may be that a call was cancelled, or that the server has shut down.
constexpr Nanos kStale = 10 * kMicrosecond;

// So many turns without an end are enough for a thread that has other things to
// do: what is left is said to be.
constexpr int kTurns = 64;

// To read the clock costs as much as a turn that finds nothing: who looks again
// and again reads it once in so many.
constexpr unsigned kTurnsPerClock = 4;

// How often who waits looks whether something came, before the next turn. A
// look costs little, is soon over, and leaves the core to the thread that is
// waited for, if they share it; a turn does neither.
constexpr int kPeeks = 8;

// What ended a leader's sleep.
enum Tag : std::uint64_t { kBell, kWire };

absl::Status SystemError(const char* what) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, ": ", std::strerror(errno)));
}

timespec ToTimespec(Nanos time) {
  timespec spec = {};
  spec.tv_sec = static_cast<time_t>(time / kSecond);
  spec.tv_nsec = static_cast<long>(time % kSecond);
  return spec;
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// Until it is not `seen` any more.
void SleepOn(Leadership::Wakes& wakes, std::uint32_t seen, Nanos until) {
  const timespec when = ToTimespec(until);
  // With a bitset the time is absolute, of CLOCK_MONOTONIC.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&wakes),
          FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen,
          until == kNever ? nullptr : &when, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void WakeOn(Leadership::Wakes& wakes) {
  wakes.fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&wakes),
          FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

void RingBell(int bell) {
  const std::uint64_t one = 1;
  // A full eventfd rings already.
  (void)!write(bell, &one, sizeof(one));
}

// The thread is the application's, and turns make system calls at which it
// could be cancelled.
class NoCancellation {
 public:
  NoCancellation() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FusedDriver>> FusedDriver::Start(
    const FusedDriverOptions& options, Region& region) {
  auto driver = absl::WrapUnique(new FusedDriver(options, region));
  const absl::Status status = driver->Prepare();
  if (!status.ok()) return status;
  return driver;
}

FusedDriver::FusedDriver(const FusedDriverOptions& options, Region& region)
    : options_(options),
      region_(region),
      wires_(poll_, kWire, UdpWire::kDefaultInput, options.local),
      waits_(new Wait[region.options().endpoints]) {}

absl::Status FusedDriver::Prepare() {
  absl::Status status = poll_.Open();
  if (!status.ok()) return status;
  bell_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  standby_bell_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (bell_ < 0 || standby_bell_ < 0) {
    return SystemError("cannot create an eventfd");
  }
  status = poll_.AddBell(bell_, kBell);
  if (!status.ok()) return status;
  EngineOptions engine = options_.engine;
  status = FillSecret(&engine.secret);
  if (!status.ok()) return status;
  engine_ = absl::WrapUnique(
      new Engine(engine, region_, wires_, static_cast<Waker&>(*this)));
  if (options_.trace) engine_->trace().Start();
  OpenReports();
  // For ever, so that every put rings. Nothing has been put yet.
  (void)engine_->TryToSleep();
  region_.Ready();
  try {
    standby_ = std::thread([this] { Standby(); });
  } catch (const std::system_error& error) {
    region_.Down();
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start the thread that stands by: ", error.what()));
  }
  return absl::OkStatus();
}

// A process without a place for its socket works all the same.
void FusedDriver::OpenReports() {
  reports_ =
      ReportSocket::Open(*engine_, ThisProcess(), options_.report_folders);
}

FusedDriver::~FusedDriver() {
  if (standby_.joinable()) {
    stop_.store(true, std::memory_order_release);
    RingBell(standby_bell_);
    standby_.join();
    region_.Down();
  }
  reports_.reset();
  engine_.reset();
  if (bell_ >= 0) close(bell_);
  if (standby_bell_ >= 0) close(standby_bell_);
}

// Under the lock.

void FusedDriver::Turns(Engine::Look look) { Turns(look, Now()); }

void FusedDriver::Turns(Engine::Look look, Nanos now) {
  // Another thread may have read the clock later.
  now = turned_ = std::max(now, turned_);
  if (now >= looked_ + kStale && !wires_sleep_) look = Engine::Look::kAll;
  if (look == Engine::Look::kAll) {
    looked_ = now;
    looks_.store(looks_.load(std::memory_order_relaxed) + 1,
                 std::memory_order_relaxed);
  }
  for (int turn = 0; turn < kTurns; ++turn) {
    next_ = engine_->Poll(now, look);
    if (next_ > now) return;
    // What it did was all there was: who waits has it a turn earlier, and who
    // is about to sleep looks once more.
    if (!engine_->unfinished()) {
      next_ = engine_->NextTimer();
      return;
    }
    // The stations of a trace are told apart by their turns.
    if (engine_->trace().on()) now = Now();
  }
}

void FusedDriver::Release() {
  for (;;) {
    if (next_ < leader_until_.load(std::memory_order_relaxed)) {
      leader_until_.store(0, std::memory_order_relaxed);
      RingBell(bell_);
    }
    if (lock_.Unlock()) return;
    Turns(Engine::Look::kHost);
  }
}

void FusedDriver::Wake(std::uint32_t endpoint, __u64* word) {
  if (word == leader_word_.load(std::memory_order_relaxed)) {
    RingBell(bell_);
  } else {
    WakeOn(waits_[endpoint].wakes);
  }
}

void FusedDriver::AwakenWires() {
  if (std::exchange(wires_sleep_, false)) engine_->AwakenWires();
}

// Else the standby thread would be woken for all that comes, for a thread that
// looks in vain meanwhile, on a CPU that they may share.
void FusedDriver::RelieveStandby(Wait& wait) {
  if (!wires_sleep_ || wait.role.leads() || !leadership_.Relieve(wait.role)) {
    return;
  }
  leader_until_.store(0, std::memory_order_relaxed);
  RingBell(standby_bell_);
}

void FusedDriver::TurnsFor(std::uint32_t endpoint, Wait& wait, Nanos now) {
  wait.look = false;
  if (wait.role.leads()) AwakenWires();
  engine_->Prefer(endpoint);
  Turns(wires_sleep_ ? Engine::Look::kHost : Engine::Look::kAll, now);
  wait.to_another = engine_->UsualTime(endpoint) > kLongAbsence;
}

// All that it left undone is what has not come yet.
void FusedDriver::AwaitWires() const {
  if (wires_sleep_) return;
  for (int peek = 0; peek < kPeeks; ++peek) {
    if (!engine_->WiresAreQuiet() || lock_.IsWanted()) return;
    Pause();
  }
}

// The threads that put and wait.

void FusedDriver::Ring() {
  if (disowned_.load(std::memory_order_relaxed)) return;
  const NoCancellation whole;
  if (!lock_.TryLockOrMark()) return;
  Turns(Engine::Look::kHost);
  Release();
}

Nanos FusedDriver::Budget(const Wait& wait) const {
  if (options_.spin == 0 || options_.spin > SpinBudget::kMost) {
    return options_.spin;
  }
  return wait.spin.value();
}

bool FusedDriver::Look(std::uint32_t endpoint, Nanos until) {
  if (disowned_.load(std::memory_order_relaxed)) return false;
  Wait& wait = waits_[endpoint];
  if (wait.since == 0) {
    wait.since = wait.now = Now();
    wait.turns = 0;
    wait.slept = false;
    wait.to_another = true;
  } else if (wait.look || ++wait.turns % kTurnsPerClock == 0) {
    wait.now = Now();
  }
  const NoCancellation whole;
  if (wait.look) {
    lock_.Lock();
  } else {
    const Nanos budget = Budget(wait);
    if (budget == 0 || wait.now >= std::min(wait.since + budget, until)) {
      return false;
    }
    if (!lock_.TryLock()) {
      Pause();
      return true;
    }
  }
  RelieveStandby(wait);
  if (!wait.look && next_ > std::max(wait.now, turned_)) AwaitWires();
  TurnsFor(endpoint, wait, wait.now);
  Release();
  return true;
}

void FusedDriver::Sleep(std::uint32_t endpoint, __u64* word, __u64 parked,
                        Nanos until) {
  if (disowned_.load(std::memory_order_relaxed)) return;
  Wait& wait = waits_[endpoint];
  wait.slept = true;
  // Before it is looked whether there is a reason to be woken.
  const std::uint32_t seen = wait.wakes.load(std::memory_order_acquire);
  bool from_standby;
  if (leadership_.Begin(wait.role, &wait.wakes, &from_standby)) {
    if (from_standby) RingBell(standby_bell_);
    const NoCancellation whole;
    return SleepLeading(wait, word, parked, until);
  }
  if (lh_load_acquire(word) == parked) SleepOn(wait.wakes, seen, until);
  leadership_.Awake(wait.role);
  wait.look = wait.role.leads();
}

void FusedDriver::SleepLeading(Wait& wait, __u64* word, __u64 parked,
                               Nanos until) {
  lock_.Lock();
  leader_word_.store(word, std::memory_order_relaxed);
  const Nanos now = Now();
  const Nanos end = std::min(next_, until);
  const bool sleep =
      lh_load_acquire(word) == parked && end > now && TryToSleepOnWires(end);
  const bool wires_sleep = wires_sleep_;
  Release();
  if (sleep) (void)poll_.WaitForOne(now, end);
  leader_until_.store(0, std::memory_order_relaxed);
  leader_word_.store(nullptr, std::memory_order_relaxed);
  // Else the word has been filled, and nobody is to be told of that again.
  wait.look = wires_sleep || lh_load_acquire(word) == parked;
}

bool FusedDriver::TryToSleepOnWires(Nanos until) {
  // They sleep already if another led just now.
  if (!wires_sleep_ && !engine_->TryToSleepOnWires()) return false;
  wires_sleep_ = true;
  leader_until_.store(until, std::memory_order_relaxed);
  return true;
}

void FusedDriver::End(std::uint32_t endpoint) {
  Wait& wait = waits_[endpoint];
  if (wait.since == 0) return;
  if (wait.slept) wait.now = Now();
  wait.spin.WaitEnded(wait.now - wait.since, wait.slept);
  wait.since = 0;
  if (!wait.role.leads()) return;
  if (wait.look) {
    const NoCancellation whole;
    lock_.Lock();
    TurnsFor(endpoint, wait, Now());
    Release();
  }
  Resign(wait);
}

void FusedDriver::Resign(Wait& wait) {
  const Leadership::Woken woken =
      leadership_.Resign(wait.role, wait.to_another);
  if (woken.wakes != nullptr) WakeOn(*woken.wakes);
  if (woken.standby) RingBell(standby_bell_);
}

// The thread that stands by.

void FusedDriver::Standby() {
  pthread_setname_np(pthread_self(), "lh-standby");
  std::uint64_t seen = 0;
  bool passed = false;
  while (!stop_.load(std::memory_order_acquire)) {
    const std::uint64_t looks = looks_.load(std::memory_order_relaxed);
    switch (leadership_.Watch(passed, looks != seen)) {
      case Leadership::Standby::kLeads:
        LeadAsStandby();
        passed = false;
        break;
      case Leadership::Standby::kWatches:
        seen = looks;
        passed = !AwaitStandbyBell(Now() + kStandbyLook, /*wires=*/false);
        break;
      case Leadership::Standby::kSleeps:
        (void)AwaitStandbyBell(kNever, /*wires=*/false);
        passed = false;
        break;
    }
  }
}

void FusedDriver::LeadAsStandby() {
  lock_.Lock();
  Nanos until = 0;
  bool sleep = false;
  // Else they are another's.
  if (leadership_.StandbyLeads()) {
    AwakenWires();
    Turns(Engine::Look::kAll);
    until = next_;
    sleep = TryToSleepOnWires(until);
  }
  Release();
  if (sleep) (void)AwaitStandbyBell(until, /*wires=*/true);
}

bool FusedDriver::AwaitStandbyBell(Nanos until, bool wires) {
  // Who asks for a report is answered here, whoever leads. Negative descriptors
  // are left out.
  pollfd watched[3] = {
      {standby_bell_, POLLIN, 0},
      {reports_ == nullptr ? -1 : reports_->descriptor(), POLLIN, 0},
      {wires ? poll_.descriptor() : -1, POLLIN, 0}};
  const Nanos now = Now();
  const timespec limit = ToTimespec(std::max(until, now) - now);
  if (ppoll(watched, std::size(watched), until == kNever ? nullptr : &limit,
            nullptr) <= 0) {
    return false;
  }
  if ((watched[1].revents & POLLIN) != 0) reports_->Accept();
  if ((watched[2].revents & POLLIN) != 0) {
    const std::optional<std::uint64_t> tag = poll_.WaitForOne(now, now);
    // It may have been for a thread that leads since then.
    if (tag == kBell && !leadership_.StandbyLeads()) RingBell(bell_);
  }
  std::uint64_t rings;
  return read(standby_bell_, &rings, sizeof(rings)) > 0;
}

}  // namespace lauberhorn::nic
