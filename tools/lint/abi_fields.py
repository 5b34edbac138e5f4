#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Every field of a layout in abi/ says who writes it, who reads it and what
orders the two, and every layout has its size and offsets asserted.

A layout is a struct with at least one LH_SIZE or LH_FIELD, or any struct of a
header without operations. Each field has a comment with "w:", "r:" and "o:", in
this order, and an LH_FIELD; each struct has an LH_SIZE. The offsets themselves
are checked by the compiler.
"""

import argparse
import pathlib
import re
import sys

import common

# Structs there are private views of one side, not layouts.
OPERATIONS = ("abi/host/channel.h", "abi/host/bell.h")
FOLDERS = ("abi/host/", "abi/wire/")

STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.M | re.S)
FIELD = re.compile(r"^\t([\w ]+[ *])(\w+)(?:\[[^\]]*\])*;(.*)$")
COMMENT = re.compile(r"/\* w: [^;]+; r: [^;]+; o: .+ \*/")
COMMENT_LINE = re.compile(r"^\t(/\*.*| \*.*)$|^$")


def lint_text(name, text):
    """One finding for each field or struct of a header that lacks something."""
    findings = []
    for struct in STRUCT.finditer(text):
        tag, body = struct.groups()
        first = text.count("\n", 0, struct.start(2)) + 1
        if not re.search(rf"\bLH_SIZE\({tag}, \d+|\bLH_SIZE\({tag}, \w+\)",
                         text):
            findings.append(f"{name}:{first - 1}: struct {tag} has no "
                            f"LH_SIZE({tag}, ...); add it after the struct")
        for offset, line in enumerate(body.splitlines()):
            if COMMENT_LINE.match(line):
                continue
            where = f"{name}:{first + offset}"
            field = FIELD.match(line)
            if not field:
                findings.append(f"{where}: not one field and its comment on "
                                f"one line: '{line.strip()}'")
                continue
            field_name, rest = field.group(2), field.group(3)
            if not COMMENT.search(rest):
                findings.append(f"{where}: {tag}.{field_name} does not say "
                                "'/* w: writer; r: reader; o: ordering */'")
            if not re.search(rf"\bLH_FIELD\({tag}, {field_name}, \d+\);",
                             text):
                findings.append(f"{where}: {tag}.{field_name} has no "
                                f"LH_FIELD({tag}, {field_name}, offset)")
    return findings


def lint(root):
    """The findings of all layout headers of a tree."""
    findings = []
    for name in common.files(root):
        folder = str(pathlib.PurePosixPath(name).parent) + "/"
        if (folder in FOLDERS and name.endswith(".h")
                and name not in OPERATIONS):
            findings += lint_text(name, common.text_of(root, name) or "")
    return findings


GOOD = """struct lh_good {
\t__u64 word; /* w: NIC; r: host; o: atomic */
\t/* A line of its own. */
\tstruct lh_other other[2]; /* w: both; r: both; o: none; zero */
};

LH_SIZE(lh_good, 24);
LH_FIELD(lh_good, word, 0);
LH_FIELD(lh_good, other, 8);
"""

# What is changed in the good header, and what the lint then says.
BAD = (
    ("LH_SIZE(lh_good, 24);\n", "", "has no LH_SIZE"),
    ("LH_FIELD(lh_good, other, 8);\n", "", "has no LH_FIELD(lh_good, other"),
    ("w: NIC; r: host; o: atomic", "w: NIC; r: host", "does not say"),
    ("w: NIC; r: host; o: atomic", "r: host; o: atomic", "does not say"),
    ("w: NIC; r: host; o: atomic", "w: NIC; o: atomic", "does not say"),
    (" /* w: NIC; r: host; o: atomic */", "", "does not say"),
    ("\t__u64 word;", "\t__u64 word, more;", "not one field"),
)


def self_test():
    """Findings if the lint refuses a good header or accepts a bad one."""
    findings = lint_text("good.h", GOOD)
    for old, new, expected in BAD:
        found = lint_text("bad.h", GOOD.replace(old, new))
        if len(found) != 1 or expected not in found[0]:
            findings.append(f"self-test: '{old.strip()}' -> '{new.strip()}' "
                            f"gives {found}, not one finding '{expected}'")
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=common.ROOT,
                        help="the tree to look at (default: this one)")
    parser.add_argument("--self-test", action="store_true",
                        help="only check that bad headers are refused")
    options = parser.parse_args()
    findings = self_test()
    if not options.self_test:
        findings += lint(options.root)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
