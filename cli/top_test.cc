// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// What `lauberhorn top` makes of reports.

#include "cli/top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "cli/process.h"

namespace lauberhorn::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

google::protobuf::Struct Parsed(const std::string& json) {
  return ParseJson(json)->struct_value();
}

std::string ReportOf(int pid, int time_s, int calls, const std::string& more) {
  return absl::StrCat(
      "{\"pid\":", pid, ",\"program\":\"server\",\"time_ns\":", time_s,
      "000000000,\"queued\":3,\"counters\":{\"calls_arrived\":", calls,
      ",\"calls_delivered\":", calls / 2,
      ",\"calls_delivered_wake\":", 2 * calls / 5, ",\"calls_run\":", calls / 4,
      ",\"calls_staged\":", calls / 10, "}", more, "}");
}

TEST(TopTest, SharesArePerPathAndAddUp) {
  const std::string screen = TopScreen(
      {{Parsed(ReportOf(7, 1, 0, "")), Parsed(ReportOf(7, 3, 200, ""))}});
  // 100 to threads awake; 80 to sleepers, 50 of them by RUN; 20 staged.
  EXPECT_THAT(screen, ContainsRegex(
                          "server\\(7\\) +100 +50 +25 +15 +10 +0 +3 +0 +0\n"));
}

TEST(TopTest, AFirstLookShowsAllThereWas) {
  EXPECT_THAT(TopScreen({{{}, Parsed(ReportOf(7, 3, 200, ""))}}),
              ContainsRegex("server\\(7\\) +200 "));
}

TEST(TopTest, CpusShowWhomTheyRun) {
  const std::string screen = TopScreen(
      {{{},
        Parsed(ReportOf(7, 3, 20, ",\"machine_cpus\":3,\"cpus\":{\"1\":4}"))},
       {{}, Parsed(ReportOf(8, 3, 90, ",\"machine_cpus\":3,\"cpus\":{}"))}});
  EXPECT_THAT(screen, HasSubstr("CPU 0   -\nCPU 1   server(7), endpoint 4\n"
                                "CPU 2   -\n"));
  EXPECT_LT(screen.find("server(8) "), screen.find("server(7) "))
      << "the busiest first";
}

TEST(TopTest, WithoutAKernelThereAreNoCpus) {
  EXPECT_THAT(TopScreen({{{}, Parsed(ReportOf(7, 3, 20, ""))}}),
              Not(HasSubstr("CPU")));
  EXPECT_THAT(TopScreen({}), HasSubstr("nobody"));
}

TEST(TopTest, NothingIsBelieved) {
  for (const char* const json :
       {"{}", "{\"counters\":7}", "{\"cpus\":{\"x\":\"y\",\"-1\":2}}",
        "{\"machine_cpus\":1e300,\"program\":\"\\u001b[2J\"}"}) {
    EXPECT_THAT(TopScreen({{{}, Parsed(json)}}), Not(HasSubstr("\033")));
  }
}

}  // namespace
}  // namespace lauberhorn::cli
