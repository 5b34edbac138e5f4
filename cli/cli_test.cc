// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// What the tool makes of the lines that a process answers.

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/process.h"
#include "cli/stat.h"
#include "cli/trace.h"

namespace lauberhorn::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ParseJsonTest, TellsErrorsApart) {
  EXPECT_EQ(ParseJson("{\"error\":\"no\"}").status().message(), "no");
  EXPECT_EQ(ParseJson("{\"a\":1").status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(ParseJson("[1,\"a\"]").ok());
}

google::protobuf::Struct Parsed(const std::string& json) {
  return ParseJson(json)->struct_value();
}

std::string ReportOf(int time_s, int calls) {
  const std::string count = std::to_string(calls);
  return "{\"pid\":7,\"program\":\"server\",\"time_ns\":" +
         std::to_string(time_s) +
         "000000000,\"counters\":{\"controls\":" + count +
         ",\"wakes\":0},\"serves\":[{\"name\":\"/a.A/Do\",\"ended\":" +
         "{\"OK\":" + count + ",\"UNAVAILABLE\":2},\"timed\":" + count +
         ",\"time_ns\":" + count + "000,\"longest_ns\":5000}],\"endpoints\":" +
         "[{\"endpoint\":3,\"held\":1,\"serve\":{\"delivered\":" + count +
         "}}]}";
}

TEST(StatTableTest, ShowsWhatWasCounted) {
  const std::string table = StatTable(Parsed(ReportOf(1, 10)), nullptr, false);
  EXPECT_THAT(table, HasSubstr("server, process 7\n"));
  EXPECT_THAT(table, ContainsRegex("controls +10  control commands\n"));
  EXPECT_THAT(table, Not(HasSubstr("wakes")));
  EXPECT_THAT(table, ContainsRegex("/a.A/Do +12 +2 +1.0 +5.0  UNAVAILABLE 2"));
  EXPECT_THAT(table, ContainsRegex("  3 +10 +0 +0 +1 "));
}

TEST(StatTableTest, ShowsRatesOfTwoReports) {
  const auto before = Parsed(ReportOf(1, 10));
  const std::string table = StatTable(Parsed(ReportOf(3, 50)), &before, true);
  EXPECT_THAT(table, HasSubstr("per second"));
  EXPECT_THAT(table, ContainsRegex("controls +20  "));
  EXPECT_THAT(table, ContainsRegex("wakes +0  "));
  EXPECT_THAT(table, ContainsRegex("/a.A/Do +20 +0 +1.0 "));
}

TEST(StatTableTest, TakesAnythingForAReport) {
  for (const char* const json :
       {"{}", "{\"counters\":[],\"serves\":7,\"endpoints\":{\"a\":null}}",
        "{\"serves\":[1],\"program\":\"\\u001b[31m\"}"}) {
    EXPECT_THAT(StatTable(Parsed(json), nullptr, true), Not(HasSubstr("\x1b")));
  }
}

TEST(ChromeTraceTest, MakesEventsOfTheStations) {
  ChromeTrace trace;
  for (const char* const line :
       {"[1000,\"packet_came\",\"0\",\"a\",-1,5]",
        "[1000,\"accepted\",\"10\",\"a\",-1,0]",
        "[2000,\"woken\",\"10\",\"a\",3,0]",
        "[5000,\"reply_collected\",\"10\",\"a\",3,0]",
        "[5000,\"replied\",\"10\",\"a\",3,0]",
        "[5000,\"replied\",\"99\",\"a\",3,0]",
        "{\"pid\":7,\"lost\":4,\"serves\":{\"a\":\"/a.A/Do\"}}"}) {
    ASSERT_TRUE(trace.Add(line).ok()) << line;
  }
  EXPECT_EQ(trace.records(), 6u);
  EXPECT_EQ(trace.lost(), 4);
  const std::string json = trace.Json();
  EXPECT_TRUE(ParseJson(json).ok()) << json;
  EXPECT_THAT(json, HasSubstr("{\"ph\":\"b\",\"name\":\"/a.A/Do\",\"ts\":1.000,"
                              "\"pid\":7,\"tid\":1,\"cat\":\"call\","
                              "\"id\":\"0x10\"}"));
  EXPECT_THAT(json,
              HasSubstr("{\"ph\":\"e\",\"name\":\"/a.A/Do\",\"ts\":5.000"));
  EXPECT_THAT(json, HasSubstr("{\"ph\":\"X\",\"name\":\"/a.A/Do\",\"ts\":2.000,"
                              "\"pid\":7,\"tid\":5,\"dur\":3.000"));
  EXPECT_THAT(json, HasSubstr("\"name\":\"endpoint 3\""));
  EXPECT_THAT(json, Not(HasSubstr("0x99"))) << "its beginning is not there";
}

TEST(ChromeTraceTest, RefusesWhatIsNoRecord) {
  ChromeTrace trace;
  EXPECT_FALSE(trace.Add("[1,2]").ok());
  EXPECT_FALSE(trace.Add("[").ok());
  EXPECT_FALSE(trace.Add("{\"error\":\"no\"}").ok());
  EXPECT_TRUE(ParseJson(trace.Json()).ok());
}

}  // namespace
}  // namespace lauberhorn::cli
