// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/embedded_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "librpc/device_time.h"
#include "librpc/environment.h"
#include "nic/engine_thread.h"
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

class EmbeddedDevice final : public Device {
 public:
  explicit EmbeddedDevice(const nic::RegionOptions& options)
      : memory_(nic::Region::Size(options)) {}

  absl::Status Start(const nic::RegionOptions& options,
                     const nic::EngineThreadOptions& engine) {
    if (!memory_.ok()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot map ", nic::Region::Size(options),
                       " bytes for the NIC's region: ", std::strerror(errno)));
    }
    region_ = std::make_unique<nic::Region>(options, memory_.bytes());
    absl::StatusOr<std::unique_ptr<nic::EngineThread>> thread =
        nic::EngineThread::Start(engine, *region_);
    if (!thread.ok()) return thread.status();
    thread_ = *std::move(thread);
    attachment_ = TrustingAttachment(region_->base());
    return absl::OkStatus();
  }

  const Attachment& Attach() const override { return attachment_; }

  void Wait(std::uint32_t /*endpoint*/, __u64* word, __u64 parked,
            std::int64_t until) override {
    SleepOnWord(word, parked, until, /*shared=*/false);
  }

  void Ring() override { thread_->Ring(); }

 private:
  const Mapping memory_;
  std::unique_ptr<nic::Region> region_;
  std::unique_ptr<nic::EngineThread> thread_;
  Attachment attachment_ = {};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> MakeEmbeddedDevice(
    const EmbeddedDeviceOptions& options) {
  nic::RegionOptions region;
  region.endpoints = options.endpoints;
  region.own_calls = options.calls;
  region.features = options.spin ? 0 : LH_FEATURE_NEEDS_RING;
  nic::EngineThreadOptions engine;
  engine.spin = options.spin;
  engine.engine.calls = options.accepted_calls;
  engine.local = options.local && Environment("LAUBERHORN_LOCAL") != "off";
  engine.trace = Environment("LAUBERHORN_TRACE") == "1";
  if (options.stat && Environment("LAUBERHORN_STAT") != "off") {
    engine.report_folders =
        nic::ReportFolders(geteuid(), Environment("XDG_RUNTIME_DIR"));
  }
  auto device = std::make_unique<EmbeddedDevice>(region);
  const absl::Status status = device->Start(region, engine);
  if (!status.ok()) return status;
  return std::unique_ptr<Device>(std::move(device));
}

}  // namespace lauberhorn
