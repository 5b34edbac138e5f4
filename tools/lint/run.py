#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Runs every lint but clang-tidy, and the lints' own test."""

import argparse
import subprocess
import sys
import time

import arrows
import common
import content
import format as formatting
import headers
import spdx


def program(*command):
    """A lint that is a program of its own: its output, if it fails."""
    def lint(root):
        done = subprocess.run(command, cwd=root, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return [done.stdout.strip()] if done.returncode else []
    return lint


LINTS = {
    "lint_test": program("tools/lint/lint_test.py"),
    "runner_test": program("tools/checks/runner_test.py"),
    "spdx": spdx.lint,
    "format": formatting.lint,
    "headers": headers.lint,
    "arrows": arrows.lint,
    "content": content.lint,
    "abi_fields": program("tools/lint/abi_fields.py"),
    "generated": program("spec/generate.py", "--check"),
    "layouts_test": program("spec/layouts_test.py"),
    "rules_test": program("spec/rules_test.py"),
    "rules": program("spec/rules.py", "--check"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="LINT",
                        help="run these only: " + " ".join(LINTS))
    names = parser.parse_args().names or list(LINTS)
    for name in names:
        if name not in LINTS:
            parser.error(f"no lint '{name}'; there are: {' '.join(LINTS)}")

    failed = 0
    for name in names:
        start = time.monotonic()
        findings = LINTS[name](common.ROOT)
        failed += bool(findings)
        verdict = f"{len(findings)} findings" if findings else "ok"
        print(f"{name}: {verdict} ({time.monotonic() - start:.1f} s)")
        for finding in findings:
            print(finding)
        sys.stdout.flush()
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
