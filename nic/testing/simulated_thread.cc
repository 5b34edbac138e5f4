// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulated_thread.h"

namespace lauberhorn::nic::testing {
namespace {

// How long a thread watches a lane before it parks, at most.
constexpr Nanos kSpin = 50 * kMicrosecond;

// How long a thread takes to wake up.
constexpr Nanos kWakeUp = 5 * kMicrosecond;

}  // namespace

bool LaneWait::Take(Nanos now, TakenMessage* message, lh_line** held,
                    Nanos* next) {
  if (state_ == kAsleep) {
    *next = kNever;
    return false;
  }
  if (state_ == kWoken) {
    *next = until_;
    if (now < until_) return false;
    (void)channel_.Unpark();
    state_ = kIdle;
  }
  if (state_ == kIdle) {
    state_ = kWatching;
    until_ = now + random_.Time(kSpin);
  }
  if (channel_.HasMessage()) {
    if (state_ == kWatching) {
      state_ = kComing;
      until_ = now + random_.Time(lag_);
    }
    *next = until_;
    if (now < until_ || !channel_.Take(message, held)) return false;
    state_ = kIdle;
    return true;
  }
  // What made it come may have been taken back.
  if (state_ == kComing) state_ = kWatching;
  *next = until_;
  if (now < until_) return false;
  *next = now + kRetryPut;
  if (!channel_.Park()) return false;
  channel_.BeforeSleep();
  word_ = channel_.next_word();
  state_ = kAsleep;
  *next = kNever;
  return false;
}

void LaneWait::Wake(const __u64* word, Nanos now) {
  if (state_ != kAsleep || word != word_) return;
  state_ = kWoken;
  until_ = now + kWakeUp + random_.Time(lag_);
}

void Outbox::Put(HostChannel& channel, const lh_message& header,
                 absl::string_view payload) {
  if (messages_.empty() && channel.Put(header, payload)) return;
  messages_.push_back({&channel, header, std::string(payload)});
}

bool Outbox::Flush() {
  while (!messages_.empty()) {
    const Message& first = messages_.front();
    if (!first.channel->Put(first.header, first.payload)) return false;
    messages_.pop_front();
  }
  return true;
}

}  // namespace lauberhorn::nic::testing
