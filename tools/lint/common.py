# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What the lints share: the files of the tree and the way to report.

A lint is a module with a function lint(root) that returns its findings as lines
of text, "path:line: what is wrong; what to do". Each is a program too.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

C_SUFFIXES = (".h", ".c", ".cc")

# The headers of the contract; other code in abi/ tests them.
CONTRACT = re.compile(r"abi/(host|wire)/[^/]+\.h$")


def files(root):
    """The files of the tree, tracked or new, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True).stdout
    names = sorted(set(name for name in listed.split("\0") if name))
    return [name for name in names if (pathlib.Path(root) / name).is_file()]


def c_files(root):
    """The C and C++ files of the tree."""
    return [name for name in files(root) if name.endswith(C_SUFFIXES)]


def text_of(root, name):
    """The text of a file, or None for a binary one."""
    data = (pathlib.Path(root) / name).read_bytes()
    if b"\0" in data:
        return None
    return data.decode("utf-8", errors="replace")


def run_parallel(commands, cwd, jobs=None):
    """Runs (key, command) pairs; yields (key, exit code, output) in order."""
    def run(item):
        key, command = item
        done = subprocess.run(command, cwd=cwd, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return key, done.returncode, done.stdout
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        yield from pool.map(run, commands)


def main(lint, description):
    """The command line of a lint that takes no arguments of its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT,
                        help="the tree to look at (default: this one)")
    findings = lint(parser.parse_args().root)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
