// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// What the doctor says of machines that are folders.

#include "cli/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/process.h"

namespace lauberhorn::cli {
namespace {

using ::testing::HasSubstr;

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest()
      : root_(absl::StrCat(::testing::TempDir(), "/doctor-", getpid())) {
    std::filesystem::remove_all(root_);
    Write("/proc/sys/kernel/osrelease", "6.12.1");
  }
  ~DoctorTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }

  void WriteDevice(const std::string& name, const std::string& status) {
    Write("/sys/kernel/lauberhorn/dispatch", "1");
    Write("/sys/kernel/lauberhorn/stalls", "0");
    Write("/sys/module/lauberhorn/version", "1");
    const std::string folder = "/sys/class/lauberhorn/" + name;
    Write(folder + "/abi", "1.0");
    Write(folder + "/status", status);
    Write(folder + "/features", "0x3");
    Write(folder + "/missing", "nothing");
    Write(folder + "/processes", "4");
    Write("/dev/" + name, "");
  }

  // What is said of a part; a finding without a part if nothing is.
  Finding Of(const std::string& part) {
    for (const Finding& finding : Diagnose(root_).findings) {
      if (finding.part == part) return finding;
    }
    return {};
  }

  const std::string root_;
};

TEST_F(DoctorTest, AStockMachineLacksKernelAndModule) {
  EXPECT_EQ(Of("kernel").state, Finding::kMissing);
  EXPECT_THAT(Of("kernel").what, HasSubstr("6.12.1, without"));
  EXPECT_EQ(Of("module").state, Finding::kMissing);
  EXPECT_THAT(Of("module").advice, HasSubstr("modprobe"));
  EXPECT_EQ(Of("stalls").part, "");
  EXPECT_EQ(Diagnose(root_).device, "");
  EXPECT_THAT(DiagnosisText(Diagnose(root_)), HasSubstr("embedded NIC"));
}

TEST_F(DoctorTest, HooksMayBeSwitchedOff) {
  Write("/sys/kernel/lauberhorn/dispatch", "0");
  EXPECT_EQ(Of("kernel").state, Finding::kMissing);
  EXPECT_THAT(Of("kernel").advice, HasSubstr("echo 1"));
  Write("/sys/kernel/lauberhorn/dispatch", "1");
  EXPECT_EQ(Of("kernel").state, Finding::kOk);
}

TEST_F(DoctorTest, StallsAreTold) {
  WriteDevice("lauberhorn0", "ready");
  EXPECT_EQ(Of("stalls").part, "");
  Write("/sys/kernel/lauberhorn/stalls", "3");
  EXPECT_EQ(Of("stalls").state, Finding::kWrong);
  EXPECT_THAT(Of("stalls").what, HasSubstr("3 times"));
}

TEST_F(DoctorTest, ADeviceNeedsANicOfThisVersion) {
  WriteDevice("lauberhorn0", "down");
  EXPECT_EQ(Of("lauberhorn0").state, Finding::kMissing);
  EXPECT_THAT(Of("lauberhorn0").advice, HasSubstr("lauberhornd"));
  WriteDevice("lauberhorn0", "ready");
  EXPECT_EQ(Of("lauberhorn0").state, Finding::kOk);
  EXPECT_THAT(Of("lauberhorn0").what, HasSubstr("4 processes; it sees"));
  Write("/sys/class/lauberhorn/lauberhorn0/missing", "CONFIG_X");
  EXPECT_THAT(Of("lauberhorn0").what, HasSubstr("tracepoints"));
  EXPECT_THAT(Of("lauberhorn0").what, HasSubstr("no CONFIG_X"));
  Write("/sys/class/lauberhorn/lauberhorn0/features", "0x0");
  EXPECT_THAT(Of("lauberhorn0").what, HasSubstr("does not see"));
  Write("/sys/class/lauberhorn/lauberhorn0/abi", "2.0");
  EXPECT_EQ(Of("lauberhorn0").state, Finding::kWrong);
}

// A file is no node: nothing can be asked.
TEST_F(DoctorTest, ANodeThatIsNoneIsWrong) {
  WriteDevice("lauberhorn0", "ready");
  EXPECT_EQ(Of("/dev/lauberhorn0").state, Finding::kWrong);
  std::filesystem::remove(root_ + "/dev/lauberhorn0");
  EXPECT_EQ(Of("/dev/lauberhorn0").state, Finding::kWrong);
  EXPECT_THAT(Of("/dev/lauberhorn0").what, HasSubstr("No such file"));
  EXPECT_EQ(Diagnose(root_).device, "");
}

TEST_F(DoctorTest, NodesOfNicsAreNoDevices) {
  WriteDevice("lauberhorn0", "ready");
  Write("/sys/class/lauberhorn/lauberhorn0-nic/dev", "1:1");
  EXPECT_EQ(Of("lauberhorn0-nic").part, "");
}

TEST_F(DoctorTest, JsonSaysTheSame) {
  const auto json = ParseJson(DiagnosisJson(Diagnose(root_)));
  ASSERT_TRUE(json.ok());
  const auto& fields = json->struct_value().fields();
  EXPECT_EQ(fields.at("device").string_value(), "embedded");
  EXPECT_EQ(fields.at("findings").list_value().values_size(), 3);
}

}  // namespace
}  // namespace lauberhorn::cli
