#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""clang-tidy over the project's sources, with the settings of .clang-tidy.

Needs a build folder whose generated headers exist. Headers are looked at
through the sources that include them.
"""

import argparse
import json
import os
import pathlib
import re
import sys

import common


# Options of GCC that stop clang.
GCC_ONLY = re.compile(r" -mstringop-strategy=\S+")


def database(root, build):
    """The commands of the build as clang takes them, and the folder, below the
    build's, that has them as a file."""
    built = root / build / "compile_commands.json"
    if not built.exists():
        sys.exit(f"tidy: {built} is missing; run `make build` first")
    text = GCC_ONLY.sub("", built.read_text())
    folder = root / build / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / built.name).write_text(text)
    return json.loads(text), folder


def sources(root, entries):
    """The sources of the tree that are compiled, relative to the root."""
    compiled = {os.path.relpath(entry["file"], root) for entry in entries}
    return [name for name in common.c_files(root) if name in compiled]


def touching(root, names, changed):
    """The sources that are changed, or that include a changed header."""
    headers = {name for name in changed if name.endswith(".h")}
    include = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
    for name in names:
        included = include.findall((root / name).read_text())
        if name in changed or any(
                header.endswith("/" + path) or header == path
                for path in included for header in headers):
            yield name


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=common.ROOT,
                        help="the tree to look at (default: this one)")
    parser.add_argument("--build", default="build/release",
                        help="build folder (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("changed", nargs="*",
                        help="only sources that these files touch")
    options = parser.parse_args()

    entries, folder = database(options.root, options.build)
    names = sources(options.root, entries)
    if options.changed:
        names = list(touching(options.root, names, set(options.changed)))
        if not names:
            print("no source includes what changed")
            return
    commands = [(name, ["clang-tidy", "--quiet", "-p", str(folder),
                        "--extra-arg=-Wno-unknown-warning-option",
                        "--extra-arg=-Wno-unused-private-field", name])
                for name in names]
    failed = 0
    for number, (name, code, output) in enumerate(
            common.run_parallel(commands, options.root, options.jobs), 1):
        print(f"[{number}/{len(commands)}] {name}", flush=True)
        if code != 0:
            failed += 1
            print(output, flush=True)
    print(f"{len(commands) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
