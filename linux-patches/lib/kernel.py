# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Configures and compiles a patched tree."""

import os
import re
import subprocess
import sys
import time

import config
from console import Failure, clock, say

# The same sources give the same bytes, whoever builds them and when.
FIXED = ("KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
         "KBUILD_BUILD_USER=lauberhorn", "KBUILD_BUILD_HOST=lauberhorn",
         "KBUILD_BUILD_VERSION=1")
STEP = re.compile(r"^  [A-Z][A-Z0-9_]*(?: \[M\])? ")
REPORT_SECONDS = 30
TAIL = 30


class Kernel:
    """A source with its build in source/build."""

    def __init__(self, tree, jobs):
        self.tree = tree
        self.jobs = jobs
        self.variables = (*FIXED, *tree.architecture.variables())

    @property
    def log(self):
        return self.tree.folder / "build.log"

    def words(self, *targets):
        return ["make", "-C", self.tree.source, "O=build", f"-j{self.jobs}",
                *self.variables, *targets]

    def make(self, *targets):
        """Runs make for a step that takes no time worth a word."""
        self.tree.build.mkdir(exist_ok=True)
        with self.log.open("a") as log:
            log.write(f"$ make {' '.join(targets)}\n")
            log.flush()
            # Where a question about a new option comes: its default.
            done = subprocess.run(self.words(*targets), stdout=log,
                                  stderr=subprocess.STDOUT, input="\n" * 10000,
                                  text=True, env=environment())
        if done.returncode:
            self.fail(f"make {' '.join(targets)}")

    def fail(self, what):
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        raise Failure("\n".join(lines) + f"\n{what} failed, as above; all of it: "
                      f"{self.log}")

    def configure(self, base, values):
        """Writes .config: `base` (a text, or None for tinyconfig) and over it the
        values, each of which must take effect."""
        self.tree.build.mkdir(exist_ok=True)
        file = self.tree.build / ".config"
        if base is None:
            self.make("tinyconfig")
            base = file.read_text()
        # The values come last: of the members of a choice the last one counts.
        kept = {symbol: value for symbol, value in config.parse(base).items()
                if symbol not in values}
        file.write_text("".join(
            f"{config.line_of(*item)}\n"
            for item in (*kept.items(), *values.items())))
        self.make("olddefconfig")
        ineffective = config.without_effect(values, file.read_text())
        if ineffective:
            raise Failure("these lines of the configuration have no effect, for "
                          "want of an option that they depend on:\n"
                          + "\n".join(f"  {line}" for line in ineffective))

    def compile(self, targets, expected):
        """Runs make with a report of progress; how many steps it took."""
        start = time.monotonic()
        progress = Progress(start, expected)
        with self.log.open("a") as log:
            process = subprocess.Popen(
                self.words(*targets), stdin=subprocess.DEVNULL, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                errors="replace", env=environment())
            try:
                for line in process.stdout:
                    log.write(line)
                    if STEP.match(line):
                        progress.step()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        progress.end()
        if process.wait():
            self.fail(f"make {' '.join(targets)}")
        say(f"built in {clock(time.monotonic() - start)}, "
            f"{progress.steps} steps")
        return progress.steps


class Progress:
    """A line that is rewritten on a terminal, and now and then one elsewhere."""

    def __init__(self, start, expected):
        self.start = start
        self.expected = expected
        self.steps = 0
        self.terminal = sys.stdout.isatty()
        self.next_report = start + (0 if self.terminal else REPORT_SECONDS)

    def step(self):
        self.steps += 1
        now = time.monotonic()
        if now < self.next_report:
            return
        self.next_report = now + (0.2 if self.terminal else REPORT_SECONDS)
        text = f"  {clock(now - self.start)}  {self.steps} steps"
        if self.expected:
            share = min(99, 100 * self.steps // self.expected)
            text += f" of about {self.expected}, {share} %"
        print(f"\r{text}   " if self.terminal else text,
              end="" if self.terminal else "\n", flush=True)

    def end(self):
        if self.terminal:
            print()


def environment():
    """Without what a calling make says to its children, and in English."""
    unwanted = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
                "KBUILD_OUTPUT", "ARCH", "CROSS_COMPILE", "CFLAGS", "O", "M")
    return {**{name: value for name, value in os.environ.items()
               if name not in unwanted}, "LC_ALL": "C"}
