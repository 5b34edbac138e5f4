// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/kernel_part.h
//
// The kernel's part of the region, mapped and laid out: its information page,
// and behind it what nic/kernel_region.h has.
#ifndef LAUBERHORN_NIC_DAEMON_KERNEL_PART_H_
#define LAUBERHORN_NIC_DAEMON_KERNEL_PART_H_

#include <cstdint>
#include <memory>

#include "abi/host/device.h"
#include "abi/host/region.h"
#include "absl/status/statusor.h"
#include "nic/daemon/geometry.h"
#include "nic/daemon/node.h"
#include "nic/kernel_region.h"

namespace lauberhorn::nic::daemon {

class KernelPart {
 public:
  // Of a node that has answered ATTACH with `attached`, and outlives this. It
  // is READY in that epoch: LH_NIC_START may follow.
  static absl::StatusOr<std::unique_ptr<KernelPart>> Make(
      Node& node, const Geometry& geometry, const lh_nic_attach& attached);

  lh_info* info() const { return reinterpret_cast<lh_info*>(mapping_.base()); }
  KernelRegion& region() { return *region_; }

  // Whether whoever has news for the NIC is to ring. A full fence follows.
  void SetAsleep(bool asleep);

 private:
  KernelPart(Node& node, std::uint64_t size) : mapping_(node, 0, size) {}
  void LayOut(const Geometry& geometry, const lh_nic_attach& attached);

  const Mapping mapping_;
  std::unique_ptr<KernelRegion> region_;
};

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_KERNEL_PART_H_
