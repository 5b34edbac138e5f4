// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/watch/state_memory.h
//
// What a kernel tells a NIC of its run queues, mapped read-only from
// /dev/lauberhorn-probe and read as a NIC reads it.
//
// The kernel is trusted no more than needed: its layout is checked once, and
// what it writes is read once and only shown.
#ifndef LAUBERHORN_CLI_WATCH_STATE_MEMORY_H_
#define LAUBERHORN_CLI_WATCH_STATE_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "abi/host/cpu.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "linux-patches/lauberhorn_probe.h"
#include "nic/state_words.h"

namespace lauberhorn::cli {

// The line of one CPU.
struct CpuLook {
  nic::CpuWord word;
  std::uint64_t count;  // of all changes
  // Endpoints that left, the last one first, each plus one, or 0.
  std::array<std::uint32_t, LH_DEPARTED> departed;
};

class StateMemory {
 public:
  // Registers the probe, if nobody has it open yet, and maps it. Errors:
  // NOT_FOUND if this kernel has none, PERMISSION_DENIED, INVALID_ARGUMENT if
  // what it shows has another layout, UNAVAILABLE if another device is there.
  static absl::StatusOr<StateMemory> Open(const std::string& path);

  // Over memory that outlives it, as a probe lays it out.
  static absl::StatusOr<StateMemory> Over(absl::Span<const std::byte> memory);

  unsigned cpus() const { return info_.cpus; }
  unsigned endpoints() const { return info_.endpoints; }

  // Word, count and ring of one moment, unless the CPU is faster than any
  // look. `cpu` < cpus().
  CpuLook LookAtCpu(unsigned cpu) const;
  // `endpoint` < endpoints().
  nic::EndpointWord LookAtEndpoint(unsigned endpoint) const;

  // The CPUs of a mask that an endpoint's word names, such as "0-3,8"; "any"
  // and "?" if it names none, or one that is not in the table.
  std::string Mask(std::uint32_t mask) const;

 private:
  using Unmap = std::function<void(const std::byte*)>;

  StateMemory(std::unique_ptr<const std::byte, Unmap> memory,
              const lauberhorn_probe_info& info)
      : memory_(std::move(memory)), info_(info) {}

  std::unique_ptr<const std::byte, Unmap> memory_;
  lauberhorn_probe_info info_;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_WATCH_STATE_MEMORY_H_
