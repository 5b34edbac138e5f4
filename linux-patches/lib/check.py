# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Checks the series and the module.

    linux-patches/check.sh             that what the series installs is what this
                                       checkout has, and the kernel's checkpatch.pl
                                       --strict, also on kmod/; needs the source
    linux-patches/check.sh --quick     the copies only
    linux-patches/check.sh --prefixes  builds a small kernel with each number of
                                       patches, with their options and without
    linux-patches/check.sh --tests     runs the tests of each number of patches
    linux-patches/check.sh --static    sparse, kernel-doc and objtool; builds the
                                       kernels that they look at
"""

import argparse
import subprocess
import sys
import tempfile

import copies
import host
import prefixes
import static
from series import read_series
from source import ARCHIVE, PACKAGE

SERIES = copies.PATCHES / "v6.12"
MODULE = ("kmod/*.[ch]", "abi/host/device.h")
TOOLS = ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch")

# Who submits the series signs it off, and moves MAINTAINERS' status from Orphan.
# A trace header cannot be written so that its macros please the other two.
IGNORED = ("MISSING_SIGN_OFF", "FILE_PATH_CHANGES", "OPEN_ENDED_LINE",
           "PARENTHESIS_ALIGNMENT")


def checked():
    """What checkpatch.pl is run on: patches, and files."""
    for patch in read_series(SERIES):
        yield patch, ()
    for name in MODULE:
        yield from ((path, ("--file",)) for path in sorted(copies.ROOT.glob(name)))


def checkpatch(folder):
    """The patches and files that checkpatch.pl refuses, with what it says."""
    subprocess.run(["tar", "-xf", ARCHIVE, "-C", folder, "--strip-components=1",
                    *(f"{PACKAGE}/scripts/{tool}" for tool in TOOLS)], check=True)
    refused = []
    for path, words in checked():
        done = subprocess.run(
            [folder + "/scripts/checkpatch.pl", "--no-tree", "--strict", "--terse",
             "--no-summary", "--no-signoff", "--show-types",
             "--ignore", ",".join((*IGNORED, "SPDX_LICENSE_TAG")), *words, path],
            text=True, capture_output=True)
        if done.returncode or done.stdout.strip():
            refused.append(f"{path.name}:\n{done.stdout}{done.stderr}")
    return refused


def check_prefixes(failing, jobs):
    number, failed = failing(read_series(SERIES), jobs)
    for name in failed:
        print(f"FAILED  {name}")
    print(f"{number - len(failed)} passed, {len(failed)} failed")
    return len(failed)


def check_static(jobs):
    findings = static.findings(read_series(SERIES), jobs)
    for tool, lines in findings.items():
        print(f"{'FAILED' if lines else 'ok    '}  {tool}")
        for line in lines:
            print(f"  {line}")
    failed = sum(bool(lines) for lines in findings.values())
    print(f"{len(findings) - failed} passed, {failed} failed")
    return failed


def check_text(quick):
    failed = 0
    differing = copies.differing(read_series(SERIES))
    for place in differing:
        print(f"{place}: the series installs another text than this checkout "
              "has; linux-patches/tree.sh, copy it there, linux-patches/export.sh")
    failed += len(differing)
    if not quick:
        if not ARCHIVE.exists():
            sys.exit(f"no {ARCHIVE}; tools/deps kernel installs it")
        with tempfile.TemporaryDirectory() as folder:
            refused = checkpatch(folder)
        for text in refused:
            print(text)
        failed += len(refused)
    print(f"FIGURE generated_copies_differ {len(differing)} files")
    return failed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    for name in ("quick", "prefixes", "tests", "static"):
        what.add_argument(f"--{name}", action="store_true", help="as above")
    parser.add_argument("--jobs", type=int, default=host.jobs(), metavar="N")
    arguments = parser.parse_args()
    if arguments.prefixes:
        failed = check_prefixes(prefixes.failing, arguments.jobs)
    elif arguments.tests:
        failed = check_prefixes(prefixes.failing_tests, arguments.jobs)
    elif arguments.static:
        failed = check_static(arguments.jobs)
    else:
        failed = check_text(arguments.quick)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
