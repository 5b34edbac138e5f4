// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/testing/mortal_device.h"

#include <algorithm>
#include <utility>

#include "gtest/gtest.h"
#include "librpc/device_time.h"

namespace lauberhorn::testing {
namespace {

constexpr std::size_t kPage = 4096;

// Nobody wakes who sleeps when the NIC dies: they look this often.
constexpr std::int64_t kLook = 1'000'000;

}  // namespace

MortalDevice::MortalDevice(bool silent) {
  nic::RegionOptions options;
  options.endpoints = 16;
  options.arrived_calls = options.own_calls = 64;
  options.features = LH_FEATURE_NEEDS_RING;
  const std::size_t size = nic::Region::Size(options);
  memory_.resize(size + kPage);
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  std::uint8_t* const base = memory_.data() + (kPage - address % kPage);
  region_ = std::make_unique<nic::Region>(options, absl::MakeSpan(base, size));
  if (silent) {
    region_->Ready();
  } else {
    engine_ = *nic::EngineThread::Start({}, *region_);
  }
  attachment_ = TrustingAttachment(base);
}

void MortalDevice::Kill() {
  const std::lock_guard<std::mutex> lock(mutex_);
  engine_ = nullptr;
  region_->Down();
}

std::set<std::uint32_t> MortalDevice::bound() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bound_;
}

bool MortalDevice::IsWaiting(std::uint32_t endpoint) const {
  return lh_load_acquire(&region_->hint(endpoint)->state) == LH_HINT_WAITING;
}

lh_hint* MortalDevice::Bind(std::uint32_t endpoint) {
  const std::lock_guard<std::mutex> lock(mutex_);
  EXPECT_TRUE(bound_.insert(endpoint).second) << endpoint << " is bound twice";
  return region_->hint(endpoint);
}

void MortalDevice::Unbind(std::uint32_t endpoint) {
  const std::lock_guard<std::mutex> lock(mutex_);
  EXPECT_EQ(bound_.erase(endpoint), 1u) << endpoint << " was not bound";
}

void MortalDevice::Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
                        std::int64_t until) {
  EXPECT_FALSE(IsWaiting(endpoint)) << "it sleeps, and says that it looks";
  SleepOnWord(word, parked, std::min(until, MonotonicNanos() + kLook),
              /*shared=*/false);
}

void MortalDevice::Ring() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (engine_ != nullptr) engine_->Ring();
}

}  // namespace lauberhorn::testing
