// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lauberhorn::bench {

Range RangeOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const std::size_t at =
      std::min(values.size(), static_cast<std::size_t>(std::max(rank, 1.0))) -
      1;
  std::nth_element(values.begin(),
                   values.begin() + static_cast<std::ptrdiff_t>(at),
                   values.end());
  return values[at];
}

std::string FigureLine(const std::string& name, double value,
                       const std::string& unit) {
  char digits[64];
  std::snprintf(digits, sizeof(digits), "%.4g", value);
  return "FIGURE " + name + " " + digits + " " + unit;
}

void PrintFigure(const std::string& name, double value,
                 const std::string& unit) {
  std::printf("%s\n", FigureLine(name, value, unit).c_str());
  std::fflush(stdout);
}

}  // namespace lauberhorn::bench
