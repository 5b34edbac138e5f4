// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/stalling_device.h
//
// A NIC that leaves loads unanswered, as coherent hardware does, in software: a
// load of an `in` slot that has no message faults (userfaultfd), and its thread
// stands still until the NIC delivers or T_max has passed. What
// spec/CONTRACT.md says of such a device happens indeed:
//   * slots are a page apart, by the information page;
//   * any load of an `in` slot only makes the NIC look at what was put;
//   * a slot that is not FREE is answered at once, and the page stays;
//   * T_max answers a FREE one, and the page is recalled soon after;
//   * a page that the host writes back is recalled.
// A thread of the device loads slots of its own accord now and then, as caches
// that prefetch and speculate do.
//
// The engine has a mapping of its own, on which nothing faults. Only in the
// build with LAUBERHORN_CONFORMANCE: the device must see what is written back.
//
// Thread-safety: as every Device.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_STALLING_DEVICE_H_
#define LAUBERHORN_TESTS_CONFORMANCE_STALLING_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>

#include "abi/host/testing/write_back_hook.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "librpc/device.h"
#include "librpc/embedded_device.h"
#include "nic/engine_thread.h"
#include "nic/region.h"

namespace lauberhorn::conformance {

struct StallingDeviceOptions {
  EmbeddedDeviceOptions embedded;
  absl::Duration t_max = absl::Milliseconds(1);
  bool speculate = true;
};

class StallingDevice final : public Device {
 public:
  // What happened; may be read at any time.
  struct Totals {
    std::atomic<std::uint64_t> loads{0};         // that reached the NIC
    std::atomic<std::uint64_t> stalled{0};       // found FREE
    std::atomic<std::uint64_t> delivered{0};     // stalled, then answered FULL
    std::atomic<std::uint64_t> timed_out{0};     // ended by T_max
    std::atomic<std::uint64_t> recalled{0};      // pages, after T_max
    std::atomic<std::uint64_t> written_back{0};  // pages, by the host
    std::atomic<std::uint64_t> speculated{0};    // loads by nobody
  };

  // PERMISSION_DENIED where this process may not handle faults.
  static absl::StatusOr<std::unique_ptr<StallingDevice>> Make(
      const StallingDeviceOptions& options);

  ~StallingDevice() override;
  StallingDevice(const StallingDevice&) = delete;
  StallingDevice& operator=(const StallingDevice&) = delete;

  const Attachment& Attach() const override { return attachment_; }
  void Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
            std::int64_t until) override;
  void Ring() override { engine_->Ring(); }

  // Answers all loads, and leaves none unanswered from now on: threads may
  // still be at their loads when a device ends, and then its memory is gone.
  void AnswerAll();

  const Totals& totals() const { return totals_; }

 private:
  // A load that is not answered, or an answer that is to be recalled.
  struct Page {
    bool held;
    std::int64_t since;
  };

  explicit StallingDevice(const StallingDeviceOptions& options);

  absl::Status Start();
  absl::Status Map();
  void Run();
  void ReadFaults();
  void LookAtPages();
  bool HoldLoad(std::uint64_t offset, Page& page, std::int64_t now);
  bool KeepAnswer(std::uint64_t offset, const Page& page, std::int64_t now);
  void Answer(std::uint64_t offset);
  void Recall(std::uint64_t offset);
  void Speculate();
  // The lines of `in` slots are not in one piece: whether a page is one.
  bool IsSlot(std::uint64_t offset) const;
  unsigned StateAt(std::uint64_t offset) const;

  const StallingDeviceOptions options_;
  const nic::RegionOptions region_options_;
  const std::size_t size_;
  int memory_ = -1;
  int faults_ = -1;  // userfaultfd
  int stop_ = -1;    // eventfd
  std::uint8_t* nic_view_ = nullptr;
  std::uint8_t* host_view_ = nullptr;
  std::uint64_t lines_ = 0;  // offset of the first line, and of the end
  std::uint64_t lines_end_ = 0;
  std::unique_ptr<nic::Region> region_;
  std::unique_ptr<nic::EngineThread> engine_;
  Attachment attachment_ = {};
  lh_write_back_hook hook_ = {};
  std::map<std::uint64_t, Page> pages_;  // of the thread, by offset
  Totals totals_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
  std::thread speculator_;
};

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_STALLING_DEVICE_H_
