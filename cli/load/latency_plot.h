// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: cli/load/latency_plot.h
//
// A distribution of latencies as a picture.
#ifndef LAUBERHORN_CLI_LOAD_LATENCY_PLOT_H_
#define LAUBERHORN_CLI_LOAD_LATENCY_PLOT_H_

#include <string>

#include "cli/load/histogram.h"

namespace lauberhorn::cli {

// The text of an SVG file: latency over the share of calls that are not slower.
// Both axes are logarithmic; each step to the right is a tenth of the calls
// that are left. Without values, the title only.
std::string LatencyPlot(const std::string& title, const std::string& note,
                        const Histogram& latencies);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_LOAD_LATENCY_PLOT_H_
