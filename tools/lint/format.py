#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""All C and C++ is as clang-format lays it out (.clang-format of its folder)."""

import argparse
import pathlib
import re
import sys

import common

BATCH = 8


def commands(names, arguments):
    """clang-format over batches of files."""
    for start in range(0, len(names), BATCH):
        yield start, ["clang-format", *arguments, *names[start:start + BATCH]]


def lint(root, names=None):
    """One finding for each file that would change."""
    names = common.c_files(root) if names is None else names
    findings = {}
    arguments = ["--style=file", "--dry-run", "-Werror"]
    for _, code, output in common.run_parallel(commands(names, arguments),
                                               root):
        for place in re.finditer(r"^(.+?):(\d+):\d+: error: ", output, re.M):
            findings.setdefault(
                place.group(1),
                f"{place.group(1)}:{place.group(2)}: not formatted from here "
                "on; run `make format`")
        if code != 0 and not findings:
            findings[output] = f"clang-format failed: {output}"
    return list(findings.values())


def fix(root):
    """Formats everything in place."""
    failed = False
    for _, code, output in common.run_parallel(
            commands(common.c_files(root), ["--style=file", "-i"]), root):
        print(output, end="")
        failed |= code != 0
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=common.ROOT,
                        help="the tree to look at (default: this one)")
    parser.add_argument("--fix", action="store_true",
                        help="format in place instead of reporting")
    parser.add_argument("files", nargs="*", help="look at these only")
    options = parser.parse_args()
    if options.fix:
        sys.exit(fix(options.root))
    findings = lint(options.root, options.files or None)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
