// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/statistics.h
//
// What benchmarks say about many values: the median and how far they reach, or
// a percentile; and the line that tools/figures reads.
//
// Thread-safety: functions of their arguments.
#ifndef LAUBERHORN_BENCH_STATISTICS_H_
#define LAUBERHORN_BENCH_STATISTICS_H_

#include <string>
#include <vector>

namespace lauberhorn::bench {

struct Range {
  double median = 0;
  double least = 0;
  double most = 0;
};

// All zero for no values.
Range RangeOf(std::vector<double> values);

// The value that `share` (0 to 1) of the values do not exceed; 0 for none.
double Percentile(std::vector<double> values, double share);

// "FIGURE <name> <value> <unit>" with four digits that count.
std::string FigureLine(const std::string& name, double value,
                       const std::string& unit);

// Prints that line.
void PrintFigure(const std::string& name, double value,
                 const std::string& unit);

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_STATISTICS_H_
