# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Checks the series and the module as text: that what the series installs is what
this checkout has, and the kernel's checkpatch.pl --strict on its patches and on kmod/.

    linux-patches/check.sh            both; needs the kernel's source
    linux-patches/check.sh --quick    the copies only
"""

import argparse
import subprocess
import sys
import tempfile

import copies
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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the copies only")
    arguments = parser.parse_args()

    failed = 0
    differing = copies.differing(read_series(SERIES))
    for place in differing:
        print(f"{place}: the series installs another text than this checkout "
              "has; linux-patches/tree.sh, copy it there, linux-patches/export.sh")
    failed += len(differing)
    if not arguments.quick:
        if not ARCHIVE.exists():
            sys.exit(f"no {ARCHIVE}; tools/deps kernel installs it")
        with tempfile.TemporaryDirectory() as folder:
            refused = checkpatch(folder)
        for text in refused:
            print(text)
        failed += len(refused)
    print(f"FIGURE generated_copies_differ {len(differing)} files")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
