// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// What is written of a load: lines, a row, percentiles, a picture.

#include "cli/load/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "cli/load/latency_plot.h"

namespace lauberhorn::cli {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

LoadTitle Title(Arrivals arrivals) {
  return {"host:1", "/a.B/C", 12, {arrivals, 1e6, 8, 0, 2, 1}};
}

// 1 to 1,000 us.
Histogram Thousand() {
  Histogram histogram;
  for (std::uint64_t us = 1; us <= 1000; ++us) histogram.Add(us * 1000);
  return histogram;
}

LoadResult Result() {
  LoadResult result;
  result.ok = Thousand();
  result.ok_then = 990;
  result.seconds = 2;
  result.unmeasured = 5;
  result.statuses[0] = 1000;
  return result;
}

TEST(SummaryTextTest, SaysWhatAPersonAsks) {
  const std::string text = SummaryText(Title(Arrivals::kClosed), Result());
  EXPECT_THAT(text, StartsWith("/a.B/C at host:1, 12 bytes each\n"
                               "closed loop, 8 at once\n"));
  EXPECT_THAT(text, ContainsRegex("calls +1000 measured, 5 to warm up\n"));
  EXPECT_THAT(text, ContainsRegex("RPC/s +495 for 2.000 s\n"));
  EXPECT_THAT(text, ContainsRegex("errors +0\n"));
  EXPECT_THAT(text, ContainsRegex("p50 50. .*p99 99. .*max 1000 .*mean 50"));
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("sent late"), HasSubstr("not sent"))));
}

TEST(SummaryTextTest, ErrorsAndWhatWasNotSentAreThere) {
  LoadResult result = Result();
  result.failed.Add(7000);
  result.statuses[14] = 1;
  result.first_error = "UNAVAILABLE: gone";
  result.unsent = 33;
  const std::string text = SummaryText(Title(Arrivals::kPoisson), result);
  EXPECT_THAT(text, HasSubstr("1000000 calls per second, poisson\n"));
  EXPECT_THAT(text, ContainsRegex("errors +1: UNAVAILABLE 1\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("the first: UNAVAILABLE: gone\n"),
                          ContainsRegex("of errors +p50 7.0"),
                          ContainsRegex("sent late +p50 0.00"),
                          ContainsRegex("not sent +33 ")));
}

TEST(SummaryCsvTest, HasAValueForEachName) {
  LoadResult result = Result();
  result.statuses[14] = 3;
  result.statuses[10] = 2;
  const std::vector<std::string> lines =
      absl::StrSplit(SummaryCsv(Title(Arrivals::kFixed), result), '\n');
  ASSERT_EQ(lines.size(), 3u);
  const std::vector<std::string> names = absl::StrSplit(lines[0], ',');
  const std::vector<std::string> values = absl::StrSplit(lines[1], ',');
  ASSERT_EQ(names.size(), values.size());
  EXPECT_EQ(lines[2], "");
  const auto value = [&](const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return values[i];
    }
    return "no " + name;
  };
  EXPECT_EQ(value("method"), "\"/a.B/C\"");
  EXPECT_EQ(value("arrivals"), "fixed");
  EXPECT_EQ(value("calls"), "1000");
  EXPECT_EQ(value("rps"), "495");
  EXPECT_EQ(value("max_us"), "1000");
  EXPECT_EQ(value("errors_by_status"), "\"ABORTED 2; UNAVAILABLE 3\"");
}

TEST(PercentileDistributionTest, IsHdrHistograms) {
  const std::vector<std::string> lines =
      absl::StrSplit(PercentileDistribution(Thousand()), '\n');
  EXPECT_EQ(lines[0],
            "       Value     Percentile TotalCount 1/(1-Percentile)");
  EXPECT_EQ(lines[1], "");
  double last_value = 0;
  double last_share = -1;
  long last_count = 0;  // NOLINT(google-runtime-int): scanf's
  std::size_t at = 2;
  for (; lines[at][0] != '#'; ++at) {
    double value = 0;
    double share = 0;
    long count = 0;  // NOLINT(google-runtime-int)
    ASSERT_GE(
        std::sscanf(lines[at].c_str(), "%lf %lf %ld", &value, &share, &count),
        3)
        << lines[at];
    EXPECT_GE(value, last_value);
    EXPECT_GT(share, last_share);
    EXPECT_GE(count, last_count);
    // As many microseconds as calls, to one percent.
    EXPECT_NEAR(value, static_cast<double>(count), 0.01 * value + 1);
    EXPECT_GE(static_cast<double>(count), share * 1000);
    last_value = value;
    last_share = share;
    last_count = count;
  }
  EXPECT_EQ(last_value, 1000);
  EXPECT_EQ(last_share, 1);
  EXPECT_EQ(last_count, 1000);
  EXPECT_GT(at, 30u);
  EXPECT_EQ(lines[at],
            "#[Mean    =      500.500, StdDeviation   =      289.356]");
  EXPECT_EQ(lines[at + 1],
            "#[Max     =     1000.000, Total count    =         1000]");
}

TEST(PercentileDistributionTest, OfNothingIsWellFormed) {
  EXPECT_THAT(PercentileDistribution(Histogram()),
              AllOf(HasSubstr("Percentile"), HasSubstr("Total count")));
}

TEST(LatencyPlotTest, DrawsWhatThereIs) {
  const std::string svg = LatencyPlot("a < b", "it's", Thousand());
  EXPECT_THAT(svg, StartsWith("<svg xmlns='http://www.w3.org/2000/svg' "));
  EXPECT_THAT(svg, AllOf(HasSubstr("a &lt; b"), HasSubstr("it&#39;s"),
                         HasSubstr(">99.9 %<"), HasSubstr(">1000<"),
                         HasSubstr("<polyline"), HasSubstr("</svg>\n")));
  EXPECT_THAT(svg, Not(AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
}

TEST(LatencyPlotTest, OneCallAndNoneAreNoReasonToFail) {
  Histogram one;
  one.Add(0);
  for (const Histogram& latencies : {Histogram(), one}) {
    EXPECT_THAT(LatencyPlot("t", "n", latencies),
                Not(AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
  }
}

}  // namespace
}  // namespace lauberhorn::cli
