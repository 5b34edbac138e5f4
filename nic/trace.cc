// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/trace.h"

namespace lauberhorn::nic {
namespace {

// How the last word of an entry is made up.
constexpr unsigned kStationShift = 24;
constexpr unsigned kDetailShift = 32;

}  // namespace

absl::string_view NameOf(Station station) {
  switch (station) {
#define LAUBERHORN_NIC_STATION(name, meaning) \
  case Station::name:                         \
    return #name;
    LAUBERHORN_NIC_STATIONS(LAUBERHORN_NIC_STATION)
#undef LAUBERHORN_NIC_STATION
  }
  return "unknown";
}

void Trace::Start() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (memory_ == nullptr) {
    memory_ = std::make_unique<Ring>();
    readable_.store(memory_->data(), std::memory_order_release);
  }
  if (users_++ == 0) ring_.store(memory_->data(), std::memory_order_release);
}

void Trace::Stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--users_ == 0) ring_.store(nullptr, std::memory_order_relaxed);
}

void Trace::Write(Entry* ring, Station station, std::uint64_t call,
                  std::uint64_t method, std::uint32_t endpoint,
                  std::uint8_t detail) {
  const std::uint64_t number = written_.load(std::memory_order_relaxed);
  Entry& entry = ring[number % kRecords];
  entry.number.store(0, std::memory_order_relaxed);
  // Who sees one of the words below sees that the old number is gone.
  std::atomic_thread_fence(std::memory_order_release);
  entry.time.store(now_, std::memory_order_relaxed);
  entry.call.store(call, std::memory_order_relaxed);
  entry.method.store(method, std::memory_order_relaxed);
  entry.rest.store(
      (endpoint & TraceRecord::kNoEndpoint) |
          std::uint64_t{static_cast<std::uint8_t>(station)} << kStationShift |
          std::uint64_t{detail} << kDetailShift,
      std::memory_order_relaxed);
  entry.number.store(number + 1, std::memory_order_release);
  written_.store(number + 1, std::memory_order_release);
}

bool Trace::Read(std::uint64_t number, TraceRecord* record) const {
  const Entry* const ring = readable_.load(std::memory_order_acquire);
  if (ring == nullptr) return false;
  const Entry& entry = ring[number % kRecords];
  if (entry.number.load(std::memory_order_acquire) != number + 1) return false;
  record->time = entry.time.load(std::memory_order_relaxed);
  record->call = entry.call.load(std::memory_order_relaxed);
  record->method = entry.method.load(std::memory_order_relaxed);
  const std::uint64_t rest = entry.rest.load(std::memory_order_relaxed);
  record->endpoint = rest & TraceRecord::kNoEndpoint;
  record->station = static_cast<Station>(rest >> kStationShift & 0xff);
  record->detail = static_cast<std::uint8_t>(rest >> kDetailShift & 0xff);
  // The words were read before the number is looked at again.
  std::atomic_thread_fence(std::memory_order_acquire);
  return entry.number.load(std::memory_order_relaxed) == number + 1;
}

}  // namespace lauberhorn::nic
