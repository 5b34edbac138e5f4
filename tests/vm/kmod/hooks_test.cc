// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What the module says of the kernel, with the series and on one without.
#include <cerrno>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/endpoint.h"
#include "gtest/gtest.h"
#include "nic/state_words.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

TEST(Series, NothingIsMissing) { EXPECT_EQ(Shown("missing"), "nothing"); }

// From tracepoints: the words, and who is bound; commands when the NIC
// interrupts for them. Where a thread may run is not told, so a RUN that names
// another CPU is executed all the same.
TEST(Stock, ItSaysWhatIsMissingAndDoesTheRest) {
  const auto nic = Nic::Started();
  EXPECT_EQ(nic->features(), LH_DEVICE_STATE_WORDS | LH_DEVICE_KERNEL_CHANNELS);
  EXPECT_EQ(nic->attached().cpu_masks, 0U);
  EXPECT_EQ(Shown("missing"), "CONFIG_LAUBERHORN_SCHED");
  Child child([](const Parent& test) {
    PinTo(1);
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Map(), 0);
    EXPECT_EQ(device.Bind(0), 0);
    EXPECT_EQ(device.Park(0), 0);
    test.Say('w');
    EXPECT_EQ(device.Park(0), ENODEV);
    EXPECT_EQ(device.Bind(0), ENODEV);
  });
  const Part part = nic->Accept();
  const std::uint32_t endpoint = part.event.first_endpoint;
  ASSERT_TRUE(nic->Becomes(endpoint, LH_ENDPOINT_PARKED));
  EXPECT_EQ(nic::EndpointWord(nic->region().endpoint_word(endpoint)->word).mask,
            std::uint32_t{LH_ENDPOINT_WORD_MASK_UNKNOWN});
  nic::KernelCommand run = nic->Run(part, 0);
  run.cpu = 0;
  nic->Command(0, run);
  const auto answer = nic->CommandAnswer(0);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code, std::uint64_t{LH_ANSWER_DONE});
  ASSERT_TRUE(child.Says('w'));
  ASSERT_TRUE(nic->Becomes(endpoint, LH_ENDPOINT_PARKED));
  nic->Close();
  EXPECT_TRUE(child.EndsWell());
}

}  // namespace
}  // namespace lauberhorn::kmod
