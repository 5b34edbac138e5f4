// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/leadership.h"

namespace lauberhorn::nic {

bool Leadership::Begin(Waiter& waiter, Wakes* wakes, bool* from_standby) {
  *from_standby = false;
  if (waiter.leads_) return true;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (leader_ == nullptr || leader_ == &standby_) {
    *from_standby = leader_ == &standby_;
    leader_ = &waiter;
    waiter.leads_ = true;
    return true;
  }
  waiter.follows_ = true;
  waiter.wakes_ = wakes;
  waiter.previous_ = nullptr;
  waiter.next_ = followers_;
  if (followers_ != nullptr) followers_->previous_ = &waiter;
  followers_ = &waiter;
  return false;
}

void Leadership::Awake(Waiter& waiter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (waiter.follows_) Unlink(waiter);
}

bool Leadership::Relieve(Waiter& waiter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (leader_ != &standby_) return false;
  leader_ = &waiter;
  waiter.leads_ = true;
  return true;
}

void Leadership::Unlink(Waiter& waiter) {
  waiter.follows_ = false;
  (waiter.previous_ == nullptr ? followers_ : waiter.previous_->next_) =
      waiter.next_;
  if (waiter.next_ != nullptr) waiter.next_->previous_ = waiter.previous_;
}

Leadership::Woken Leadership::Resign(Waiter& waiter, bool to_another) {
  const std::lock_guard<std::mutex> lock(mutex_);
  waiter.leads_ = false;
  resigned_ = true;
  Woken woken;
  if (to_another && followers_ != nullptr) {
    leader_ = followers_;
    Unlink(*leader_);
    leader_->leads_ = true;
    woken.wakes = leader_->wakes_;
    return woken;
  }
  leader_ = nullptr;
  woken.standby = !watching_;
  watching_ = true;
  return woken;
}

Leadership::Standby Leadership::Watch(bool passed, bool looked) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (leader_ == &standby_) return Standby::kLeads;
  const bool calm = !resigned_;
  resigned_ = false;
  if (leader_ == nullptr) {
    calm_ = 0;
    if (!passed || looked) return Standby::kWatches;
    leader_ = &standby_;
    return Standby::kLeads;
  }
  calm_ = calm ? calm_ + 1 : 0;
  if (calm_ < kCalmLooks) return Standby::kWatches;
  calm_ = 0;
  watching_ = false;
  return Standby::kSleeps;
}

bool Leadership::StandbyLeads() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return leader_ == &standby_;
}

}  // namespace lauberhorn::nic
