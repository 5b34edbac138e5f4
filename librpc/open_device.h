// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/open_device.h
//
// Which device a runtime gets: what its options say, else the environment.
#ifndef LAUBERHORN_LIBRPC_OPEN_DEVICE_H_
#define LAUBERHORN_LIBRPC_OPEN_DEVICE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lauberhorn/runtime.h"
#include "librpc/device.h"

namespace lauberhorn {

// The node of the device that RuntimeOptions::device, or LAUBERHORN_DEVICE if
// that is empty, names; empty for an embedded one. INVALID_ARGUMENT if they
// name none.
absl::StatusOr<std::string> DevicePath(absl::string_view option,
                                       absl::string_view environment);

// Opens the device of that node, or an embedded one, which is READY and can be
// used. Errors: of MakeKernelDevice(), MakeEmbeddedDevice(), CheckDevice().
absl::StatusOr<std::unique_ptr<Device>> OpenDevice(
    const std::string& path, const RuntimeOptions& options);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_OPEN_DEVICE_H_
