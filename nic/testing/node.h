// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/node.h
//
// A process and its NIC, which takes a turn when the test lets it: for tests of
// nothing but engines. nic/testing/simulated_host.h has threads and crashes.
#ifndef LAUBERHORN_NIC_TESTING_NODE_H_
#define LAUBERHORN_NIC_TESTING_NODE_H_

#include <cstdint>
#include <string>

#include "abi/host/control.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nic/engine.h"
#include "nic/region.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

struct Node {
  // `secret` is the engine's; the wires outlive this.
  Node(const RegionOptions& options, EngineOptions engine_options,
       std::uint8_t secret, WireFactory& wires)
      : memory(options),
        region(options, memory.bytes()),
        engine(WithSecret(engine_options, secret), region, wires, waker) {}

  // Runs a command, which must succeed. Returns `data` of its RESULT.
  std::uint64_t Control(Nanos now, lh_command command,
                        absl::string_view payload) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    EXPECT_TRUE(call.Put(header, payload));
    TakenMessage result = {};
    for (int turn = 0; turn < 3 && !call.Take(&result); ++turn) {
      engine.Poll(now);
    }
    EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
    EXPECT_EQ(result.header.code, 0u) << result.payload;
    return result.header.data;
  }

  // The same, as nic/testing/commands.h wants it.
  auto Commands(Nanos now) {
    return [this, now](lh_command command, absl::string_view payload) {
      return Control(now, command, payload);
    };
  }

  RegionMemory memory;
  Region region;
  RecordingWaker waker;
  Engine engine;
  HostChannel call{region.base(), 0, Which::kCall};  // of endpoint 0

 private:
  static EngineOptions WithSecret(EngineOptions options, std::uint8_t secret) {
    options.secret.fill(secret);
    return options;
  }
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_NODE_H_
