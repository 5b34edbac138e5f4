// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/kernel_part.h"

#include <cstring>

#include "abi/host/channel_user.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::daemon {

absl::StatusOr<std::unique_ptr<KernelPart>> KernelPart::Make(
    Node& node, const Geometry& geometry, const lh_nic_attach& attached) {
  auto part = absl::WrapUnique(new KernelPart(node, attached.device_size));
  if (part->mapping_.error() != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot map the kernel's part of the device: ",
                     std::strerror(part->mapping_.error())));
  }
  // What the kernel does there has no log.
  LH_ON_VIEW(part->mapping_.base(), attached.device_size, LH_LOG_NOWHERE);
  part->LayOut(geometry, attached);
  return part;
}

void KernelPart::LayOut(const Geometry& geometry,
                        const lh_nic_attach& attached) {
  const KernelRegionOptions options = KernelOptions(geometry);
  region_ =
      std::make_unique<KernelRegion>(options, mapping_.base(), sizeof(lh_info));
  lh_info* const page = info();
  page->version_major = LH_VERSION_MAJOR;
  page->version_minor = LH_VERSION_MINOR;
  page->features = geometry.spin ? 0 : LH_FEATURE_NEEDS_RING;
  page->region_size = attached.device_size;
  page->slots = options.slots;
  page->line_stride = options.line_stride;
  page->overflow_size = options.overflow_size;
  page->clock_mult = 1;  // device time is CLOCK_MONOTONIC
  region_->Describe(page);
  // A kernel that publishes nothing has no use for lines of CPUs.
  if ((attached.features & LH_DEVICE_STATE_WORDS) == 0) page->cpus = 0;
  page->device_epoch = attached.epoch;
  lh_store_release(&page->status, LH_STATUS_READY);
  lh_store_release(&page->magic, LH_MAGIC);
}

void KernelPart::SetAsleep(bool asleep) {
  lh_store_release(&info()->asleep, asleep ? 1 : 0);
  if (asleep) lh_heavy_fence(0);
}

}  // namespace lauberhorn::nic::daemon
