# SPDX-FileCopyrightText: The Lauberhorn authors
# SPDX-License-Identifier: Apache-2.0
"""What hooks do, instruction by instruction, from the log of QEMU."""

from collections import Counter
from dataclasses import dataclass, field

import execution_log
import hook_sites

OPTIONS = ("-singlestep -d exec,nochain -D {log} -dfilter {ranges} "
           "-trace enable=memory_region_ops_write -device edu")

# The registers of QEMU's edu device, and where tests/vm/modules/cost has the memory
# of its device there: of CPU 1, the line, and the word of an endpoint.
DEVICE = "edu-mmio"
REGISTERS = 1 << 20
STRIDE, LINE_BYTES = 640, 128
LINE = 0x1000
ENDPOINT_WORDS = 0x2000
RING = range(16, 48)

# Kinds of what a hook does: nothing; look at a pointer that is NULL; look at the word
# as well; store another word of the endpoint, of the CPU, or of a CPU that a bound
# thread leaves. And apart from words: ask whether a thread only waits; what it does about
# a CPU that has become idle, or about an interrupt.
ORDER = ("off", "tested", "waiter", "unchanged", "endpoint", "changed", "left", "idle",
         "kick")


def ranges(kernel, sites):
    """What QEMU is to log, in the form of -dfilter."""
    found = [(site.address, 1) for site in sites]
    found += [(site.block[0].address,
               site.block[-1].address - site.block[0].address + 1)
              for site in sites]
    found += kernel.functions()
    found += [(address, 1) for address in kernel.begins()]
    return ",".join(f"{start:#x}+{size:#x}" for start, size in found)


@dataclass
class Run:
    """One execution of a hook."""
    site: hook_sites.Site
    instructions: int = 0  # without the no-op, which is a jump now
    called: bool = False
    stores: list = field(default_factory=list)  # offsets in the registers

    @property
    def kind(self):
        if not self.called:
            return "tested" if self.instructions else "off"
        if self.site.purpose != "word":
            return self.site.purpose
        if not self.stores:
            return "unchanged"
        if any(offset in RING for offset in self.line_stores()):
            return "left"
        return "changed" if self.line_stores() else "endpoint"

    def line_stores(self):
        """Offsets in the CPU's line."""
        return [(offset - LINE) % STRIDE for offset in self.stores
                if offset < ENDPOINT_WORDS]

    def in_one_line(self):
        """Whether all that is stored is in the line of one CPU."""
        return (max(self.stores) < ENDPOINT_WORDS and
                max(self.line_stores()) < LINE_BYTES and
                len({(offset - LINE) // STRIDE for offset in self.stores}) == 1)


@dataclass
class Pass:
    """A wake-up or a switch, with its hooks."""
    kind: str
    runs: list = field(default_factory=list)

    @property
    def instructions(self):
        return sum(run.instructions for run in self.runs)


class Processor(execution_log.Processor):
    """What one processor of the guest did."""

    def __init__(self, trace):
        self.trace = trace
        self.now = Pass("none")
        self.run = None  # the hook that it is in
        self.may_call = False

    def begin(self, address):
        trace = self.trace
        if address in trace.begins:
            self.now, self.run = Pass(trace.begins[address]), None
            trace.passes.append(self.now)
        elif address in trace.sites:
            self.run = Run(trace.sites[address])
            self.now.runs.append(self.run)
            trace.runs.append(self.run)
            self.may_call = False
        elif self.run is None:
            return
        elif found := trace.blocks[self.run.site.address].get(address):
            self.run.instructions += 1
            self.may_call = found.calls()
        elif self.may_call:
            self.run.instructions += 1
            self.run.called = True

    def store(self, device, address):
        if device == DEVICE and self.run is not None and self.may_call:
            self.run.stores.append(address % REGISTERS)


class Trace(execution_log.Log):
    """All of a log."""

    def __init__(self, sites, begins):
        super().__init__(lambda: Processor(self))
        self.sites = {site.address: site for site in sites}
        self.blocks = {site.address: {each.address: each for each in site.block}
                       for site in sites}
        self.begins = begins
        self.runs, self.passes = [], []

    def usual(self, kind, by=lambda site: site.function):
        """By function, or what else of a site: the most frequent number of
        instructions of a hook there that was of this kind, and how many were."""
        counts = {}
        for run in self.runs:
            if run.kind == kind:
                counts.setdefault(by(run.site), Counter())[
                    run.instructions] += 1
        return {place: (counter.most_common(1)[0][0], counter.total())
                for place, counter in counts.items()}

    def usual_pass(self, kind, worst):
        """The most frequent (hooks, instructions) of wake-ups or switches with a
        hook of the kind `worst` (off, tested or unchanged), and none that does more.
        One hook of a word alone is that of a switch from a thread that does not
        sleep."""
        counter = Counter()
        for each in self.passes:
            kinds = [ORDER.index(run.kind) for run in each.runs]
            words = sum(run.site.purpose == "word" for run in each.runs)
            if (each.kind == kind and words > 1 and
                    max(kinds) == ORDER.index(worst)):
                counter[len(kinds), each.instructions] += 1
        return counter.most_common(1)[0][0] if counter else (0, 0)
