#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Every file says its licence and holder, and it is the licence of its folder.

Files that cannot hold a comment are listed in .reuse/dep5; the texts of the
licences are in LICENSES/. Where the program reuse is installed, the tree must
pass it as well.
"""

import fnmatch
import re
import shutil
import subprocess

import common

KERNEL_AND_BSD = "(GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause"

# The first folder that fits decides.
LICENCES = (
    ("abi/", KERNEL_AND_BSD),
    ("linux-patches/lauberhorn_probe.h", KERNEL_AND_BSD),
    ("linux-patches/", "GPL-2.0"),
    ("docs/sched-lauberhorn.rst", "GPL-2.0"),
    ("kmod/", "GPL-2.0"),
    ("tests/vm/modules/recorder/record.h", KERNEL_AND_BSD),
    ("tests/vm/modules/", "GPL-2.0"),
    ("Kconfig.lauberhorn", "GPL-2.0"),
    ("", "Apache-2.0"),
)
HOLDER = "The Lauberhorn authors"

# Texts of licences and the list for reuse are not works of this project.
EXEMPT = ("LICENSES/", ".reuse/")

# Written in two pieces, so that no tool takes this file's code for its tag.
IDENTIFIER = re.compile("SPDX-License-" + r"Identifier:\s*(.*?)\s*(\*/|-->)?$")
COPYRIGHT = re.compile("SPDX-File" + r"CopyrightText:\s*(.*?)\s*(\*/|-->)?$")
LINES = 6

# The kernel spells its licence GPL-2.0, and so do files that go there; SPDX
# calls that spelling deprecated.
DEPRECATED_ALLOWED = {"GPL-2.0"}


def licence_of(name):
    """The licence that a file of this name must carry."""
    return next(licence for folder, licence in LICENCES
                if name.startswith(folder))


def listed_in_dep5(root):
    """The patterns of .reuse/dep5 with their licences."""
    path = root / ".reuse" / "dep5"
    patterns = []
    if path.exists():
        for paragraph in path.read_text().split("\n\n"):
            found = re.search(r"^Files:((?: .*\n?)+)", paragraph, re.M)
            licence = re.search(r"^License: (.*)", paragraph, re.M)
            if found and licence:
                patterns += [(pattern, licence.group(1).strip())
                             for pattern in found.group(1).split()]
    return patterns


def tag(pattern, lines):
    """The value of the first line that carries the tag, or None."""
    return next((found.group(1) for found in map(pattern.search, lines)
                 if found), None)


def lint(root):
    """Findings of the tree's own rules."""
    findings = []
    dep5 = listed_in_dep5(root)
    for name in common.files(root):
        if name.startswith(EXEMPT):
            continue
        expected = licence_of(name)
        listed = next((licence for pattern, licence in dep5
                       if fnmatch.fnmatch(name, pattern)), None)
        text = common.text_of(root, name)
        if listed is not None:
            if listed != expected:
                findings.append(f"{name}: .reuse/dep5 says '{listed}', its "
                                f"folder '{expected}'")
            continue
        if text is None:
            findings.append(f"{name}: binary; list it in .reuse/dep5")
            continue
        lines = text.splitlines()[:LINES]
        licence = tag(IDENTIFIER, lines)
        if licence != expected:
            findings.append(
                f"{name}:1: licence is '{licence}' in the first {LINES} lines, "
                f"must be '{expected}'")
        if tag(COPYRIGHT, lines) != HOLDER:
            findings.append(
                f"{name}:1: no line 'SPDX-File" + f"CopyrightText: {HOLDER}' "
                f"in the first {LINES} lines")
    return findings + texts_missing(root) + reuse(root)


def texts_missing(root):
    """Licences in use that have no text."""
    used = {"Apache-2.0"}
    if any(name.startswith("abi/") for name in common.files(root)):
        used |= {"GPL-2.0", "Linux-syscall-note", "BSD-3-Clause"}
    return [f"LICENSES/{name}.txt: missing; the text of a licence in use"
            for name in sorted(used)
            if not (root / "LICENSES" / f"{name}.txt").exists()]


def reuse(root):
    """What the program reuse finds, if it is installed."""
    if not shutil.which("reuse"):
        return []
    done = subprocess.run(["reuse", "lint"], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    findings = []
    summary = done.stdout.partition("# SUMMARY")[2]
    values = dict(re.findall(r"^\* ([^:]+):[ ]?(.*)$", summary, re.M))
    if not values:
        return ["reuse lint: printed no summary; run it to see why"]
    for what, value in values.items():
        names = set(filter(None, value.split(", ")))
        counted = re.fullmatch(r"(\d+) / (\d+)", value)
        if what == "Used licenses":
            continue
        if what == "Deprecated licenses":
            names -= DEPRECATED_ALLOWED
        bad = (counted.group(1) != counted.group(2) if counted
               else names - {"0"})
        if bad:
            findings.append(f"reuse lint: {what}: {value}; run it for details")
    return findings


if __name__ == "__main__":
    common.main(lint, __doc__)
