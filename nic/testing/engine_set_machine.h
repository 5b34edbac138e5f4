// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/engine_set_machine.h
//
// The engines of a machine's processes, driven together, and the kernel of that
// machine, which the test plays.
#ifndef LAUBERHORN_NIC_TESTING_ENGINE_SET_MACHINE_H_
#define LAUBERHORN_NIC_TESTING_ENGINE_SET_MACHINE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "nic/engine_set.h"
#include "nic/testing/host_side.h"
#include "nic/testing/kernel_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/node.h"

namespace lauberhorn::nic::testing {

// Processes of two threads each, on two CPUs.
class EngineSetMachine : private Interrupter {
 public:
  static constexpr RegionOptions kRegion = {
      .endpoints = 2, .arrived_calls = 8, .own_calls = 8};

  explicit EngineSetMachine(std::uint32_t processes, bool published = true)
      : memory_({.cpus = 2, .endpoints = 2 * processes}),
        kernel(memory_.region()),
        processors_(memory_.region(), processes, 1, *this),
        set(published ? &processors_ : nullptr, processes) {
    for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
      kernel.Publish(cpu, {.mode = LH_CPU_OTHER});
    }
    for (std::uint32_t process = 0; process < processes; ++process) {
      EngineOptions options;
      options.processors = published ? &processors_ : nullptr;
      options.attachment = {.process = process,
                            .first = 2 * process,
                            .count = 2,
                            .generation = 1,
                            .weight = 1};
      nodes.push_back(std::make_unique<Node>(kRegion, options, 1, *wires_));
      set.Add(process, nodes.back()->engine);
    }
    Turns(3);
  }

  // The next turn is when it is wanted, or a while later.
  Nanos Turns(std::uint32_t count) {
    Nanos next = 0;
    while (count-- > 0) {
      now += kMicrosecond;
      next = set.Turn(now);
    }
    return next;
  }
  // A call to nobody by endpoint 0 of the process, answered at once.
  bool PutCall(std::uint32_t process) {
    lh_message call = {};
    call.kind = LH_KIND_CALL;
    call.call = lh_handle(kRegion.arrived_calls, ++generation_);
    call.code = 7;
    return nodes[process]->call.Put(call);
  }
  Processors& processors() { return processors_; }
  bool TakeAnswer(std::uint32_t process) {
    TakenMessage answer;
    return nodes[process]->call.Take(&answer);
  }

 private:
  void Interrupt(std::uint32_t) override {}

  MemoryNetwork network_{1};
  const std::unique_ptr<WireFactory> wires_ = network_.Host(TestAddress(1));
  KernelMemory memory_;
  std::uint32_t generation_ = 0;

 public:
  KernelSide kernel;

 private:
  Processors processors_;

 public:
  std::vector<std::unique_ptr<Node>> nodes;
  EngineSet set;
  Nanos now = kSecond;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_ENGINE_SET_MACHINE_H_
