// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Children of processes that serve, and their files elsewhere: they have
// nothing of the parent's attachment, and do not disturb it.

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/host/device.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "librpc/kernel_device.h"
#include "tests/vm/serve/calls.h"
#include "tests/vm/serve/service.h"
#include "tests/vm/serve/shown.h"

namespace lauberhorn::serve {
namespace {

class Fork : public ::testing::Test {
 protected:
  // What came of a child of the service.
  int Child(const char* how) {
    const absl::StatusOr<std::string> reply =
        caller_.Call("Child", absl::StrCat(how, " ", other_.port()));
    int result = -1;
    EXPECT_TRUE(reply.ok() && absl::SimpleAtoi(*reply, &result))
        << how << ": " << reply.status();
    return result;
  }

  const Process nic_ = StartNic();
  Service service_{"parent"};
  Service other_{"other"};
  const std::shared_ptr<Runtime> runtime_ = OpenKernelRuntime();
  Caller caller_{runtime_, service_.port()};
};

TEST_F(Fork, ChildrenDoNotDisturbAServiceThatIsCalled) {
  Calls calls(runtime_, service_.port());
  const auto before = ShowAttachment(service_.process().pid());
  ASSERT_TRUE(before.has_value());
  for (const char* const how : {"exits", "execs", "calls", "vforks"}) {
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(Child(how), 0) << how;
      calls.AwaitMore();
    }
  }
  // It is the same attachment, and no other one is left.
  const auto after = ShowAttachment(service_.process().pid());
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->generation, before->generation);
  EXPECT_TRUE(DeviceComesToShow("processes", "3"));
  calls.End();
  EXPECT_EQ(calls.failed(), 0u);
  const Service::Counts counts = service_.End();
  EXPECT_EQ(counts.runs, calls.answered() + 12);
  EXPECT_EQ(counts.twice, 0u);
}

// The child is a caller of its own, and does not serve in the parent's place.
TEST_F(Fork, AChildThatLivesOnDoesNotServe) {
  const pid_t child = Child("stays");
  ASSERT_GT(child, 0);
  EXPECT_TRUE(DeviceComesToShow("processes", "4"));
  service_.process().Kill();
  EXPECT_TRUE(DeviceComesToShow("processes", "3"));
  for (int call = 0; call < 20; ++call) {
    EXPECT_TRUE(absl::IsUnavailable(caller_.Call("Echo", "x").status()));
    absl::SleepFor(absl::Milliseconds(100));
  }
  ASSERT_EQ(kill(child, SIGKILL), 0);
  EXPECT_TRUE(DeviceComesToShow("processes", "2"));
}

// Another program in the same process is another service.
TEST_F(Fork, AServiceThatExecsItselfServesAnew) {
  Outstanding call(runtime_, service_.port());
  call.Call("Exec", "");
  call.Join();
  service_.AwaitPort();
  EXPECT_TRUE(DeviceComesToShow("processes", "3"));
  Caller(runtime_, service_.port()).CallUntilAnswered("Echo", "x");
  EXPECT_EQ(service_.End().runs, 1u);
}

// A copy of another process's file of the device.
int FileOf(pid_t process) {
  const std::string files = absl::StrCat("/proc/", process, "/fd");
  for (const auto& file : std::filesystem::directory_iterator(files)) {
    std::error_code error;
    if (std::filesystem::read_symlink(file, error) != kKernelDevicePath) {
      continue;
    }
    const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
    const auto copy = static_cast<int>(
        syscall(SYS_pidfd_getfd, pidfd, std::stoi(file.path().filename()), 0));
    close(pidfd);
    return copy;
  }
  return -1;
}

void ExpectRefused(int file, unsigned long call, void* argument) {
  EXPECT_EQ(ioctl(file, call, argument), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(Fork, WhoHasTheFileHasNothing) {
  const int file = FileOf(service_.process().pid());
  ASSERT_GE(file, 0);
  alignas(8) std::uint64_t word = 5;
  lh_device_info info = {};
  lh_device_attach attach = {};
  lh_device_bind bind = {};
  lh_device_park park = {};
  park.word = reinterpret_cast<std::uintptr_t>(&word);
  park.parked = word;
  lh_device_cancel cancel = {};
  ExpectRefused(file, LH_DEVICE_INFO, &info);
  ExpectRefused(file, LH_DEVICE_ATTACH, &attach);
  ExpectRefused(file, LH_DEVICE_BIND, &bind);
  ExpectRefused(file, LH_DEVICE_UNBIND, nullptr);
  ExpectRefused(file, LH_DEVICE_PARK, &park);
  ExpectRefused(file, LH_DEVICE_RING, nullptr);
  ExpectRefused(file, LH_DEVICE_CANCEL, &cancel);
  for (const off_t page : {0, 4096}) {
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, page),
              MAP_FAILED);
    EXPECT_EQ(errno, EPERM);
  }
  EXPECT_EQ(*caller_.Call("Echo", "x"), "x");
  // Nor does it keep anything of the owner.
  service_.process().Kill();
  EXPECT_TRUE(DeviceComesToShow("processes", "2"));
  ExpectRefused(file, LH_DEVICE_INFO, &info);
  close(file);
}

}  // namespace
}  // namespace lauberhorn::serve
