# SPDX-FileCopyrightText: The Lauberhorn authors
# SPDX-License-Identifier: Apache-2.0
"""What the kernel executes for an RPC, instruction by instruction, from the log of QEMU.

A server calls an instruction of its own, a mark, where each handler begins. What its
processor executes in the kernel from there to the next mark is one round: the reply, all
until the thread sleeps, what its processor does while nobody asks, and the next request,
up to its handler.

An idle processor that looks for a command does so until one comes, however long that
takes. The instructions of that loop are counted once in a round, as are those that a
processor repeats by itself; what the others are is kept as `looked`.
"""

import bisect
import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

import execution_log

# As in tests/vm/rpc/rpc_cost.cc: one for each way that a request comes. The first one
# follows each of the others, and begins nothing.
MARKS, MARK_COUNT = 1 << 40, 16
KERNEL = 1 << 63
RANGES = f"{KERNEL:#x}..{(1 << 64) - 1:#x},{MARKS:#x}+{MARK_COUNT}"

# Where an idle processor looks for a command, by whatever name the compiler gave it.
LOOKS = re.compile(r"lh_look(\.\w+)*")
SYMBOL = re.compile(r"^([0-9a-f]+) [tTwW] (\S+)(?:\t\[(\w+)\])?$", re.M)


class Symbols:
    """Functions of a kernel and its modules, from its /proc/kallsyms."""

    def __init__(self, text):
        found = sorted((int(address, 16), f"{name} [{module}]" if module else name)
                       for address, name, module in SYMBOL.findall(text))
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]

    def function_at(self, address):
        at = bisect.bisect_right(self.addresses, address)
        return self.names[at - 1] if at else "?"


@dataclass
class Round:
    """By function, the instructions that were counted."""
    functions: Counter = field(default_factory=Counter)
    looked: int = 0

    @property
    def instructions(self):
        return self.functions.total()


class Processor(execution_log.Processor):

    def __init__(self, trace):
        self.trace = trace
        self.way = None  # in which the request came that was begun last
        self.now = array("Q")

    def begin(self, address):
        if MARKS < address < MARKS + MARK_COUNT:
            way, self.way = self.way, address - MARKS
            if way == self.way:
                self.trace.add(way, self.now)
            self.now = array("Q")
        elif self.way is not None and address != MARKS:
            self.now.append(address)


class Trace(execution_log.Log):
    """The rounds of a log, by the way in which both of their requests came."""

    def __init__(self, symbols=None):
        super().__init__(lambda: Processor(self))
        self.symbols = symbols  # are needed when a round ends
        self.rounds = {}

    def add(self, way, addresses):
        found = Round()
        for address, times in Counter(addresses).items():
            function = self.symbols.function_at(address)
            if LOOKS.fullmatch(function):
                found.looked += times - 1
                times = 1
            found.functions[function] += times
        self.rounds.setdefault(way, []).append(found)

    def median(self, way, what=lambda each: each.instructions):
        """Of the rounds of a way; None if there are none."""
        rounds = self.rounds.get(way)
        return median(map(what, rounds)) if rounds else None

    def functions(self, way):
        """(function, median of its instructions) of those that most rounds call, the
        largest first."""
        names = {name for each in self.rounds.get(way, ()) for name in each.functions}
        found = [(name, self.median(way, lambda each: each.functions[name]))
                 for name in names]
        return sorted((each for each in found if each[1]),
                      key=lambda each: (-each[1], each[0]))
