// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/embedded_device.h
//
// The default device: the NIC is an engine inside this process, on a thread of
// its own. Needs no privileges and no service; isolates nothing but the
// network.
#ifndef LAUBERHORN_LIBRPC_EMBEDDED_DEVICE_H_
#define LAUBERHORN_LIBRPC_EMBEDDED_DEVICE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "librpc/device.h"

namespace lauberhorn {

struct EmbeddedDeviceOptions {
  std::uint32_t endpoints = 128;
  std::uint32_t calls = 4096;  // numbers of the process's own calls
  // How many of them the NIC accepts at a time; more are answered BUSY.
  std::uint32_t accepted_calls = ~std::uint32_t{0};
  bool spin = false;  // the engine's thread never sleeps
  bool stat = true;   // answers `lauberhorn stat` and `trace`
  bool local = true;  // reaches peers on this host through memory
};

// Starts the engine. RESOURCE_EXHAUSTED if memory or a thread is refused.
absl::StatusOr<std::unique_ptr<Device>> MakeEmbeddedDevice(
    const EmbeddedDeviceOptions& options);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_EMBEDDED_DEVICE_H_
