// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/load_run.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace lauberhorn::cli {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
// How long after the end calls that were due are still started.
constexpr std::uint64_t kGrace = kSecond;
// So many calls are started before it is looked whether others have ended: what
// a lane holds.
constexpr int kBatch = 8;
// So often it is looked whether to stop.
constexpr std::uint64_t kLongestWait = kSecond / 10;

std::uint64_t Nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(seconds * 1e9);
}

void Count(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1,
                std::memory_order_relaxed);
}

class LoadRun {
 public:
  LoadRun(const LoadOptions& options, Caller& caller, Progress& progress)
      : options_(options),
        caller_(caller),
        progress_(progress),
        since_(options.outstanding),
        begin_(caller.Now()),
        measured_(begin_ + Nanoseconds(options.warmup)),
        end_(measured_ + Nanoseconds(options.seconds)) {
    free_.reserve(options.outstanding);
    for (std::uint32_t number = options.outstanding; number > 0; --number) {
      free_.push_back(number - 1);
    }
    if (IsOpenLoop()) {
      schedule_.emplace(options.arrivals, options.rate, options.seed);
      due_ = begin_ + schedule_->Next();
    }
  }

  absl::Status Run() {
    std::uint64_t now = begin_;
    for (;;) {
      if (progress_.stop.load(std::memory_order_relaxed)) end_ = Stop(now);
      absl::Status status = StartWhatIsDue(now);
      if (!status.ok()) return status;
      if (UnderWay() == 0 && !MoreToStart(now)) break;
      const std::optional<Caller::Ended> ended = caller_.Next(NextLook(now));
      now = caller_.Now();
      if (ended.has_value()) End(*ended, now);
    }
    for (; due_ < end_; due_ = begin_ + schedule_->Next()) ++result_.unsent;
    result_.seconds = static_cast<double>(end_ - std::min(end_, measured_)) /
                      static_cast<double>(kSecond);
    return absl::OkStatus();
  }

  LoadResult TakeResult() { return std::move(result_); }

 private:
  bool IsOpenLoop() const { return options_.arrivals != Arrivals::kClosed; }
  std::size_t UnderWay() const { return since_.size() - free_.size(); }

  // Nothing is due any more, and what was not started is not counted as late.
  std::uint64_t Stop(std::uint64_t now) {
    if (stopped_) return end_;
    stopped_ = true;
    due_ = kNever;
    return std::min(end_, now);
  }

  // Whether a call will be started if it finds room.
  bool MoreToStart(std::uint64_t now) const {
    return IsOpenLoop() ? due_ < end_ && now < end_ + kGrace : now < end_;
  }

  // Whether there is one to start now.
  bool IsDue(std::uint64_t now) const {
    return !free_.empty() && MoreToStart(now) && (!IsOpenLoop() || due_ <= now);
  }

  std::uint64_t NextLook(std::uint64_t now) const {
    if (IsDue(now)) return now;
    const std::uint64_t latest = now + kLongestWait;
    return free_.empty() || !MoreToStart(now) ? latest : std::min(latest, due_);
  }

  absl::Status StartWhatIsDue(std::uint64_t now) {
    for (int left = kBatch; left > 0 && IsDue(now); --left) {
      const std::uint64_t since = IsOpenLoop() ? due_ : now;
      const std::uint32_t number = free_.back();
      free_.pop_back();
      since_[number] = since;
      absl::Status status = caller_.Start(number);
      if (!status.ok()) return status;
      Count(progress_.started);
      // How late it was started really: others were before it.
      now = caller_.Now();
      if (!IsOpenLoop()) continue;
      if (since >= measured_) result_.late.Add(now - since);
      due_ = begin_ + schedule_->Next();
    }
    return absl::OkStatus();
  }

  void End(const Caller::Ended& ended, std::uint64_t now) {
    const std::uint64_t since = since_[ended.number];
    free_.push_back(ended.number);
    Count(progress_.ended);
    const bool ok = ended.status.ok();
    if (!ok) Count(progress_.failed);
    if (ok && now >= measured_ && now < end_) ++result_.ok_then;
    if (since < measured_) {
      ++result_.unmeasured;
      return;
    }
    (ok ? result_.ok : result_.failed).Add(now - since);
    const auto code = static_cast<std::size_t>(ended.status.raw_code());
    ++result_.statuses[std::min(code, LoadResult::kStatuses - 1)];
    if (!ok && result_.first_error.empty()) {
      result_.first_error = ended.status.ToString();
    }
  }

  const LoadOptions& options_;
  Caller& caller_;
  Progress& progress_;
  std::vector<std::uint32_t> free_;   // numbers of calls
  std::vector<std::uint64_t> since_;  // what each call is timed from
  const std::uint64_t begin_;
  const std::uint64_t measured_;  // from here
  std::uint64_t end_;             // to here
  std::optional<Schedule> schedule_;
  std::uint64_t due_ = kNever;  // the next call of an open loop
  bool stopped_ = false;
  LoadResult result_;
};

}  // namespace

absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options, Caller& caller,
                                   Progress& progress) {
  LoadRun run(options, caller, progress);
  absl::Status status = run.Run();
  if (!status.ok()) return status;
  return run.TakeResult();
}

}  // namespace lauberhorn::cli
