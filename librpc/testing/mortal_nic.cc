// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/testing/mortal_nic.h"

#include <limits>

#include "absl/status/status.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn::testing {
namespace {

constexpr int kAlways = std::numeric_limits<int>::max();

}  // namespace

class MortalNic::Life final : public MortalDevice {
 public:
  explicit Life(MortalNic& nic) : nic_(nic) { ++nic_.devices_; }
  ~Life() override {
    const std::lock_guard<std::mutex> lock(nic_.mutex_);
    if (nic_.life_ == this) nic_.life_ = nullptr;
    --nic_.devices_;
  }

 private:
  MortalNic& nic_;
};

std::shared_ptr<Runtime> MortalNic::OpenRuntime() {
  return std::make_shared<RuntimeImpl>(RuntimeOptions(), *Open(),
                                       [this] { return Open(); });
}

absl::StatusOr<std::unique_ptr<Device>> MortalNic::Open() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (refusals_ > 0) {
    if (refusals_ != kAlways) --refusals_;
    return absl::UnavailableError("no NIC serves here");
  }
  auto life = std::make_unique<Life>(*this);
  life_ = life.get();
  if (stillborn_ > 0) {
    --stillborn_;
    life->Kill();
  }
  return std::unique_ptr<Device>(std::move(life));
}

void MortalNic::Kill() {
  const std::lock_guard<std::mutex> lock(mutex_);
  refusals_ = kAlways;
  if (life_ != nullptr) life_->Kill();
}

void MortalNic::Start(int refusals) {
  const std::lock_guard<std::mutex> lock(mutex_);
  refusals_ = refusals;
}

MortalDevice* MortalNic::life() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return life_;
}

void MortalNic::DieAtBirth(int lives) {
  const std::lock_guard<std::mutex> lock(mutex_);
  stillborn_ = lives;
}

}  // namespace lauberhorn::testing
