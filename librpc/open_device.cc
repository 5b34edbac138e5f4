// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/open_device.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "librpc/embedded_device.h"
#include "librpc/kernel_device.h"

namespace lauberhorn {

absl::StatusOr<std::string> DevicePath(absl::string_view option,
                                       absl::string_view environment) {
  const absl::string_view name = option.empty() ? environment : option;
  if (name.empty() || name == "embedded") return "";
  if (name == "kernel") return kKernelDevicePath;
  if (name == "auto") {
    return ProbeKernelDevice(kKernelDevicePath).ok() ? kKernelDevicePath : "";
  }
  if (absl::StartsWith(name, "/")) return std::string(name);
  return absl::InvalidArgumentError(absl::StrCat(
      option.empty() ? "LAUBERHORN_DEVICE" : "RuntimeOptions::device", " is '",
      name, "'; it must be embedded, kernel, auto, or the path of a node"));
}

absl::StatusOr<std::unique_ptr<Device>> OpenDevice(
    const std::string& path, const RuntimeOptions& options) {
  if (!path.empty()) return MakeKernelDevice(path);
  EmbeddedDeviceOptions embedded;
  embedded.endpoints = options.endpoints;
  embedded.calls = options.endpoints + options.max_calls;
  embedded.engine = options.engine;
  embedded.spin_before_park = options.spin_before_park;
  embedded.stat = options.stat;
  embedded.local = options.local;
  absl::StatusOr<std::unique_ptr<Device>> device = MakeEmbeddedDevice(embedded);
  if (!device.ok()) return device;
  const absl::Status usable = CheckDevice(*(*device)->Attach().info);
  if (!usable.ok()) return usable;
  return device;
}

}  // namespace lauberhorn
