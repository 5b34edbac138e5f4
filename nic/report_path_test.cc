// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/report_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace lauberhorn::nic {
namespace {

using ::testing::ElementsAre;

TEST(ReportPathTest, TheSessionsFolderComesFirst) {
  EXPECT_THAT(
      ReportFolders(1000, "/run/user/1000"),
      ElementsAre("/run/user/1000/lauberhorn", P_tmpdir "/lauberhorn-1000"));
  EXPECT_THAT(ReportFolders(0, ""), ElementsAre(P_tmpdir "/lauberhorn-0"));
  EXPECT_THAT(ReportFolders(0, "relative"),
              ElementsAre(P_tmpdir "/lauberhorn-0"));
}

TEST(ReportPathTest, NamesAreReadAsTheyAreWritten) {
  for (const int number : {1, 2, kMaxReportSockets}) {
    pid_t pid = 0;
    int read = 0;
    ASSERT_TRUE(ParseReportName(ReportName(4711, number), &pid, &read));
    EXPECT_EQ(pid, 4711);
    EXPECT_EQ(read, number);
  }
}

TEST(ReportPathTest, OtherNamesAreNone) {
  for (const char* const name :
       {"", ".sock", "a.sock", "0.sock", "-1.sock", "7", "7.socket", "07.sock",
        "+7.sock", " 7.sock", "7-.sock", "7-1.sock", "7-0.sock", "7-17.sock",
        "7-2-2.sock", "99999999999.sock"}) {
    pid_t pid;
    int number;
    EXPECT_FALSE(ParseReportName(name, &pid, &number)) << name;
  }
}

}  // namespace
}  // namespace lauberhorn::nic
