// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A turn in which nothing happened may end early, but not before it woke whom
// it has to.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/engine.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"

namespace lauberhorn::nic {
namespace {

using testing::HostChannel;
using testing::MemoryNetwork;
using testing::RecordingWaker;
using testing::RegionMemory;
using testing::TestAddress;

// Messages that are refused are no work. All turns are at one time, so that
// nothing else is due either.
TEST(EngineWakeTest, AQuarantineWakesInATurnWithoutWork) {
  const RegionOptions options;
  MemoryNetwork network(1);
  RegionMemory memory(options);
  Region region(options, memory.bytes());
  RecordingWaker waker;
  const auto wires = network.Host(TestAddress(1));
  Engine engine({}, region, *wires, waker);
  HostChannel call(region.base(), 0, Which::kCall);
  __u64* const word = call.next_word();
  ASSERT_NE(lh_park(&call.channel().in), 0u);

  lh_message bad = {};
  bad.kind = LH_KIND_NONE;
  const __u64& quarantine = region.state(1)->quarantine;
  for (int count = 0; quarantine == 0 && count < 100'000; ++count) {
    call.Put(bad);
    engine.Poll(kSecond);
  }
  EXPECT_EQ(quarantine, LH_QUARANTINE_BAD_MESSAGE);
  EXPECT_THAT(waker.words, ::testing::Contains(word));
  EXPECT_THAT(waker.endpoints, ::testing::Each(0u));
}

}  // namespace
}  // namespace lauberhorn::nic
