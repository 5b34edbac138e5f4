# SPDX-FileCopyrightText: The Lauberhorn authors
# SPDX-License-Identifier: Apache-2.0
"""The log in which QEMU writes each instruction that a guest executes.

It does with -singlestep -d exec,nochain, and -dfilter says of which addresses. With
-trace memory_region_ops_write each store to a device is in the same log.
"""

import re

EXECUTED = re.compile(r"^Trace (\d+): \S+ \[\w+/(\w+)/")
STORED = re.compile(r"memory_region_ops_write cpu (\d+) .*? addr 0x(\w+) .*"
                    r" name '(.*)'")


class Processor:
    """One processor of the guest."""

    last = None

    def execute(self, address):
        """An instruction. A store to a device ends what QEMU translates at once, and
        that may be begun again; one that repeats itself is one as well."""
        if address != self.last:
            self.last = address
            self.begin(address)

    def begin(self, address):
        raise NotImplementedError

    def store(self, device, address):
        """A store to a device."""


class Log:
    """All of a log, by processor."""

    def __init__(self, make_processor):
        self.make_processor = make_processor
        self.processors = {}

    def processor(self, number):
        if number not in self.processors:
            self.processors[number] = self.make_processor()
        return self.processors[number]

    def read(self, lines):
        for line in lines:
            if found := EXECUTED.match(line):
                self.processor(int(found[1])).execute(int(found[2], 16))
            elif found := STORED.search(line):
                self.processor(int(found[1])).store(found[3], int(found[2], 16))
        return self
