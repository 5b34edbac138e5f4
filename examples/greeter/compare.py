#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Puts the latencies of two libraries side by side: a table and two histograms.

The files are those of `greeter_client --csv`; several files of one library count
as one.
"""

import argparse
import csv
import math
import sys

BARS_PER_DOUBLING = 4
WIDTH = 28

QUANTILES = (("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99),
             ("p99.9", 0.999), ("max", 1.0))

# Ratios closer to 1 than this are called equal.
EQUAL = 1.05


def read(paths):
    """All latencies of the files, in nanoseconds, sorted."""
    values = []
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            values += [int(row["latency_ns"]) for row in csv.DictReader(file)]
    if not values:
        sys.exit(f"compare.py: no latencies in {' '.join(paths)}")
    return sorted(values)


def quantile(values, share):
    """The value that this share of the calls did not exceed."""
    return values[max(math.ceil(share * len(values)), 1) - 1]


def readable(nanoseconds):
    """A time with its unit."""
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "us"),
                                 (1e9, 1e6, "ms")):
        if nanoseconds < limit:
            return f"{nanoseconds / divisor:.1f} {unit}"
    return f"{nanoseconds / 1e9:.2f} s"


def verdict(faster_by):
    """How the first library compares to the second, in words."""
    if faster_by >= EQUAL:
        return f"{faster_by:.1f} times better"
    if faster_by <= 1 / EQUAL:
        return f"{1 / faster_by:.1f} times WORSE"
    return "equal"


def table(names, ours, theirs):
    """The lines of the table, and the rows in which the first one is worse."""
    rows = [(name, quantile(ours, share), quantile(theirs, share))
            for name, share in QUANTILES]
    lines = [f"{'':8} {names[0]:>12} {names[1]:>12}   {names[0]} is"]
    worse = []
    for name, mine, other in rows:
        words = verdict(other / mine)
        lines.append(f"{name:8} {readable(mine):>12} {readable(other):>12}   "
                     f"{words}")
        if "WORSE" in words:
            worse.append(name)
    rates = [len(values) * 1e9 / sum(values) for values in (ours, theirs)]
    words = verdict(rates[0] / rates[1])
    lines.append(f"{'calls/s':8} {rates[0]:>12.0f} {rates[1]:>12.0f}   {words}")
    if "WORSE" in words:
        worse.append("calls/s")
    return lines, worse


def bar_of(nanoseconds):
    """The number of the bar that a value belongs to."""
    return math.floor(math.log2(max(nanoseconds, 1)) * BARS_PER_DOUBLING)


def counts(values):
    """How many values belong to each bar."""
    result = {}
    for value in values:
        bar = bar_of(value)
        result[bar] = result.get(bar, 0) + 1
    return result


def histograms(names, ours, theirs):
    """The lines of both histograms; bars are shares of the calls, and what
    happened at least once shows."""
    mine, other = counts(ours), counts(theirs)
    highest = max(max(mine.values()) / len(ours),
                  max(other.values()) / len(theirs))

    def drawn(count, total):
        return "#" * math.ceil(count / total / highest * WIDTH)

    lines = [f"{'from':>10} | {names[0]:{WIDTH}} | {names[1]}"]
    last = None
    for bar in sorted(set(mine) | set(other)):
        if last is not None and bar != last + 1:
            lines.append(f"{'...':>10} | {'':{WIDTH}} |")
        last = bar
        begin = readable(2 ** (bar / BARS_PER_DOUBLING))
        line = (f"{begin:>10} | {drawn(mine.get(bar, 0), len(ours)):{WIDTH}} "
                f"| {drawn(other.get(bar, 0), len(theirs))}")
        lines.append(line.rstrip())
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", action="append", nargs="+", required=True,
                        metavar=("NAME", "FILE"),
                        help="a library and its files; give it twice")
    sets = parser.parse_args().csv
    if len(sets) != 2 or any(len(one) < 2 for one in sets):
        parser.error("--csv NAME FILE... is needed twice")
    names = [one[0] for one in sets]
    ours, theirs = (read(one[1:]) for one in sets)
    lines, worse = table(names, ours, theirs)
    print("\n".join(lines))
    print()
    print("\n".join(histograms(names, ours, theirs)))
    print()
    if worse:
        print(f"{names[0]} is worse than {names[1]} in: {', '.join(worse)}.")
    else:
        print(f"{names[0]} is worse than {names[1]} in no row.")


if __name__ == "__main__":
    main()
