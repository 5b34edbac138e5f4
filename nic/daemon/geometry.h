// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/geometry.h
//
// How large everything is that a NIC in software lays out: the kernel's part,
// and one part of the same size for each process, as nic/region.h lays it out.
// A process finds all of it in its information page; nothing here is agreed
// upon.
#ifndef LAUBERHORN_NIC_DAEMON_GEOMETRY_H_
#define LAUBERHORN_NIC_DAEMON_GEOMETRY_H_

#include <cstdint>
#include <string>

#include "abi/host/device.h"
#include "nic/kernel_region.h"
#include "nic/region.h"

namespace lauberhorn::nic::daemon {

struct Geometry {
  std::uint32_t processes = 256;  // at a time
  // Of each process: one for each thread that calls or serves.
  std::uint32_t endpoints = 64;
  std::uint32_t slots = 8;       // of each lane
  std::uint32_t arrived = 1024;  // calls of others that it has in work
  std::uint32_t own = 1024;      // calls of its own
  std::uint32_t cpus = 1;        // numbers below this may be CPUs
  bool spin = false;             // the NIC never sleeps, and needs no ring
};

// The part of a process.
RegionOptions PartOptions(const Geometry& geometry);

// What kernel and NIC share, behind the information page.
KernelRegionOptions KernelOptions(const Geometry& geometry);

// What the kernel is asked for.
lh_nic_attach AttachOf(const Geometry& geometry);

// In words, for --help and the log.
std::string Describe(const Geometry& geometry);

// How many numbers CPUs may have, by /sys; at least 1.
std::uint32_t PossibleCpus();
// The same of such a list ("0-3,8"); 0 if it is none.
std::uint32_t PossibleCpus(const std::string& list);

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_GEOMETRY_H_
