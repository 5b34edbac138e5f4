// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/geometry.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace lauberhorn::nic::daemon {
namespace {

constexpr std::uint64_t kPage = 4096;

// Different CPU masks that the kernel may tell.
constexpr std::uint32_t kMasks = 32;

std::uint64_t WholePages(std::uint64_t size) {
  return (size + kPage - 1) / kPage * kPage;
}

}  // namespace

RegionOptions PartOptions(const Geometry& geometry) {
  RegionOptions part;
  part.endpoints = geometry.endpoints;
  part.slots = geometry.slots;
  part.arrived_calls = geometry.arrived;
  part.own_calls = geometry.own;
  // The NIC is another process: what it names as code is looked up first.
  part.features = LH_FEATURE_CHECK_CODE;
  if (!geometry.spin) part.features |= LH_FEATURE_NEEDS_RING;
  return part;
}

KernelRegionOptions KernelOptions(const Geometry& geometry) {
  KernelRegionOptions kernel;
  kernel.cpus = geometry.cpus;
  kernel.endpoints = geometry.processes * geometry.endpoints;
  kernel.masks = kMasks;
  return kernel;
}

lh_nic_attach AttachOf(const Geometry& geometry) {
  lh_nic_attach attach = {};
  attach.device_size =
      WholePages(sizeof(lh_info) + KernelRegion::Size(KernelOptions(geometry)));
  attach.part_size = WholePages(Region::Size(PartOptions(geometry)));
  attach.processes = geometry.processes;
  attach.endpoints = geometry.endpoints;
  return attach;
}

std::string Describe(const Geometry& geometry) {
  const lh_nic_attach attach = AttachOf(geometry);
  return absl::StrFormat(
      "%d processes (--processes), each with %d endpoints (--endpoints) of %d "
      "slots (--slots), %d calls in work (--arrived) and %d of its own "
      "(--own): "
      "%.1f MiB for each, and %.1f MiB for the kernel",
      geometry.processes, geometry.endpoints, geometry.slots, geometry.arrived,
      geometry.own, static_cast<double>(attach.part_size) / (1 << 20),
      static_cast<double>(attach.device_size) / (1 << 20));
}

std::uint32_t PossibleCpus(const std::string& list) {
  std::uint32_t count = 0;
  for (const absl::string_view range : absl::StrSplit(list, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, '-');
    std::uint32_t first;
    std::uint32_t last;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last)) {
      return 0;
    }
    count = std::max(count, last + 1);
  }
  return count;
}

std::uint32_t PossibleCpus() {
  std::ifstream file("/sys/devices/system/cpu/possible");
  std::string list;
  std::getline(file, list);
  const std::uint32_t count = PossibleCpus(list);
  if (count > 0) return count;
  return static_cast<std::uint32_t>(
      std::max(sysconf(_SC_NPROCESSORS_CONF), 1L));
}

}  // namespace lauberhorn::nic::daemon
