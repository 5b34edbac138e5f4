# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Results in KTAP, the form of the kernel's own tests (KUnit and kselftest)."""

import re

RESULT = re.compile(r"^( *)(not )?ok \d+ (?:- )?([\w.]+)(?: # (\w+))?")


class Results:
    """The names of the tests by what came of them."""

    def __init__(self):
        self.passed, self.failed, self.skipped, self.groups = [], [], [], []

    def add(self, found):
        _, failed, name, directive = found.groups()
        if failed:
            self.failed.append(name)
        elif directive == "SKIP":
            self.skipped.append(name)
        else:
            self.passed.append(name)


def parse(text):
    """The results in a text. What has subtests counts by these, and by itself only
    if it failed and none of them did."""
    results = Results()
    open_levels = []  # (indent, whether something failed there), of subtests
    for line in text.splitlines():
        found = RESULT.match(line)
        if not found:
            continue
        indent, failed = len(found[1]), bool(found[2])
        below = [bad for level, bad in open_levels if level > indent]
        open_levels = [level for level in open_levels if level[0] <= indent]
        open_levels.append((indent, failed))
        if below:
            results.groups.append(found[3])
        if not below or (failed and not any(below)):
            results.add(found)
    return results
