# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Whether each prefix of the series builds, with its options and without: in the
smallest kernel that has them all, where each warning is an error. And whether it
passes the tests that it has, in the kernel of the daily tests."""

import re
import subprocess

from copies import PATCHES

BUILD = PATCHES / "build.sh"
VM = PATCHES.parent / "tests" / "vm"
# The patch that brings what a folder has tests in.
KUNIT = "/kernel/sched/lauberhorn_test.c"
KSELFTESTS = "/tools/testing/selftests/lauberhorn/"
KCONFIG = PATCHES.parent / "Kconfig.lauberhorn"


def without():
    """Arguments that switch off whatever the series defines."""
    names = re.findall(r"^config (\w+)", KCONFIG.read_text(), re.M)
    return [f"--set={name}=n" for name in names]


def builds(patches):
    """(name, arguments of build.sh) of each; without any patch there is nothing to
    switch on."""
    for count in range(len(patches) + 1):
        base = ["--config", "tiny", "--patches", str(count)]
        if count:
            yield f"{patches[count - 1].name} =y", base
        yield (f"{patches[count - 1].name} =n" if count else "no patch",
               base + without())


def failing(patches, jobs):
    """(how many were built, the names of those that do not build)."""
    failed, number = [], 0
    for name, arguments in builds(patches):
        print(f"== {name}", flush=True)
        done = subprocess.run([BUILD, "--jobs", str(jobs), *arguments])
        number += 1
        if done.returncode:
            failed.append(name)
    return number, failed




def tests(patches):
    """(how many patches, a test of tests/vm for them) of each prefix with tests."""
    for test, file in (("kunit_test", KUNIT), ("selftests_test", KSELFTESTS)):
        first = next(count for count, patch in enumerate(patches, 1)
                     if f"+++ b{file}" in patch.read_text())
        for count in range(first, len(patches) + 1):
            yield count, VM / test


def failing_tests(patches, jobs):
    """(how many ran, the names of those that failed)."""
    failed, number = [], 0
    for count, test in tests(patches):
        name = f"{patches[count - 1].name} {test.name}"
        print(f"== {name}", flush=True)
        words = [BUILD, "--jobs", str(jobs), "--patches", str(count)]
        done = subprocess.run(words)
        if done.returncode == 0:
            where = subprocess.run([*words, "--where"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip()
            done = subprocess.run([test, "--kernel", where])
        number += 1
        if done.returncode:
            failed.append(name)
    return number, failed
