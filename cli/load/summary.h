// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/summary.h
//
// What a load found, as text, as a row of CSV, and as the percentiles that
// HdrHistogram's tools read.
#ifndef LAUBERHORN_CLI_LOAD_SUMMARY_H_
#define LAUBERHORN_CLI_LOAD_SUMMARY_H_

#include <cstddef>
#include <string>

#include "cli/load/histogram.h"
#include "cli/load/load_run.h"

namespace lauberhorn::cli {

// What was measured, for who reads it later.
struct LoadTitle {
  std::string target;
  std::string method;
  std::size_t body_size = 0;
  LoadOptions load;
};

// "closed loop, 8 at once", "10000 calls per second, poisson".
std::string DescribeLoad(const LoadOptions& load);

// Some lines for a person.
std::string SummaryText(const LoadTitle& title, const LoadResult& result);

// A line of names and a line of values.
std::string SummaryCsv(const LoadTitle& title, const LoadResult& result);

// The distribution of latencies in microseconds, as HdrHistogram's
// outputPercentileDistribution() writes it, five lines for each half of what
// is left.
std::string PercentileDistribution(const Histogram& latencies);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_SUMMARY_H_
