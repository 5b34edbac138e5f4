# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Finds in a kernel's log what must not be there.

A splat begins with a line that the kernel writes for this purpose only. Each has a
kind, which says what part of the kernel's self-checks spoke. A trace of calls that
belongs to no line known here is a splat of kind `unknown`: the list may be too
short, but nothing passes by it.
"""

import re
from dataclasses import dataclass

KINDS = {
    # Locks, by lockdep: orders, contexts, RCU.
    "lockdep": (
        r"WARNING: possible (circular|recursive|irq lock inversion)",
        r"WARNING: \S+-safe -> \S+-unsafe lock order detected",
        r"WARNING: (inconsistent lock state|bad unlock balance|held lock freed)",
        r"WARNING: (suspicious RCU usage|lock held when returning|[Nn]ested lock)",
        r"WARNING: \S+ still has locks held",
        r"\[ BUG: Invalid wait context \]",
        r"DEBUG_LOCKS_WARN_ON",
        r"INFO: trying to register non-static key",
        r"BUG: (MAX_\w+ too low|spinlock |rwlock |workqueue leaked|key \S+ has not)",
    ),
    # What may not be called here.
    "context": (
        r"BUG: sleeping function called from invalid context",
        r"BUG: (scheduling while atomic|scheduling in a non-blocking section)",
        r"BUG: assuming (atomic|non migratable) context",
        r"BUG: using \w+\(\) in preemptible",
        r"Voluntary context switch within RCU",
    ),
    # Memory used as it must not be.
    "memory": (
        r"BUG: (KFENCE|KASAN|KMSAN|KCSAN):",
        r"BUG: (Bad |non-zero pgtables_bytes)",
        r"BUG \S+ \(.*\): ",
        r"UBSAN: ",
        r"(list_add|list_del|rb_\w+) corruption",
        r"ODEBUG: ",
        r"refcount_t: ",
        r"corrupted stack end detected",
    ),
    # What the code asserts, and what the processor refuses.
    "bug": (
        r"WARNING: CPU: \d+ PID: \d+ at ",
        r"unchecked MSR access error",
        r"kernel BUG at ",
        r"BUG: (unable to handle|kernel NULL pointer|stack guard page)",
        r"(Oops|general protection fault|divide error|double fault|"
        r"stack segment|invalid opcode|traps: PANIC)\b.*: ",
        r"Kernel panic - not syncing",
    ),
    # What does not move.
    "stall": (
        r"rcu: INFO: \w+ (self-)?detected (expedited )?stalls?",
        r"INFO: task \S+ blocked (for more than|in I/O wait)",
        r"BUG: (soft lockup|workqueue lockup)",
        r"[Hh]ard LOCKUP",
        r"rcu: \w+ kthread (starved|timer wakeup)",
    ),
}
PATTERNS = [(kind, re.compile(pattern)) for kind, patterns in KINDS.items()
            for pattern in patterns]
# Whatever else the kernel calls a bug is one.
PATTERNS.append(("bug", re.compile(r"\bBUG: ")))
TRACE = re.compile(r"^(<TASK>|Call Trace:)")
# Time stamp, with or without the caller's name, and what the serial line adds.
PREFIX = re.compile(r"^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?)")
# How a report of a race ends, of which the kernel writes many, close together.
RACE = "BUG: KCSAN: "
END_OF_RACE = re.compile(r"^={10,}$")
# A report of lockdep may be some hundred lines long, and end with its trace.
REPORT_LINES = 300


@dataclass
class Splat:
    kind: str
    line: str
    number: int
    lines: list

    def __str__(self):
        return f"{self.kind}: {self.line}"


def kind_of(text):
    """The kind of a splat that this line begins, or None."""
    return next((kind for kind, pattern in PATTERNS if pattern.search(text)), None)


def without_prefix(line):
    """A line of the log as it was before it got its time."""
    return PREFIX.sub("", line)


def scan(text):
    """The splats of a log, in order."""
    lines = [without_prefix(line) for line in text.splitlines()]
    splats = []
    covered = -1
    for number, line in enumerate(lines):
        kind = kind_of(line)
        if kind is None and TRACE.match(line.strip()) and number > covered:
            kind = "unknown"
        if kind is None:
            continue
        end = number + REPORT_LINES
        if RACE in line:
            end = next((at for at, text in enumerate(lines[:end])
                        if at > number and END_OF_RACE.match(text)), end)
        splats.append(Splat(kind, line.strip(), number + 1, lines[number:end]))
        covered = end
    return splats


def without_races(splats, word):
    """The splats, but for reports of races in which the word is not."""
    return [splat for splat in splats if RACE not in splat.line
            or any(word in line for line in splat.lines)]
