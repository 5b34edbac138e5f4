// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The module's calls by io_uring: what ends a PARK that waits there, and whom
// it harms when its ring, process, or NIC goes.
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/region.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"
#include "tests/vm/kmod/uring.h"

namespace lauberhorn::kmod {
namespace {

// Some nanoseconds from now, of CLOCK_MONOTONIC.
std::uint64_t In(std::uint64_t ns) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) + ns;
}

using Body = std::function<void(const Parent&, Device&)>;

class Uring : public ::testing::Test {
 protected:
  // A process that attaches and does as `body` says.
  std::unique_ptr<Child> Attached(const Body& body) {
    auto child = std::make_unique<Child>([&body](const Parent& test) {
      Device device;
      EXPECT_EQ(device.Attach(), 0);
      EXPECT_EQ(device.Map(), 0);
      body(test, device);
    });
    part_ = nic_->Accept();
    return child;
  }

  std::optional<lh_kernel_answer> Wake(std::uint32_t endpoint = 0) const {
    return nic_->Wake(part_, endpoint);
  }

  // The process is gone, and its place is another's.
  void ExpectLeft() {
    const lh_nic_event event = nic_->Next(LH_NIC_EVENT_LEFT);
    EXPECT_EQ(event.process, part_.event.process);
    EXPECT_EQ(Wake(), LH_ANSWER_DEAD);
    EXPECT_EQ(nic_->End(event), 0);
    const auto next = Attached([](const Parent&, Device&) {});
    EXPECT_EQ(part_.event.process, event.process);
    EXPECT_TRUE(next->EndsWell());
  }

  std::unique_ptr<Nic> nic_ = Nic::Started();
  Part part_;
};

// A process that puts two PARKs and tells what they complete with.
Body ParksUntil(int error) {
  return [error](const Parent& test, Device& device) {
    CommandRing ring;
    const lh_device_park timed = ParkOnNothing(0, In(1'000'000'000'000));
    const lh_device_park park = ParkOnNothing(1);
    ring.Put(1, device.file(), LH_DEVICE_PARK, &timed);
    ring.Call(2, device.file(), LH_DEVICE_PARK, &park);
    test.Say('p');
    EXPECT_EQ(ring.Wait().second, error);
    EXPECT_EQ(ring.Wait().second, error);
    ring.Call(3, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(ring.Wait(), Completion(3, error));
    test.Say('d');
    test.Await('q');
  };
}

// How a ring takes its entries.
struct Kind {
  const char* name;
  unsigned setup;
  unsigned entry;  // flags of each
};
constexpr Kind kKinds[] = {
    {"Plain", 0, 0},
    {"Deferred", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0},
    {"ByAWorker", 0, IOSQE_ASYNC},
    {"ByAnotherThread", IORING_SETUP_SQPOLL, 0},
};
class UringKinds : public Uring, public ::testing::WithParamInterface<Kind> {};
INSTANTIATE_TEST_SUITE_P(All, UringKinds, ::testing::ValuesIn(kKinds),
                         [](const ::testing::TestParamInfo<Kind>& kind) {
                           return kind.param.name;
                         });

TEST_P(UringKinds, RunCompletesIt) {
  const Kind kind = GetParam();
  const auto child = Attached([kind](const Parent& test, Device& device) {
    CommandRing ring(kind.setup);
    const lh_device_park park = ParkOnNothing();
    for (std::uint64_t number = 0; number < 20; ++number) {
      ring.Call(number, device.file(), LH_DEVICE_PARK, &park, kind.entry);
      test.Say('p');
      EXPECT_EQ(ring.Wait(), Completion(number, 0));
      test.Say('w');
    }
  });
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(child->Says('p'));
    const std::optional<lh_kernel_answer> answer = Wake();
    // Others may take the entry later, and then find it remembered.
    if (kind.setup != IORING_SETUP_SQPOLL && kind.entry == 0) {
      EXPECT_EQ(answer, LH_ANSWER_DONE);
    }
    ASSERT_TRUE(child->Says('w'));
  }
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(UringKinds, TimePasses) {
  const Kind kind = GetParam();
  const auto child = Attached([kind](const Parent&, Device& device) {
    CommandRing ring(kind.setup);
    for (const std::uint64_t until : {In(0), In(50'000'000)}) {
      const lh_device_park park = ParkOnNothing(0, until);
      ring.Call(7, device.file(), LH_DEVICE_PARK, &park, kind.entry);
      EXPECT_EQ(ring.Wait(), Completion(7, ETIMEDOUT));
      EXPECT_GE(In(0), until);
    }
  });
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(UringKinds, ItsRingEnds) {
  const Kind kind = GetParam();
  const auto child = Attached([kind](const Parent& test, Device& device) {
    const lh_device_park park = ParkOnNothing();
    const lh_device_park timed = ParkOnNothing(0, In(1'000'000'000'000));
    for (int round = 0; round < 5; ++round) {
      CommandRing ring(kind.setup);
      ring.Put(1, device.file(), LH_DEVICE_PARK, &timed, kind.entry);
      ring.Call(2, device.file(), LH_DEVICE_PARK, &park, kind.entry);
    }
    CommandRing ring;
    ring.Call(3, device.file(), LH_DEVICE_PARK, &park);
    test.Say('p');
    EXPECT_EQ(ring.Wait(), Completion(3, 0));
    test.Say('w');
    test.Await('q');
  });
  ASSERT_TRUE(child->Says('p'));
  // A RUN that comes to one whose ring is ending is passed on.
  EXPECT_EQ(Wake(), LH_ANSWER_DONE);
  ASSERT_TRUE(child->Says('w'));
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
  ExpectLeft();
}

TEST_P(UringKinds, ItsProcessIsKilled) {
  const Kind kind = GetParam();
  const auto child = Attached([kind](const Parent& test, Device& device) {
    CommandRing ring(kind.setup);
    const lh_device_park park = ParkOnNothing();
    const lh_device_park timed = ParkOnNothing(0, In(1'000'000'000'000));
    ring.Put(1, device.file(), LH_DEVICE_PARK, &timed, kind.entry);
    ring.Call(2, device.file(), LH_DEVICE_PARK, &park, kind.entry);
    test.Say('p');
    pause();
  });
  ASSERT_TRUE(child->Says('p'));
  child->Kill();
  ExpectLeft();
}

TEST_F(Uring, RunCompletesOneInOrder) {
  const auto child = Attached([](const Parent& test, Device& device) {
    CommandRing ring;
    const lh_device_park park = ParkOnNothing(1);
    for (std::uint64_t number = 0; number < 4; ++number) {
      ring.Call(number, device.file(), LH_DEVICE_PARK, &park);
    }
    test.Say('p');
    for (std::uint64_t number = 0; number < 4; ++number) {
      EXPECT_EQ(ring.Wait(), Completion(number, 0));
      EXPECT_FALSE(ring.Now().has_value());
      test.Say('w');
    }
    test.Await('q');
  });
  ASSERT_TRUE(child->Says('p'));
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(Wake(1), LH_ANSWER_DONE);
    ASSERT_TRUE(child->Says('w'));
  }
  EXPECT_EQ(Wake(1), LH_ANSWER_EARLY);
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, WhatDoesNotWaitCompletesAtOnce) {
  const auto child = Attached([](const Parent& test, Device& device) {
    CommandRing ring;
    alignas(16) const std::uint64_t words[2] = {5, 5};
    const auto at = reinterpret_cast<std::uintptr_t>(words);
    const std::uint32_t endpoints = device.attached().endpoints;
    const std::vector<std::pair<lh_device_park, int>> parks = {
        {{at, 6, 0, 0, 0}, 0},  // it is another
        {{at, 5, 1, 0, 1}, EINVAL},
        {{at + 1, 5, 1, 0, 0}, EINVAL},
        {{at, 5, 1ULL << 63, 0, 0}, EINVAL},
        {{at, 5, 1, endpoints, 0}, EINVAL},
        {{8, 5, 1, 0, 0}, EFAULT},
    };
    for (const auto& [park, error] : parks) {
      ring.Call(9, device.file(), LH_DEVICE_PARK, &park);
      EXPECT_EQ(ring.Now(), Completion(9, error));
    }
    ring.Call(9, device.file(), LH_DEVICE_PARK, nullptr);
    EXPECT_EQ(ring.Now(), Completion(9, EFAULT));
    test.Say('e');
    test.Await('r');
    // RUN came before, and is forgotten then.
    const lh_device_park park = ParkOnNothing();
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(ring.Now(), Completion(1, 0));
    ring.Call(2, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_FALSE(ring.Now().has_value());
    test.Say('p');
    EXPECT_EQ(ring.Wait(), Completion(2, 0));
  });
  ASSERT_TRUE(child->Says('e'));
  EXPECT_EQ(Wake(), LH_ANSWER_EARLY);
  child->Say('r');
  ASSERT_TRUE(child->Says('p'));
  EXPECT_EQ(Wake(), LH_ANSWER_DONE);
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, CancelEndsThoseOnAWordOrAll) {
  const auto child = Attached([](const Parent&, Device& device) {
    CommandRing ring;
    const std::uint64_t words[3] = {5, 5, 5};
    const auto at = [&words](int word) {
      return reinterpret_cast<std::uintptr_t>(&words[word]);
    };
    for (int number = 0; number < 3; ++number) {
      const lh_device_park park = {at(number), 5, 0, 1, 0};
      ring.Call(static_cast<std::uint64_t>(number), device.file(),
                LH_DEVICE_PARK, &park);
    }
    lh_device_cancel cancel = {at(1), 1, 0};
    EXPECT_EQ(Call(device.file(), LH_DEVICE_CANCEL, &cancel), 0);
    EXPECT_EQ(ring.Wait(), Completion(1, ECANCELED));
    EXPECT_EQ(Call(device.file(), LH_DEVICE_CANCEL, &cancel), ENOENT);
    EXPECT_FALSE(ring.Now().has_value());
    cancel.word = 0;
    ring.Call(9, device.file(), LH_DEVICE_CANCEL, &cancel);
    EXPECT_EQ(ring.Wait(), Completion(9, 0));
    EXPECT_EQ(ring.Wait(), Completion(0, ECANCELED));
    EXPECT_EQ(ring.Wait(), Completion(2, ECANCELED));
    ring.Call(9, device.file(), LH_DEVICE_CANCEL, &cancel);
    EXPECT_EQ(ring.Wait(), Completion(9, ENOENT));
    cancel.endpoint = device.attached().endpoints;
    EXPECT_EQ(Call(device.file(), LH_DEVICE_CANCEL, &cancel), EINVAL);
    cancel = {0, 1, 1};
    EXPECT_EQ(Call(device.file(), LH_DEVICE_CANCEL, &cancel), EINVAL);
  });
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, AnEndpointHasRoomForSoMany) {
  const auto child = Attached([](const Parent&, Device& device) {
    std::vector<std::unique_ptr<CommandRing>> rings;
    const lh_device_park park = ParkOnNothing();
    for (int number = 0; number < 256; ++number) {
      if (number % 8 == 0) rings.push_back(std::make_unique<CommandRing>());
      rings.back()->Call(1, device.file(), LH_DEVICE_PARK, &park);
      EXPECT_FALSE(rings.back()->Now().has_value());
    }
    CommandRing last;
    last.Call(1, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(last.Now(), Completion(1, ENOBUFS));
    lh_device_cancel cancel = {0, 0, 0};
    EXPECT_EQ(Call(device.file(), LH_DEVICE_CANCEL, &cancel), 0);
    for (int number = 0; number < 256; ++number) {
      EXPECT_EQ(rings[static_cast<std::size_t>(number) / 8]->Wait(),
                Completion(1, ECANCELED));
    }
    last.Call(1, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_FALSE(last.Now().has_value());
  });
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, OtherCallsThatItMayHave) {
  const auto child = Attached([](const Parent&, Device& device) {
    CommandRing ring;
    lh_device_info info = {};
    ring.Call(1, device.file(), LH_DEVICE_INFO, &info);
    EXPECT_EQ(ring.Wait(), Completion(1, 0));
    EXPECT_EQ(info.status, __u32{LH_STATUS_READY});
    EXPECT_EQ(info.processes, 1U);
    ring.Call(2, device.file(), LH_DEVICE_RING, nullptr);
    EXPECT_EQ(ring.Wait(), Completion(2, 0));
    lh_device_attach attach = {};
    lh_device_bind bind = {};
    for (const unsigned call :
         {unsigned{LH_DEVICE_ATTACH}, unsigned{LH_DEVICE_BIND},
          unsigned{LH_DEVICE_UNBIND}, 77U}) {
      const void* const argument =
          call == LH_DEVICE_ATTACH ? static_cast<void*>(&attach) : &bind;
      ring.Call(3, device.file(), call, argument);
      EXPECT_EQ(ring.Wait(), Completion(3, EOPNOTSUPP));
    }
  });
  nic_->Next(LH_NIC_EVENT_RING);
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, NotByPollingForCompletions) {
  const auto child = Attached([](const Parent&, Device& device) {
    CommandRing ring(IORING_SETUP_IOPOLL);
    const lh_device_park park = ParkOnNothing();
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(ring.Now(), Completion(1, EOPNOTSUPP));
  });
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, NotForAnotherProcess) {
  const auto child = Attached([](const Parent&, Device& device) {
    CommandRing ring;
    const pid_t other = fork();
    if (other == 0) {
      const lh_device_park park = ParkOnNothing();
      lh_device_info info = {};
      ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
      const bool first = ring.Wait() == Completion(1, EPERM);
      ring.Call(2, device.file(), LH_DEVICE_PARK, &park, IOSQE_ASYNC);
      const bool second = ring.Wait() == Completion(2, EPERM);
      ring.Call(3, device.file(), LH_DEVICE_INFO, &info, IOSQE_ASYNC);
      _exit(first && second && ring.Wait() == Completion(3, EPERM) ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
  });
  EXPECT_TRUE(child->EndsWell());
}

// What the scheduler has to do with it.
class UringBound : public Uring {};

TEST_F(UringBound, WaitsWhereNobodyIs) {
  const auto child = Attached([](const Parent& test, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    // What RUN does takes locks that may sleep on other kernels.
    CommandRing ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    ring.Signal(eventfd(0, EFD_CLOEXEC));
    lh_device_park park = ParkOnNothing(0);
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(ring.Wait(), Completion(1, EBUSY));
    park = ParkOnNothing(1);
    ring.Call(2, device.file(), LH_DEVICE_PARK, &park);
    test.Say('p');
    EXPECT_EQ(ring.Wait(), Completion(2, 0));
  });
  // By a kernel channel: that is, with the scheduler's lock held.
  ASSERT_TRUE(child->Says('p'));
  nic_->Command(0, nic_->Run(part_, 1));
  const std::optional<nic::KernelAnswer> answer = nic_->CommandAnswer(0);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code, __u64{LH_ANSWER_DONE});
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, TheNicGoes) {
  const auto child = Attached(ParksUntil(ENODEV));
  ASSERT_TRUE(child->Says('p'));
  nic_->Close();
  ASSERT_TRUE(child->Says('d'));
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Uring, TheDeviceIsUnbound) {
  const auto child = Attached(ParksUntil(ENODEV));
  ASSERT_TRUE(child->Says('p'));
  ASSERT_TRUE(Unbind());
  ASSERT_TRUE(child->Says('d'));
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
  nic_->Close();
  ASSERT_TRUE(Bind());
}

TEST_F(Uring, ThePartIsUnmapped) {
  const auto child = Attached([](const Parent&, Device& device) {
    CommandRing ring;
    const lh_device_park park = ParkOnNothing();
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    device.Unmap();
    EXPECT_EQ(ring.Wait(), Completion(1, ENOTCONN));
    ring.Call(2, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(ring.Wait(), Completion(2, ENOTCONN));
  });
  EXPECT_TRUE(child->EndsWell());
  ExpectLeft();
}

TEST_F(Uring, ExecEndsIt) {
  const auto child = Attached([](const Parent&, Device& device) {
    CommandRing ring;
    const lh_device_park park = ParkOnNothing();
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    execl("/bin/sleep", "sleep", "1000", nullptr);
  });
  ExpectLeft();
  child->Kill();
}

}  // namespace
}  // namespace lauberhorn::kmod
