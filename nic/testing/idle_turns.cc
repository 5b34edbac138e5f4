// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// nic_idle_turns SERVICES TURNS: turns of a NIC whose services wait for calls,
// none of them on a CPU. tests/vm/poll_instructions counts what they execute.
#include <cstdint>
#include <cstdio>

#include "abi/host/cpu.h"
#include "absl/strings/numbers.h"
#include "nic/kernel_channel.h"
#include "nic/testing/commands.h"
#include "nic/testing/engine_set_machine.h"

int main(int argc, char* argv[]) {
  using lauberhorn::nic::KernelCommand;
  using lauberhorn::nic::testing::EngineSetMachine;
  using lauberhorn::nic::testing::OpenServer;
  using lauberhorn::nic::testing::TestAddress;
  std::uint32_t services = 0;
  std::uint32_t turns = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[1], &services) ||
      !absl::SimpleAtoi(argv[2], &turns) || services == 0) {
    std::fprintf(stderr, "usage: nic_idle_turns SERVICES TURNS\n");
    return 2;
  }
  EngineSetMachine machine(services);
  for (const auto& node : machine.nodes) {
    lh_command_method method = {};
    method.method = 1;
    method.code = 1;
    OpenServer(node->Commands(machine.now), method, "/a/B",
               TestAddress(1).raw());
  }
  // Who got an answer is woken.
  for (std::uint32_t service = 0; service < services; ++service) {
    machine.Turns(1);
    for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
      KernelCommand command;
      while (machine.kernel.TakeCommand(cpu, &command)) {
        (void)machine.kernel.Answer(cpu, command.number, LH_ANSWER_DONE);
      }
    }
  }
  machine.Turns(turns);
  return 0;
}
