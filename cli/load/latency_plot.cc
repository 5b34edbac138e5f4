// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/latency_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::cli {
namespace {

constexpr double kWidth = 900;
constexpr double kHeight = 520;
constexpr double kLeft = 80;
constexpr double kRight = 40;
constexpr double kTop = 70;
constexpr double kBottom = 62;

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}});
}

class Svg {
 public:
  Svg() {
    absl::StrAppendFormat(&text_,
                          "<svg xmlns='http://www.w3.org/2000/svg' "
                          "width='%.0f' height='%.0f' viewBox='0 0 %.0f %.0f' "
                          "font-family='DejaVu Sans, Helvetica, sans-serif' "
                          "fill='#555555'>\n<rect width='100%%' "
                          "height='100%%' fill='white'/>\n",
                          kWidth, kHeight, kWidth, kHeight);
  }

  void Text(double x, double y, int size, const char* anchor,
            absl::string_view words, absl::string_view more = "") {
    absl::StrAppendFormat(&text_,
                          "<text x='%.1f' y='%.1f' font-size='%d' "
                          "text-anchor='%s' %s>%s</text>\n",
                          x, y, size, anchor, more, Escaped(words));
  }

  void Line(double x1, double y1, double x2, double y2, const char* color) {
    absl::StrAppendFormat(&text_,
                          "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' "
                          "stroke='%s'/>\n",
                          x1, y1, x2, y2, color);
  }

  void Curve(const std::vector<std::pair<double, double>>& points) {
    text_ +=
        "<polyline fill='none' stroke='#d62728' stroke-width='2.5' points='";
    for (const auto& [x, y] : points) {
      absl::StrAppendFormat(&text_, "%.1f,%.1f ", x, y);
    }
    text_ += "'/>\n";
  }

  std::string Take() { return absl::StrCat(text_, "</svg>\n"); }

 private:
  std::string text_;
};

// Powers of ten from `first` to `last`, and where they are.
struct Axis {
  int first;
  int last;
  double start;
  double end;

  double Place(double power) const {
    return start + (power - first) / (last - first) * (end - start);
  }
};

double Us(std::uint64_t ns) {
  return static_cast<double>(std::max<std::uint64_t>(ns, 1)) / 1e3;
}

}  // namespace

std::string LatencyPlot(const std::string& title, const std::string& note,
                        const Histogram& latencies) {
  Svg svg;
  svg.Text(kLeft, 26, 16, "start", title, "font-weight='bold'");
  svg.Text(kLeft, 46, 12, "start", note);
  if (latencies.count() == 0) return svg.Take();

  const auto count = static_cast<double>(latencies.count());
  // A tenth of the calls, a hundredth: as far as there are calls.
  const int nines =
      std::max(2, static_cast<int>(std::ceil(std::log10(count) - 1e-9)));
  const Axis x = {0, nines, kLeft, kWidth - kRight};
  const int low =
      static_cast<int>(std::floor(std::log10(Us(latencies.Percentile(0)))));
  const int high =
      static_cast<int>(std::ceil(std::log10(Us(latencies.max())) - 1e-9));
  const Axis y = {low, std::max(high, low + 1), kHeight - kBottom, kTop};

  for (int power = x.first; power <= x.last; ++power) {
    const double at = x.Place(power);
    svg.Line(at, y.start, at, y.end, "#e4e4e4");
    svg.Text(at, y.start + 18, 12, "middle",
             absl::StrCat(100 * (1 - std::pow(10, -power)), " %"));
  }
  for (int power = y.first; power <= y.last; ++power) {
    const double at = y.Place(power);
    svg.Line(x.start, at, x.end, at, "#e4e4e4");
    svg.Text(x.start - 8, at + 4, 12, "end",
             absl::StrFormat("%g", std::pow(10, power)));
  }
  svg.Text((x.start + x.end) / 2, y.start + 44, 13, "middle",
           "share of calls that are not slower");
  const double middle = (y.start + y.end) / 2;
  svg.Text(22, middle, 13, "middle", "latency, us",
           absl::StrFormat("transform='rotate(-90 22 %.1f)'", middle));

  std::vector<std::pair<double, double>> points;
  const auto add = [&](double left, std::uint64_t ns) {
    points.emplace_back(x.Place(-std::log10(left)),
                        y.Place(std::log10(Us(ns))));
  };
  for (double left = 1; left * count > 1; left /= 1.1) {
    add(left, latencies.Percentile(1 - left));
  }
  add(1 / count, latencies.max());
  svg.Curve(points);
  return svg.Take();
}

}  // namespace lauberhorn::cli
