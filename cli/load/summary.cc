// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/summary.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace lauberhorn::cli {
namespace {

struct Share {
  const char* name;
  const char* column;  // of CSV
  double share;
};
constexpr Share kShares[] = {{"p50", "p50_us", 0.5},
                             {"p90", "p90_us", 0.9},
                             {"p99", "p99_us", 0.99},
                             {"p99.9", "p999_us", 0.999}};

double Micros(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }

// 1.23, 12.3, 1234.
std::string Digits(double value) {
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  return absl::StrFormat("%.*f", decimals, value);
}

std::string LatencyLine(const char* name, const Histogram& latencies) {
  std::string line = absl::StrFormat("%-12s", name);
  for (const Share& share : kShares) {
    absl::StrAppendFormat(&line, "%s %s   ", share.name,
                          Digits(Micros(latencies.Percentile(share.share))));
  }
  absl::StrAppend(&line, "max ", Digits(Micros(latencies.max())), "   mean ",
                  Digits(latencies.mean() / 1e3), "\n");
  return line;
}

// "UNAVAILABLE 3; ABORTED 1": those that were.
std::string Errors(const LoadResult& result) {
  std::vector<std::string> errors;
  for (std::size_t code = 1; code < result.statuses.size(); ++code) {
    if (result.statuses[code] == 0) continue;
    errors.push_back(absl::StrCat(
        absl::StatusCodeToString(static_cast<absl::StatusCode>(code)), " ",
        result.statuses[code]));
  }
  return absl::StrJoin(errors, "; ");
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace

std::string DescribeLoad(const LoadOptions& load) {
  if (load.arrivals == Arrivals::kClosed) {
    return absl::StrCat("closed loop, ", load.outstanding, " at once");
  }
  return absl::StrFormat("%.10g calls per second, %s", load.rate,
                         NameOf(load.arrivals));
}

std::string SummaryText(const LoadTitle& title, const LoadResult& result) {
  const std::uint64_t measured = result.ok.count() + result.failed.count();
  std::string text =
      absl::StrCat(title.method, " at ", title.target, ", ", title.body_size,
                   " bytes each\n", DescribeLoad(title.load), "\n\n");
  absl::StrAppendFormat(&text, "%-12s%d measured, %d to warm up\n", "calls",
                        measured, result.unmeasured);
  absl::StrAppendFormat(&text, "%-12s%s for %.3f s\n", "RPC/s",
                        Digits(result.RatePerSecond()), result.seconds);
  absl::StrAppendFormat(&text, "%-12s%d", "errors", result.failed.count());
  if (result.failed.count() > 0) {
    absl::StrAppend(&text, ": ", Errors(result),
                    "\n            the first: ", result.first_error);
  }
  text += "\n";
  text += LatencyLine("latency us", result.ok);
  if (result.failed.count() > 0) {
    text += LatencyLine("  of errors", result.failed);
  }
  if (title.load.arrivals == Arrivals::kClosed) return text;
  text += LatencyLine("sent late", result.late);
  if (result.unsent > 0) {
    absl::StrAppendFormat(
        &text,
        "%-12s%d calls were due and never started: this rate is more than the "
        "server\n            or this machine can do, and latencies grow with "
        "the time\n",
        "not sent", result.unsent);
  }
  return text;
}

std::string SummaryCsv(const LoadTitle& title, const LoadResult& result) {
  std::string names =
      "target,method,body_bytes,arrivals,rate,outstanding,seconds,calls,"
      "warmup_calls,errors,unsent,rps,mean_us";
  std::string values = absl::StrCat(
      Quoted(title.target), ",", Quoted(title.method), ",", title.body_size,
      ",", NameOf(title.load.arrivals), ",", title.load.rate, ",",
      title.load.outstanding, ",", result.seconds, ",",
      result.ok.count() + result.failed.count(), ",", result.unmeasured, ",",
      result.failed.count(), ",", result.unsent, ",", result.RatePerSecond(),
      ",", result.ok.mean() / 1e3);
  for (const Share& share : kShares) {
    absl::StrAppend(&names, ",", share.column);
    absl::StrAppend(&values, ",", Micros(result.ok.Percentile(share.share)));
  }
  absl::StrAppend(&names, ",max_us,late_p99_us,errors_by_status\n");
  absl::StrAppend(&values, ",", Micros(result.ok.max()), ",",
                  Micros(result.late.Percentile(0.99)), ",",
                  Quoted(Errors(result)), "\n");
  return names + values;
}

std::string PercentileDistribution(const Histogram& latencies) {
  constexpr double kTicksPerHalf = 5;
  std::string text =
      absl::StrFormat("%12s %14s %10s %14s\n\n", "Value", "Percentile",
                      "TotalCount", "1/(1-Percentile)");
  double share = 0;
  while (latencies.count() > 0) {
    const std::uint64_t value = latencies.Percentile(share);
    const std::uint64_t count = latencies.CountUpTo(value);
    if (count == latencies.count()) break;
    absl::StrAppendFormat(&text, "%12.3f %2.12f %10d %14.2f\n", Micros(value),
                          share, count, 1 / (1 - share));
    // As many ticks again in each half of what is left.
    const double halves = std::floor(-std::log2(1 - share)) + 1;
    share += 1 / (kTicksPerHalf * std::exp2(halves));
  }
  if (latencies.count() > 0) {
    absl::StrAppendFormat(&text, "%12.3f %2.12f %10d\n",
                          Micros(latencies.max()), 1.0, latencies.count());
  }
  absl::StrAppendFormat(&text,
                        "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
                        "#[Max     = %12.3f, Total count    = %12d]\n"
                        "#[Buckets = %12d, SubBuckets     = %12d]\n",
                        latencies.mean() / 1e3,
                        latencies.StandardDeviation() / 1e3,
                        Micros(latencies.max()), latencies.count(),
                        Histogram::kPowers, Histogram::kPerPower);
  return text;
}

}  // namespace lauberhorn::cli
