// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/embedded_device.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "librpc/device_time.h"
#include "librpc/environment.h"
#include "librpc/fork_watch.h"
#include "nic/engine_thread.h"
#include "nic/fused_driver.h"
#include "nic/region.h"
#include "nic/report_path.h"

namespace lauberhorn {
namespace {

// Zeroed, page-aligned memory.
class Mapping {
 public:
  explicit Mapping(std::size_t size)
      : size_(size),
        address_(mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Mapping() {
    if (ok()) munmap(address_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool ok() const { return address_ != MAP_FAILED; }
  absl::Span<std::uint8_t> bytes() const {
    return {static_cast<std::uint8_t*>(address_), size_};
  }

 private:
  const std::size_t size_;
  void* const address_;
};

nic::Nanos NicTime(std::int64_t time) {
  return time == kForever ? nic::kNever : static_cast<nic::Nanos>(time);
}

class EmbeddedDevice final : public Device {
 public:
  explicit EmbeddedDevice(const nic::RegionOptions& options)
      : memory_(nic::Region::Size(options)) {}
  ~EmbeddedDevice() override;

  absl::Status Start(const nic::RegionOptions& options) {
    if (!memory_.ok()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot map ", nic::Region::Size(options),
                       " bytes for the NIC's region: ", std::strerror(errno)));
    }
    region_ = std::make_unique<nic::Region>(options, memory_.bytes());
    return absl::OkStatus();
  }

  // One of these follows.
  absl::Status Drive(const nic::EngineThreadOptions& options) {
    auto thread = nic::EngineThread::Start(options, *region_);
    if (!thread.ok()) return thread.status();
    thread_ = *std::move(thread);
    return Begin();
  }
  absl::Status Drive(const nic::FusedDriverOptions& options) {
    auto fused = nic::FusedDriver::Start(options, *region_);
    if (!fused.ok()) return fused.status();
    fused_ = *std::move(fused);
    return Begin();
  }

  const Attachment& Attach() const override { return attachment_; }

  void Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
            std::int64_t until) override {
    if (fused_ == nullptr) {
      return SleepOnWord(word, parked, until, /*shared=*/false);
    }
    fused_->Sleep(endpoint, word, parked, NicTime(until));
  }

  void Ring() override {
    if (fused_ != nullptr) {
      fused_->Ring();
    } else {
      thread_->Ring();
    }
  }

  bool WaitersDrive() const override { return fused_ != nullptr; }
  bool Look(std::uint32_t endpoint, std::int64_t until) override {
    return fused_->Look(endpoint, NicTime(until));
  }
  void EndWait(std::uint32_t endpoint) override { fused_->End(endpoint); }

 private:
  absl::Status Begin();

  // In the child of a fork.
  void Lose() {
    region_->Down();
    if (fused_ != nullptr) fused_->Disown();
    lost_ = true;
  }

  const Mapping memory_;
  std::unique_ptr<nic::Region> region_;
  std::unique_ptr<nic::EngineThread> thread_;
  std::unique_ptr<nic::FusedDriver> fused_;  // one of the two
  Attachment attachment_ = {};
  bool lost_ = false;
  std::optional<ForkWatch> fork_watch_;
};

EmbeddedDevice::~EmbeddedDevice() {
  fork_watch_.reset();
  if (!lost_) return;
  // They would wait for threads that this process does not have.
  (void)thread_.release();
  (void)fused_.release();
}

absl::Status EmbeddedDevice::Begin() {
  attachment_ = TrustingAttachment(region_->base());
  fork_watch_.emplace([this] { Lose(); });
  return absl::OkStatus();
}

int AllowedCpus() {
  cpu_set_t allowed;
  // More CPUs than a set has are many, too.
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return CPU_SETSIZE;
  return CPU_COUNT(&allowed);
}

// With more CPUs than this, one can be spared for the engine.
constexpr int kFewCpus = 4;

}  // namespace

absl::StatusOr<EngineDriver> EngineDriverOf(absl::string_view option,
                                            absl::string_view environment,
                                            int cpus) {
  const absl::string_view name = option.empty() ? environment : option;
  if (name.empty()) {
    return cpus > kFewCpus ? EngineDriver::kThread : EngineDriver::kFused;
  }
  if (name == "thread") return EngineDriver::kThread;
  if (name == "spin") return EngineDriver::kSpin;
  if (name == "fused") return EngineDriver::kFused;
  return absl::InvalidArgumentError(absl::StrCat(
      option.empty() ? "LAUBERHORN_ENGINE" : "RuntimeOptions::engine", " is '",
      name, "'; it must be thread, fused, or spin"));
}

absl::StatusOr<std::unique_ptr<Device>> MakeEmbeddedDevice(
    const EmbeddedDeviceOptions& options) {
  const absl::StatusOr<EngineDriver> driver = EngineDriverOf(
      options.engine, Environment("LAUBERHORN_ENGINE"), AllowedCpus());
  if (!driver.ok()) return driver.status();
  nic::RegionOptions region;
  region.endpoints = options.endpoints;
  region.own_calls = options.calls;
  region.features = *driver == EngineDriver::kSpin ? 0 : LH_FEATURE_NEEDS_RING;
  nic::EngineOptions engine;
  engine.calls = options.accepted_calls;
  const bool trace = Environment("LAUBERHORN_TRACE") == "1";
  const bool local = options.local && Environment("LAUBERHORN_LOCAL") != "off";
  std::vector<std::string> report_folders;
  if (options.stat && Environment("LAUBERHORN_STAT") != "off") {
    report_folders =
        nic::ReportFolders(geteuid(), Environment("XDG_RUNTIME_DIR"));
  }
  auto device = std::make_unique<EmbeddedDevice>(region);
  absl::Status status = device->Start(region);
  if (!status.ok()) return status;
  if (*driver == EngineDriver::kFused) {
    nic::FusedDriverOptions fused;
    fused.engine = engine;
    fused.spin = static_cast<nic::Nanos>(
        absl::ToInt64Nanoseconds(options.spin_before_park));
    fused.trace = trace;
    fused.local = local;
    fused.report_folders = std::move(report_folders);
    status = device->Drive(fused);
  } else {
    nic::EngineThreadOptions thread;
    thread.engine = engine;
    thread.spin = *driver == EngineDriver::kSpin;
    thread.trace = trace;
    thread.local = local;
    thread.report_folders = std::move(report_folders);
    status = device->Drive(thread);
  }
  if (!status.ok()) return status;
  return std::unique_ptr<Device>(std::move(device));
}

}  // namespace lauberhorn
