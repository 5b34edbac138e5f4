// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Attaching: what a process gets, what it may map, and what it is refused.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

constexpr std::size_t kPage = 4096;

// A process that attaches and then does as `body` says.
template <typename Body>
std::unique_ptr<Child> Attached(const Body& body) {
  return std::make_unique<Child>([body](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Map(), 0);
    body(test, device);
  });
}

void Stay(const Parent& test, const Device&) { test.Await('q'); }

int MapError(int file, std::size_t size, int rights, int flags,
             std::uint64_t offset) {
  void* const at =
      mmap(nullptr, size, rights, flags, file, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return errno;
  munmap(at, size);
  return 0;
}

TEST(Attach, ProcessAndNicAreToldTheSame) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    const lh_device_attach first = device.attached();
    EXPECT_EQ(device.Attach(), 0);  // once more
    EXPECT_EQ(device.attached().process, first.process);
    EXPECT_EQ(write(test.socket(), &first, sizeof(first)),
              static_cast<ssize_t>(sizeof(first)));
    test.Await('q');
  });
  const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(event.pid, static_cast<__u32>(child.pid()));
  EXPECT_EQ(event.uid, 0U);
  EXPECT_EQ(event.flags, 0U);
  EXPECT_EQ(event.endpoints, nic->options().endpoints);
  EXPECT_EQ(event.first_endpoint, event.process * event.endpoints);
  nic->Accept(event);
  lh_device_attach told;
  ASSERT_EQ(read(child.socket(), &told, sizeof(told)),
            static_cast<ssize_t>(sizeof(told)));
  EXPECT_EQ(told.process, event.process);
  EXPECT_EQ(told.generation, event.generation);
  EXPECT_EQ(told.size, event.size);
  EXPECT_EQ(told.first_endpoint, event.first_endpoint);
  EXPECT_EQ(told.endpoints, event.endpoints);
  EXPECT_EQ(told.epoch, nic->attached().epoch);
  EXPECT_EQ(told.features, nic->features());
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
}

TEST(Attach, TheNicMayRefuse) {
  const auto nic = Nic::Started();
  Child child([](const Parent&) {
    Device device;
    EXPECT_EQ(device.Attach(), EACCES);
    EXPECT_EQ(device.Attach(), EACCES);
    EXPECT_EQ(device.Ring(), ENOTCONN);
  });
  const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(nic->Answer(event.process, event.generation, EACCES), 0);
  EXPECT_TRUE(child.EndsWell());
  EXPECT_TRUE(nic->Quiet());
}

TEST(Attach, AnswersThatNameNobodyAreRefused) {
  const auto nic = Nic::Started();
  EXPECT_EQ(nic->Answer(0, 1, 0), ENOENT);
  EXPECT_EQ(nic->Answer(~0U, 1, 0), ENOENT);
  EXPECT_EQ(nic->End(0, 1), ENOENT);
  EXPECT_EQ(nic->End(~0U, 1), ENOENT);
  const auto child = Attached(Stay);
  const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(nic->Answer(event.process, event.generation + 1, 0), ENOENT);
  EXPECT_EQ(nic->Answer(event.process, event.generation, 512), EINVAL);
  lh_nic_answer answer = {event.process, event.generation, 0, 1};
  EXPECT_EQ(Call(nic->file(), LH_NIC_ANSWER, &answer), EINVAL);
  EXPECT_EQ(nic->End(event), EBUSY);
  nic->Accept(event);
  EXPECT_EQ(nic->Answer(event.process, event.generation, 0), EALREADY);
  EXPECT_EQ(nic->End(event), EBUSY);
  EXPECT_EQ(nic->End(event.process, event.generation + 1), ENOENT);
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
  nic->Next(LH_NIC_EVENT_LEFT);
  EXPECT_EQ(nic->Answer(event.process, event.generation, 0), ENOTCONN);
  EXPECT_EQ(nic->End(event), 0);
  EXPECT_EQ(nic->End(event), ENOENT);
}

TEST(Attach, AProcessMapsItsOwnPartOnly) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent&, const Device& device) {
    const int file = device.file();
    const std::uint64_t size = device.attached().size;
    constexpr int kRead = PROT_READ;
    constexpr int kBoth = PROT_READ | PROT_WRITE;
    EXPECT_EQ(MapError(file, kPage, kRead, MAP_SHARED, 0), 0);
    EXPECT_EQ(MapError(file, kPage, kBoth, MAP_SHARED, size - kPage), 0);
    EXPECT_EQ(MapError(file, kPage, kBoth, MAP_SHARED, size), EINVAL);
    EXPECT_EQ(MapError(file, size, kBoth, MAP_SHARED, kPage), EINVAL);
    EXPECT_EQ(MapError(file, kPage, kRead, MAP_SHARED, 1ULL << 50), EINVAL);
    EXPECT_EQ(MapError(file, kPage, kRead, MAP_PRIVATE, 0), EINVAL);
    EXPECT_EQ(MapError(file, kPage, kBoth, MAP_PRIVATE, kPage), EINVAL);
    EXPECT_EQ(MapError(file, kPage, kBoth, MAP_SHARED, 0), EACCES);
    EXPECT_EQ(MapError(file, size, kBoth, MAP_SHARED, 0), EACCES);
    EXPECT_EQ(MapError(file, kPage, kRead | PROT_EXEC, MAP_SHARED, kPage),
              EACCES);
    // Nor later.
    EXPECT_EQ(mprotect(device.base(), kPage, kBoth), -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(mprotect(device.base() + kPage, size - kPage, kBoth | PROT_EXEC),
              -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(munmap(device.base() + kPage, kPage), -1);  // in part
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(madvise(device.base(), kPage, MADV_DOFORK), -1);
    EXPECT_EQ(mremap(device.base(), 0, kPage, MREMAP_MAYMOVE), MAP_FAILED);
  });
  nic->Accept();
  EXPECT_TRUE(child->EndsWell());
}

// As a whole it may be moved: it is the same mapping, and its end is the end.
TEST(Attach, AMappingMayMoveAndIsCountedOnce) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent&, Device& device) {
    const std::uint64_t size = device.attached().size;
    std::uint8_t* const before = device.base() + kPage;
    before[0] = 0x55;
    void* const there = mmap(nullptr, size - kPage, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(there, MAP_FAILED);
    EXPECT_EQ(
        mremap(before, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, there),
        MAP_FAILED);  // in part
    ASSERT_EQ(mremap(before, size - kPage, size - kPage,
                     MREMAP_MAYMOVE | MREMAP_FIXED, there),
              there);
    EXPECT_EQ(*static_cast<std::uint8_t*>(there), 0x55);
    device.Unmap();
    EXPECT_EQ(device.Ring(), 0);
    EXPECT_EQ(munmap(there, size - kPage), 0);
    EXPECT_EQ(device.Ring(), ENOTCONN);
  });
  nic->Accept();
  EXPECT_TRUE(child->EndsWell());
}

TEST(Attach, TheNicMapsWholePartsOnly) {
  const auto nic = Nic::Started();
  const std::uint64_t own = nic->attached().device_size;
  constexpr int kBoth = PROT_READ | PROT_WRITE;
  EXPECT_EQ(MapError(nic->file(), kPage, kBoth, MAP_SHARED, own), EINVAL);
  EXPECT_EQ(MapError(nic->file(), 2 * kPage, kBoth, MAP_SHARED, own - kPage),
            EINVAL);
  EXPECT_EQ(MapError(nic->file(), kPage, kBoth, MAP_SHARED, 1ULL << 50),
            EINVAL);
  EXPECT_EQ(MapError(nic->file(), kPage, PROT_READ, MAP_PRIVATE, 0), EINVAL);
  EXPECT_EQ(MapError(nic->file(), kPage, PROT_READ | PROT_EXEC, MAP_SHARED, 0),
            EACCES);
  const auto child = Attached(Stay);
  const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(MapError(nic->file(), event.size + kPage, kBoth, MAP_SHARED,
                     event.offset),
            EINVAL);
  nic->Accept(event);
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
  EXPECT_EQ(nic->End(nic->Next(LH_NIC_EVENT_LEFT)), 0);
  EXPECT_EQ(MapError(nic->file(), event.size, kBoth, MAP_SHARED, event.offset),
            EINVAL);
}

TEST(Attach, ArgumentsThatAreWrongAreRefused) {
  const auto nic = Nic::Started();
  Child child([](const Parent&) {
    Device device;
    lh_device_attach attach = {};
    attach.flags = 1;
    EXPECT_EQ(Call(device.file(), LH_DEVICE_ATTACH, &attach), EINVAL);
    attach.flags = 0;
    attach.reserved[1] = 1;
    EXPECT_EQ(Call(device.file(), LH_DEVICE_ATTACH, &attach), EINVAL);
    EXPECT_EQ(device.Attach(), 0);
    const std::uint64_t size = device.attached().size;
    for (lh_device_bind bind :
         {lh_device_bind{0, 1, 0}, lh_device_bind{0, 0, 8},
          lh_device_bind{0, 0, size}, lh_device_bind{0, 0, ~0xfffULL}}) {
      EXPECT_EQ(Call(device.file(), LH_DEVICE_BIND, &bind), EINVAL);
    }
    EXPECT_EQ(device.Bind(device.attached().endpoints), EINVAL);
    EXPECT_EQ(device.Bind(~0U), EINVAL);
    alignas(16) const std::uint64_t words[2] = {5, 5};
    const auto at = reinterpret_cast<std::uintptr_t>(words);
    const std::vector<std::pair<lh_device_park, int>> parks = {
        {{at, 5, 1, 0, 1}, EINVAL},
        {{at + 1, 5, 1, 0, 0}, EINVAL},
        {{at, 5, 1ULL << 63, 0, 0}, EINVAL},
        {{at, 5, 1, device.attached().endpoints, 0}, EINVAL},
        {{at, 5, 1, ~0U, 0}, EINVAL},
        {{8, 5, 1, 0, 0}, EFAULT},
        {{~0ULL - 7, 5, 1, 0, 0}, EFAULT},
        {{at, 6, 0, 0, 0}, 0},  // it is another
    };
    for (auto [park, error] : parks) {
      EXPECT_EQ(Call(device.file(), LH_DEVICE_PARK, &park), error);
    }
  });
  nic->Accept();
  EXPECT_TRUE(child.EndsWell());
}

TEST(Attach, TheMemoryOfTheNextIsEmpty) {
  const auto nic = Nic::Started();
  for (__u32 round = 1; round <= 3; ++round) {
    const auto child = Attached([](const Parent&, const Device& device) {
      std::fill(device.base() + kPage, device.base() + device.attached().size,
                0xa5);
    });
    const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
    EXPECT_EQ(event.process, 0U);
    EXPECT_EQ(event.generation, round);
    void* const at = mmap(nullptr, event.size, PROT_READ, MAP_SHARED,
                          nic->file(), static_cast<off_t>(event.offset));
    ASSERT_NE(at, MAP_FAILED);
    const auto* const bytes = static_cast<const std::uint8_t*>(at);
    EXPECT_EQ(std::count(bytes, bytes + event.size, 0),
              static_cast<std::ptrdiff_t>(event.size));
    munmap(at, event.size);
    nic->Accept(event);
    EXPECT_TRUE(child->EndsWell());
    EXPECT_EQ(nic->End(nic->Next(LH_NIC_EVENT_LEFT)), 0);
  }
}

}  // namespace
}  // namespace lauberhorn::kmod
