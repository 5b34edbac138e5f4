// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/kernel_region.h
//
// The part of a device region that kernel and NIC share and no process ever
// maps, as this NIC lays it out: the CPUs' lines with their kernel channels,
// the endpoints' words, the table of CPU masks (abi/host/cpu.h, endpoint.h).
// Everybody else finds it by the information page.
//
// Ownership: the memory is the caller's and outlives the KernelRegion.
#ifndef LAUBERHORN_NIC_KERNEL_REGION_H_
#define LAUBERHORN_NIC_KERNEL_REGION_H_

#include <cstddef>
#include <cstdint>

#include "abi/host/channel_user.h"
#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"
#include "abi/host/region.h"

namespace lauberhorn::nic {

struct KernelRegionOptions {
  std::uint32_t cpus = 1;
  std::uint32_t endpoints = 128;  // of all processes
  std::uint32_t masks = 32;       // different CPU masks, at most
  // Of every lane of the device: see RegionOptions.
  std::uint32_t slots = 8;
  std::uint32_t line_stride = LH_LINE_SIZE;
  std::uint32_t overflow_size = LH_LINE_SIZE;
};

class KernelRegion {
 public:
  // How many bytes the part of these options takes.
  static std::size_t Size(const KernelRegionOptions& options);

  // Lays it out `offset` bytes after `base`, where the region begins: a
  // multiple of LH_LINE_SIZE, and zeroed memory.
  KernelRegion(const KernelRegionOptions& options, std::uint8_t* base,
               std::size_t offset);

  KernelRegion(const KernelRegion&) = delete;
  KernelRegion& operator=(const KernelRegion&) = delete;

  // Writes into the information page where all of this is. For whoever makes
  // the page, before it stores the magic.
  void Describe(lh_info* info) const;

  // Zeroes all lines and words, for a reset. Tables stay.
  void Reset();

  const KernelRegionOptions& options() const { return options_; }
  lh_cpu_lines* cpu(std::uint32_t index) const { return cpus_ + index; }
  lh_endpoint_word* endpoint_word(std::uint32_t index) const {
    return words_ + index;
  }
  lh_cpu_mask* mask(std::uint32_t index) const { return masks_ + index; }

  // Of the kernel channel of a CPU: one side's view of its lanes.
  lh_lane OutLane(std::uint32_t cpu) const;
  lh_lane InLane(std::uint32_t cpu) const;

 private:
  lh_lane Lane(const lh_lane_layout& layout) const;
  void NameLanes() const;

  const KernelRegionOptions options_;
  std::uint8_t* const base_;
  lh_cpu_lines* cpus_;
  lh_endpoint_word* words_;
  lh_cpu_mask* masks_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_KERNEL_REGION_H_
