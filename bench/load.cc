// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/load.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFirstCalls = 20;  // of each client

std::uint64_t Nanoseconds(Clock::duration time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()));
}

void SleepUntil(Clock::time_point when) {
  const auto ns = when.time_since_epoch().count();
  const timespec time = {static_cast<time_t>(ns / 1'000'000'000),
                         ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

std::size_t WindowFor(const PeerKind& kind, const Load& load) {
  return std::min<std::size_t>(kind.window, load.outstanding);
}

// Some calls, `window` of which are under way at all times.
absl::Status CallUntil(EchoClient& client, std::size_t window,
                       Clock::time_point end, Histogram* latencies) {
  std::vector<Clock::time_point> started(window);
  std::size_t under_way = 0;
  for (; under_way < window; ++under_way) {
    started[under_way] = Clock::now();
    absl::Status status = client.Start(under_way);
    if (!status.ok()) return status;
  }
  while (under_way > 0) {
    const absl::StatusOr<std::size_t> finished = client.Finish();
    if (!finished.ok()) return finished.status();
    const Clock::time_point now = Clock::now();
    latencies->Add(Nanoseconds(now - started[*finished]));
    if (now >= end) {
      --under_way;
      continue;
    }
    started[*finished] = now;
    absl::Status status = client.Start(*finished);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

std::size_t ThreadsFor(const PeerKind& kind, const Load& load) {
  if (load.arrivals != Arrivals::kClosed) {
    return std::min(kind.clients, Load::kOpenThreads);
  }
  const std::size_t window = WindowFor(kind, load);
  const std::size_t threads = (load.outstanding + window - 1) / window;
  return threads <= kind.clients ? threads : 0;
}

std::vector<std::uint64_t> DueTimes(const Load& load) {
  cli::Schedule schedule(load.arrivals, load.rate, load.seed);
  const auto end = static_cast<std::uint64_t>(load.seconds * 1e9);
  std::vector<std::uint64_t> due;
  for (std::uint64_t next = schedule.Next(); next < end;
       next = schedule.Next()) {
    due.push_back(next);
  }
  return due;
}

// What the threads of one Run() share.
struct LoadGenerator::Turn {
  const Load& load;
  std::size_t window;
  Clock::time_point start;
  std::vector<std::uint64_t> due;    // open loop
  std::atomic<std::size_t> next{0};  // of them

  // Makes calls that are due until there are no more, or it is too late.
  absl::Status CallWhenDue(EchoClient& client, Histogram* latencies) {
    const auto latest =
        start + std::chrono::duration_cast<Clock::duration>(
                    std::chrono::duration<double>(2 * load.seconds));
    while (Clock::now() < latest) {
      const std::size_t call = next.fetch_add(1, std::memory_order_relaxed);
      if (call >= due.size()) break;
      const auto when = start + std::chrono::nanoseconds(due[call]);
      if (Clock::now() < when) SleepUntil(when);
      absl::Status status = client.Call();
      if (!status.ok()) return status;
      latencies->Add(Nanoseconds(Clock::now() - when));
    }
    return absl::OkStatus();
  }

  absl::Status Calls(EchoClient& client, Histogram* latencies) {
    if (load.arrivals != Arrivals::kClosed) {
      return CallWhenDue(client, latencies);
    }
    return CallUntil(client, window,
                     start + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(load.seconds)),
                     latencies);
  }
};

// A thread with a client. `mutex_` guards what is handed over; the thread
// sleeps between turns.
class LoadGenerator::Lane {
 public:
  Lane(Peer& peer, int port)
      : thread_([this, &peer, port] {
          pthread_setname_np(pthread_self(), "load");
          prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds
          Work(peer, port);
        }) {}

  ~Lane() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void Begin(Turn* turn) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      turn_ = turn;
      idle_ = false;
    }
    changed_.notify_all();
  }

  // Waits until the thread has done what it was told.
  absl::Status End() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return idle_; });
    return status_;
  }

  const Histogram& latencies() const { return latencies_; }

 private:
  absl::Status Connect(Peer& peer, int port) {
    EchoClientOr client = peer.Connect(port);
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    for (int call = 0; call < kFirstCalls; ++call) {
      absl::Status status = client_->Call();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  void Work(Peer& peer, int port) {
    absl::Status status = Connect(peer, port);
    for (;;) {
      Turn* turn;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        status_ = std::move(status);
        idle_ = true;
        turn_ = nullptr;
        changed_.notify_all();
        changed_.wait(lock, [this] { return stop_ || turn_ != nullptr; });
        if (stop_) break;
        turn = turn_;
        status = status_;
      }
      latencies_ = Histogram();
      if (status.ok()) status = turn->Calls(*client_, &latencies_);
    }
    client_.reset();  // on the thread that it belongs to
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Turn* turn_ = nullptr;
  bool idle_ = false;
  bool stop_ = false;
  absl::Status status_;  // of the last turn; an error stays
  Histogram latencies_;
  std::unique_ptr<EchoClient> client_;
  std::thread thread_;  // last: uses all of them
};

LoadGenerator::LoadGenerator(const PeerKind& kind, Peer& peer, int port)
    : kind_(kind), peer_(peer), port_(port) {}

LoadGenerator::~LoadGenerator() = default;

absl::Status LoadGenerator::Prepare(const Load& load) {
  const std::size_t threads = ThreadsFor(kind_, load);
  if (threads == 0) {
    return absl::UnimplementedError("it cannot have so many calls under way");
  }
  while (lanes_.size() < threads) {
    lanes_.push_back(std::make_unique<Lane>(peer_, port_));
    absl::Status status = lanes_.back()->End();
    if (!status.ok()) {
      lanes_.pop_back();
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status LoadGenerator::Run(const Load& load, LoadResult* result) {
  const std::size_t threads = ThreadsFor(kind_, load);
  Turn turn{load, WindowFor(kind_, load), {}, {}};
  if (load.arrivals != Arrivals::kClosed) turn.due = DueTimes(load);
  turn.start = Clock::now();
  for (std::size_t i = 0; i < threads; ++i) lanes_[i]->Begin(&turn);
  absl::Status status;
  for (std::size_t i = 0; i < threads; ++i) status.Update(lanes_[i]->End());
  result->seconds +=
      std::chrono::duration<double>(Clock::now() - turn.start).count();
  for (std::size_t i = 0; i < threads; ++i) {
    result->latencies.Add(lanes_[i]->latencies());
  }
  result->unsent +=
      turn.due.size() - std::min(turn.due.size(), turn.next.load());
  return status;
}

}  // namespace lauberhorn::bench
