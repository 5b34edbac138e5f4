// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The distribution of latencies as text; see latency.h.
#include "latency.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int kBarsPerDoubling = 4;
constexpr int kWidth = 50;

// The bar that a value belongs to, and where a bar begins.
int BarOf(std::int64_t nanoseconds) {
  return static_cast<int>(std::floor(
      std::log2(static_cast<double>(std::max<std::int64_t>(nanoseconds, 1))) *
      kBarsPerDoubling));
}
std::int64_t BeginOf(int bar) {
  return static_cast<std::int64_t>(
      std::exp2(static_cast<double>(bar) / kBarsPerDoubling));
}

std::string Format(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

}  // namespace

std::string ReadableTime(std::int64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  if (value < 1e3) return Format("%.0f ns", value);
  if (value < 1e6) return Format("%.1f us", value / 1e3);
  if (value < 1e9) return Format("%.2f ms", value / 1e6);
  return Format("%.2f s", value / 1e9);
}

Latencies::Latencies(std::vector<std::int64_t> nanoseconds)
    : sorted_(std::move(nanoseconds)) {
  std::sort(sorted_.begin(), sorted_.end());
}

std::int64_t Latencies::Quantile(double share) const {
  const double rank = std::ceil(share * static_cast<double>(sorted_.size()));
  const auto index = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return sorted_[std::min(index, sorted_.size() - 1)];
}

std::string Latencies::Figures() const {
  const std::pair<const char*, double> figures[] = {
      {"min", 0},    {"p50", 0.5},     {"p90", 0.9},
      {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
  std::string text;
  for (const auto& [name, share] : figures) {
    char line[64];
    std::snprintf(line, sizeof(line), "  %-6s %10s\n", name,
                  ReadableTime(Quantile(share)).c_str());
    text += line;
  }
  return text;
}

std::string Latencies::Histogram() const {
  const int first = BarOf(sorted_.front());
  const int last = BarOf(sorted_.back());
  std::vector<std::size_t> counts(static_cast<std::size_t>(last - first) + 1);
  for (const std::int64_t value : sorted_) {
    ++counts[static_cast<std::size_t>(BarOf(value) - first)];
  }
  const std::size_t highest = *std::max_element(counts.begin(), counts.end());
  std::string text;
  std::size_t empty = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) {
      ++empty;
      continue;
    }
    if (empty > 0) text += "         ...\n";
    empty = 0;
    // What happened at least once shows.
    const std::size_t width = (counts[i] * kWidth + highest - 1) / highest;
    char line[64];
    std::snprintf(line, sizeof(line), "%10s | ",
                  ReadableTime(BeginOf(first + static_cast<int>(i))).c_str());
    text +=
        line + std::string(width, '#') + ' ' + std::to_string(counts[i]) + '\n';
  }
  return text;
}
