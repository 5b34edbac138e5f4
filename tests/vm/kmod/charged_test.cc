// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory of a process's part is its cgroup's: where the kernel accounts for
// that, which that of the daily tests does not.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

constexpr char kGroup[] = "/sys/fs/cgroup/charged";
constexpr std::int64_t kPart = 4 << 20;
// Less than a part: what CPUs keep of a cgroup's memory for a while.
constexpr std::int64_t kSlack = 1 << 20;

void Write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  EXPECT_TRUE(file.good()) << path;
}

std::int64_t Current() {
  std::int64_t bytes = -1;
  std::ifstream(std::string(kGroup) + "/memory.current") >> bytes;
  return bytes;
}

class Charged : public ::testing::Test {
 protected:
  Charged() {
    Write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
    EXPECT_EQ(mkdir(kGroup, 0755), 0);
    NicOptions options;
    options.part_size = kPart;
    nic_ = Nic::Started(options);
  }
  ~Charged() override {
    EXPECT_TRUE(Eventually([] { return rmdir(kGroup) == 0; }));
  }

  std::unique_ptr<Nic> nic_;
};

void Join() {
  Write(std::string(kGroup) + "/cgroup.procs", std::to_string(getpid()));
}

TEST_F(Charged, APartIsItsProcesss) {
  Child child([](const Parent& test) {
    Join();
    Device device;
    test.Say('j');
    test.Await('a');
    EXPECT_EQ(device.Attach(), 0);
    test.Say('a');
    test.Await('q');
  });
  ASSERT_TRUE(child.Says('j'));
  const std::int64_t before = Current();
  child.Say('a');
  const Part part = nic_->Accept();
  ASSERT_TRUE(child.Says('a'));
  EXPECT_GE(Current(), before + kPart - kSlack);
  EXPECT_LE(Current(), before + kPart + kSlack);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  // The process is gone, and the NIC has it still.
  EXPECT_GE(Current(), kPart - kSlack);
  EXPECT_EQ(nic_->End(nic_->Next(LH_NIC_EVENT_LEFT)), 0);
  nic_->Forget(part.event);
  EXPECT_TRUE(Eventually([] { return Current() < kSlack; })) << Current();
}

TEST_F(Charged, WhoMayNotHaveSoMuchIsRefused) {
  Write(std::string(kGroup) + "/memory.max", std::to_string(kPart));
  Write(std::string(kGroup) + "/memory.oom.group", "0");
  Child child([](const Parent&) {
    Join();
    Device device;
    EXPECT_EQ(device.Attach(), ENOMEM);
  });
  EXPECT_TRUE(child.EndsWell());
  EXPECT_TRUE(nic_->Quiet());
}

}  // namespace
}  // namespace lauberhorn::kmod
