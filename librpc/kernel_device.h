// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/kernel_device.h
//
// A device of the kernel's module: the NIC is another process, lauberhornd, or
// hardware. It serves many processes and knows from the kernel which of their
// threads run; they park in the module, which wakes whom the NIC names.
//
// Nothing that the NIC writes is trusted: see device_layout.h.
//
// In the child of a fork the NIC is lost at once: the attachment is the
// parent's, whose memory the child has not, and of whose file it lets go.
#ifndef LAUBERHORN_LIBRPC_KERNEL_DEVICE_H_
#define LAUBERHORN_LIBRPC_KERNEL_DEVICE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "librpc/device.h"

namespace lauberhorn {

// The first device of the module.
inline constexpr char kKernelDevicePath[] = "/dev/lauberhorn0";

// Attaches this process to the device of that node; waits until its NIC has
// answered. The errors say what is missing and what to do. NOT_FOUND: no such
// node. PERMISSION_DENIED: the node's mode, or the NIC, refuse this process.
// UNAVAILABLE: no NIC serves there, now. RESOURCE_EXHAUSTED: the device, the
// user or the machine has no room for it.
absl::StatusOr<std::unique_ptr<Device>> MakeKernelDevice(
    const std::string& path);

// Whether MakeKernelDevice() has anything to ask there: the node can be opened
// and a NIC serves.
absl::Status ProbeKernelDevice(const std::string& path);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_KERNEL_DEVICE_H_
