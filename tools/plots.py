# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Line plots as SVG, with logarithmic axes; for tools/bench.

A Series is a name and points; one with an `open_end` goes on, out of the plot,
and ends in a cross. The legend has the order of the lines' right ends.
"""

import html
import math
from dataclasses import dataclass

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 210, 60, 62
FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"
GREY, LIGHT = "#555555", "#e4e4e4"

# One for each peer, whichever are measured: families share a hue, and are told
# apart by their dashes, too.
STYLES = {
    "lauberhorn": ("#d62728", ""),
    "lauberhorn-queue": ("#ff7f6e", "6 3"),
    "ring": ("#111111", ""),
    "eventfd": ("#8c564b", ""),
    "udp": ("#7f7f7f", ""),
    "grpc-sync-tcp": ("#1f77b4", ""),
    "grpc-sync-unix": ("#6baed6", "6 3"),
    "grpc-callback-tcp": ("#2ca02c", ""),
    "grpc-callback-unix": ("#74c476", "6 3"),
    "grpc-queue-tcp": ("#9467bd", ""),
    "grpc-queue-unix": ("#b99bd8", "6 3"),
    "capnproto-tcp": ("#e67e00", ""),
    "capnproto-unix": ("#f5b041", "6 3"),
}
OTHERS = ("#17a2a2", "#b5b500", "#ff69b4", "#5f3dc4")


def style(name, number):
    return STYLES.get(name, (OTHERS[number % len(OTHERS)], ""))


@dataclass(frozen=True)
class Series:
    name: str
    points: list
    open_end: bool = False


def text_of(value):
    """1000 as 1k, and no more digits than it has."""
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


class Axis:
    """From values to pixels, which begin and end at the first and last tick."""

    def __init__(self, title, start, end):
        self.title, self.start, self.end = title, start, end

    def place(self, value):
        share = ((self.scale(value) - self.scale(self.low))
                 / (self.scale(self.high) - self.scale(self.low)))
        return self.start + share * (self.end - self.start)

    def ticks(self):
        return [(value, text_of(value)) for value in self.labelled]


class Log(Axis):
    def __init__(self, title, start, end, values):
        super().__init__(title, start, end)
        first = math.floor(math.log10(min(values)) + 1e-9)
        last = math.ceil(math.log10(max(values)) - 1e-9)
        last = max(last, first + 1)
        self.low, self.high = 10.0 ** first, 10.0 ** last
        self.labelled = [10.0 ** power for power in range(first, last + 1)]
        if last - first <= 2:
            self.labelled = [step * power for power in self.labelled
                             for step in (1, 2, 5) if step * power <= self.high]

    def scale(self, value):
        return math.log10(value)


class Given(Axis):
    """Logarithmic, with the values themselves as ticks."""

    def __init__(self, title, start, end, values):
        super().__init__(title, start, end)
        self.labelled = sorted(set(values))
        self.low, self.high = self.labelled[0], self.labelled[-1]
        if self.low == self.high:
            self.high = 2 * self.low

    def scale(self, value):
        return math.log10(value)


class Percentiles(Axis):
    """Shares of calls; each step to the right is a tenth of what is left."""

    def __init__(self, title, start, end, values):
        super().__init__(title, start, end)
        nines = max(2, math.ceil(-math.log10(1 - max(values)) - 1e-9))
        self.low, self.high = 0, 1 - 10.0 ** -nines
        self.labelled = [0, 0.5] + [1 - 10.0 ** -power
                                    for power in range(1, nines + 1)]

    def scale(self, value):
        return -math.log10(1 - value)

    def ticks(self):
        return [(value, f"{100 * value:.10g} %") for value in self.labelled]


def text(x, y, words, size=12, anchor="middle", extra=""):
    return (f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' {FONT} "
            f"text-anchor='{anchor}' fill='{GREY}' {extra}>"
            f"{html.escape(words)}</text>")


def line(x1, y1, x2, y2, color):
    return (f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' "
            f"stroke='{color}'/>")


def grid(x, y):
    for value, words in x.ticks():
        at = x.place(value)
        yield line(at, y.start, at, y.end, LIGHT)
        yield text(at, y.start + 18, words)
    for value, words in y.ticks():
        at = y.place(value)
        yield line(x.start, at, x.end, at, LIGHT)
        yield text(x.start - 8, at + 4, words, anchor="end")
    yield line(x.start, y.start, x.end, y.start, GREY)
    yield line(x.start, y.start, x.start, y.end, GREY)
    yield text((x.start + x.end) / 2, y.start + 44, x.title, 13)
    middle = (y.start + y.end) / 2
    yield text(22, middle, y.title, 13,
               extra=f"transform='rotate(-90 22 {middle:.1f})'")


def curve(series, number, x, y, marks):
    color, dashes = style(series.name, number)
    places = [(x.place(a), y.place(b)) for a, b in series.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    width = 3 if series.name.startswith("lauberhorn") else 1.8
    yield (f"<polyline points='{path}' fill='none' stroke='{color}' "
           f"stroke-width='{width}' stroke-dasharray='{dashes}' "
           "stroke-linejoin='round'/>")
    for a, b in places if marks else ():
        yield f"<circle cx='{a:.1f}' cy='{b:.1f}' r='3' fill='{color}'/>"
    if series.open_end:
        a, b = places[-1]
        yield (f"<path d='M{a - 6:.1f} {b - 6:.1f} l12 12 m0 -12 l-12 12' "
               f"stroke='{color}' stroke-width='2.5'/>")


def legend(all_series):
    """In the order of the lines' right ends, from top to bottom."""
    order = sorted(range(len(all_series)),
                   key=lambda i: -all_series[i].points[-1][1])
    for row, number in enumerate(order):
        color, dashes = style(all_series[number].name, number)
        y = TOP + 10 + 22 * row
        x = WIDTH - RIGHT + 22
        yield (f"<line x1='{x}' y1='{y}' x2='{x + 30}' y2='{y}' "
               f"stroke='{color}' stroke-width='3' "
               f"stroke-dasharray='{dashes}'/>")
        yield text(x + 38, y + 4, all_series[number].name, 12, "start")


def plot(title, note, all_series, x_axis, y_axis, marks=True):
    """The text of an SVG file; none if there is nothing to plot. The axes are
    (class, title) and want values above zero; Percentiles, below one."""
    if not all_series:
        return ""
    x = x_axis[0](x_axis[1], LEFT, WIDTH - RIGHT,
                  [a for series in all_series for a, _ in series.points])
    y = y_axis[0](y_axis[1], HEIGHT - BOTTOM, TOP,
                  [b for series in all_series for _, b in series.points])
    body = [text(LEFT, 26, title, 16, "start", "font-weight='bold'"),
            text(LEFT, 46, note, 11.5, "start"), *grid(x, y)]
    # Ours last, above the others.
    order = sorted(range(len(all_series)),
                   key=lambda i: all_series[i].name.startswith("lauberhorn"))
    for number in order:
        body += curve(all_series[number], number, x, y, marks)
    body += legend(all_series)
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' "
            f"height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}'>\n"
            "<rect width='100%' height='100%' fill='white'/>\n"
            + "\n".join(body) + "\n</svg>\n")
