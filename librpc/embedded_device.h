// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/embedded_device.h
//
// The default device: the NIC is an engine inside this process, on a thread of
// its own or on the threads that wait for it. Needs no privileges and no
// service; isolates nothing but the network.
//
// In the child of a fork the NIC of the parent is lost at once: the child has
// none of its threads, and must not use its sessions. What the parent waited
// for there does not come. A runtime that is opened in the child has a NIC of
// its own.
#ifndef LAUBERHORN_LIBRPC_EMBEDDED_DEVICE_H_
#define LAUBERHORN_LIBRPC_EMBEDDED_DEVICE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "librpc/device.h"

namespace lauberhorn {

struct EmbeddedDeviceOptions {
  std::uint32_t endpoints = 128;
  std::uint32_t calls = 4096;  // numbers of the process's own calls
  // How many of them the NIC accepts at a time; more are answered BUSY.
  std::uint32_t accepted_calls = ~std::uint32_t{0};
  std::string engine;  // RuntimeOptions::engine
  // RuntimeOptions::spin_before_park, where those who wait drive it.
  absl::Duration spin_before_park = absl::Microseconds(3);
  bool stat = true;   // answers `lauberhorn stat` and `trace`
  bool local = true;  // reaches peers on this host through memory
};

// Who drives the engine.
enum class EngineDriver : std::uint8_t {
  kThread,  // a thread of its own, which sleeps when there is nothing to do
  kSpin,    // one that does not
  kFused,   // the threads that wait
};

// What RuntimeOptions::engine, or LAUBERHORN_ENGINE if that is empty, names; if
// both are, what suits a process that may run on so many CPUs. INVALID_ARGUMENT
// if they name none.
absl::StatusOr<EngineDriver> EngineDriverOf(absl::string_view option,
                                            absl::string_view environment,
                                            int cpus);

// Starts the engine. RESOURCE_EXHAUSTED if memory or a thread is refused.
// INVALID_ARGUMENT: of EngineDriverOf().
absl::StatusOr<std::unique_ptr<Device>> MakeEmbeddedDevice(
    const EmbeddedDeviceOptions& options);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_EMBEDDED_DEVICE_H_
