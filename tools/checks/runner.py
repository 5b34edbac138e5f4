# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Runs one part of a check: its commands, its log, its count, its stamp."""

import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import xml.etree.ElementTree
from dataclasses import dataclass

from checks import parts

TAIL = 40
COUNT = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)
# How the tests of this project and those of ctest, GoogleTest, unittest and KTAP
# name what failed; GoogleTest also says why, in the lines after the first.
FAILURE = re.compile(r"^(?:FAILED  .*|\[  FAILED  \] .* ms\)| *not ok .*"
                     r"|(?:FAIL|ERROR): .*| *\d+/\d+ Test .*\*\*\*.*"
                     r"|.+:\d+: Failure(?:\n[^\[\n].*){0,4})$", re.M)
FAILURES = 30
# A part that takes this many times its estimate hangs.
PATIENCE = 8
HEARTBEAT_SECONDS = 60


@dataclass
class Result:
    passed: int
    failed: int
    seconds: float
    figures: list
    again: bool = False


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def log_path(part):
    return pathlib.Path(parts.LOGS) / f"{part.name}.log"


def touches(part, names):
    """Whether one of the files is an input of the part."""
    return any(name.startswith(part.inputs) for name in names)


class Key:
    """What a part depends on, as a hash: commands, inputs, compilers."""

    def __init__(self, names):
        self._hashes = {name: hashlib.sha256(
            pathlib.Path(name).read_bytes()).hexdigest() for name in names}
        self._compilers = ""
        for compiler in ("g++", "clang++"):
            try:
                self._compilers += subprocess.run(
                    [compiler, "--version"], capture_output=True,
                    text=True).stdout
            except FileNotFoundError:
                pass

    def of(self, part):
        whole = hashlib.sha256()
        whole.update(repr((part.commands, self._compilers)).encode())
        for name, content in self._hashes.items():
            if name.startswith(part.inputs):
                whole.update(f"{name} {content}\n".encode())
        return whole.hexdigest()


class Stamps:
    """Which parts passed, and with what inputs."""

    def __init__(self, key):
        self._folder = pathlib.Path(parts.LOGS) / "stamps"
        self._key = key

    def _path(self, part):
        return self._folder / f"{part.name}.json"

    def find(self, part):
        """The result of a part that passed with the same inputs, or None."""
        try:
            stamp = json.loads(self._path(part).read_text())
        except (OSError, ValueError):
            return None
        if stamp["key"] != self._key.of(part):
            return None
        return Result(stamp["passed"], 0, stamp["seconds"], stamp["figures"],
                      again=True)

    def record(self, part, result):
        self._path(part).unlink(missing_ok=True)
        if result.failed == 0 and result.passed > 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path(part).write_text(json.dumps({
                "key": self._key.of(part), "passed": result.passed,
                "seconds": result.seconds, "figures": result.figures}))


def expand(command, part, jobs, changed):
    """The words of a command with its placeholders filled in."""
    for word in command.words:
        if word == "{changed}":
            yield from changed
        else:
            yield word.replace("{jobs}", str(jobs)).replace("{part}",
                                                            part.name)


def execute(command, part, jobs, changed, log, deadline, say):
    """Runs a command into the log; its exit code."""
    words = list(expand(command, part, jobs, changed))
    log.write(f"$ {' '.join(words)}\n")
    log.flush()
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **dict(command.environment)})
    except OSError as error:
        log.write(f"cannot run {words[0]}: {error}\n")
        return 127
    try:
        while True:
            try:
                return process.wait(HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    log.write(f"stopped: over {PATIENCE} times the estimate\n")
                    os.killpg(process.pid, signal.SIGKILL)
                    return process.wait()
                say(f"  still at it ({clock(time.monotonic() - start)}): "
                    f"{' '.join(words)[:60]}")
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def count_report(path):
    """(passed, failed) of a report of ctest."""
    passed = failed = 0
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.get("status") in ("notrun", "disabled"):
            continue
        if case.find("failure") is None and case.get("status") == "run":
            passed += 1
        else:
            failed += 1
    return passed, failed


def run_part(part, jobs, changed, say):
    """Runs a part to its end, or to its first failing command."""
    start = time.monotonic()
    deadline = start + 60 * PATIENCE * part.minutes
    path = log_path(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    code = 0
    with path.open("w") as log:
        for command in part.commands:
            report = pathlib.Path(command.report.replace("{part}", part.name))
            if command.report:
                report.unlink(missing_ok=True)
            code = execute(command, part, jobs, changed, log, deadline, say)
            if command.report and report.exists():
                more = count_report(report)
                passed, failed = passed + more[0], failed + more[1]
            if code != 0:
                log.write(f"failed with {code}\n")
                break
    text = path.read_text(errors="replace")
    counts = COUNT.findall(text)
    if not any(command.report for command in part.commands):
        passed, failed = map(int, counts[-1]) if counts else (1 - bool(code), 0)
    # A failure is a failure whatever the part counted, and so is nothing.
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
    figures = re.findall(r"^FIGURE .*$", text, re.M)
    return Result(passed, failed, time.monotonic() - start, figures)


def failures(part):
    """The lines of a part's log that say what failed, not too many of them."""
    text = log_path(part).read_text(errors="replace")
    return "\n".join(FAILURE.findall(text)).splitlines()[:FAILURES]


def tail(part):
    """The end of a part's log."""
    lines = log_path(part).read_text(errors="replace").splitlines()
    return lines[-TAIL:]
