// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/testing/mortal_device.h
//
// A device whose NIC can die, as one that is another process, and that keeps
// which endpoints have threads. Its memory stays when the NIC has died.
#ifndef LAUBERHORN_LIBRPC_TESTING_MORTAL_DEVICE_H_
#define LAUBERHORN_LIBRPC_TESTING_MORTAL_DEVICE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "librpc/device.h"
#include "nic/engine_thread.h"
#include "nic/region.h"

namespace lauberhorn::testing {

class MortalDevice : public Device {
 public:
  // If it is `silent`, its NIC does nothing.
  explicit MortalDevice(bool silent = false);

  // The NIC dies; whoever sleeps wakes.
  void Kill();

  // Endpoints that are bound now, and whether a thread only waits there.
  std::set<std::uint32_t> bound() const;
  bool IsWaiting(std::uint32_t endpoint) const;

  const Attachment& Attach() const override { return attachment_; }
  lh_hint* Bind(std::uint32_t endpoint) override;
  void Unbind(std::uint32_t endpoint) override;
  void Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
            std::int64_t until) override;
  void Ring() override;

 private:
  std::vector<std::uint8_t> memory_;
  std::unique_ptr<nic::Region> region_;
  Attachment attachment_ = {};
  mutable std::mutex mutex_;
  std::unique_ptr<nic::EngineThread> engine_;  // null: dead
  std::set<std::uint32_t> bound_;
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_LIBRPC_TESTING_MORTAL_DEVICE_H_
