// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/kernel_side.h
//
// The kernel's side of a KernelRegion, for tests: what it publishes of CPUs and
// threads, and its end of the kernel channels. What to publish when says the
// test.
#ifndef LAUBERHORN_NIC_TESTING_KERNEL_SIDE_H_
#define LAUBERHORN_NIC_TESTING_KERNEL_SIDE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"
#include "nic/kernel_channel.h"
#include "nic/kernel_region.h"

namespace lauberhorn::nic::testing {

// Memory for it, zeroed; the region begins 128 bytes before.
class KernelMemory {
 public:
  explicit KernelMemory(const KernelRegionOptions& options);
  KernelRegion& region() { return *region_; }

 private:
  struct alignas(LH_LINE_SIZE) Line {
    std::uint8_t bytes[LH_LINE_SIZE];
  };
  std::vector<Line> lines_;
  std::unique_ptr<KernelRegion> region_;
};

class KernelSide {
 public:
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

  explicit KernelSide(KernelRegion& region);

  // What a CPU does now; who ran there before, and does not any more, left.
  struct Doing {
    lh_cpu_mode mode = LH_CPU_IDLE;
    std::uint32_t endpoint = kNobody;
    std::uint32_t nr = 1;
    lh_cpu_class scheduling_class = LH_CPU_CLASS_FAIR;
    std::uint32_t flags = 0;
  };
  void Publish(std::uint32_t cpu, const Doing& doing);
  // A mistake: who runs there leaves untold.
  void ForgetWhoRuns(std::uint32_t cpu) { cpus_[cpu].endpoint = kNobody; }
  void Bound(std::uint32_t cpu, std::uint32_t endpoint) {
    Publish(cpu, {.mode = LH_CPU_BOUND, .endpoint = endpoint});
  }
  void Idle(std::uint32_t cpu, lh_cpu_mode mode = LH_CPU_IDLE) {
    Publish(cpu, {.mode = mode, .nr = 0});
  }

  // The word of an endpoint.
  struct Thread {
    std::uint32_t thread = 1;
    std::uint32_t generation = 1;
    std::uint32_t mask = 0;
  };
  void SetState(std::uint32_t endpoint, lh_endpoint_state state) {
    SetState(endpoint, state, {});
  }
  void SetState(std::uint32_t endpoint, lh_endpoint_state state,
                const Thread& thread);
  // The CPUs of a mask, which words name by `mask` + 1: those of these bits.
  void SetMask(std::uint32_t mask, std::uint64_t cpus);

  // The next command to a CPU, if there is one; and an answer, if there is
  // room.
  bool TakeCommand(std::uint32_t cpu, KernelCommand* command);
  bool HasCommand(std::uint32_t cpu) const;
  bool Answer(std::uint32_t cpu, std::uint64_t number, std::uint64_t code);

 private:
  struct Cpu {
    std::uint32_t endpoint = kNobody;
    std::uint32_t departed = 0;
    std::uint64_t count = 0;
    lh_lane commands;
    lh_lane answers;
  };

  KernelRegion& region_;
  std::vector<Cpu> cpus_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_KERNEL_SIDE_H_
