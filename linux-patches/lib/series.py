# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""A series of patches: which they are, and how they apply, hunk by hunk.

A hunk that lies at another line than in its patch is at home there as long as its
context is the same. One that needs fuzz was placed by guess: it is refused unless
asked for. One that is rejected is named with its file.
"""

import os
import pathlib
import re
import subprocess
from dataclasses import dataclass

from console import Failure

FILE = re.compile(r"^(?:checking|patching) file '?(.+?)'?(?: \(.*\))?$")
HUNK = re.compile(r"^Hunk #(\d+) (succeeded|FAILED)(?: at (\d+))?"
                  r"(?: with fuzz (\d+))?(?: \(offset (-?\d+) lines?\))?")
# What patch says where it does not even look at the hunks.
REFUSED = re.compile(r"^(?:Reversed \(or previously applied\) patch detected"
                     r"|can't find file to patch|.*malformed patch"
                     r"|The next patch would create the file .*)")
GUESS = 2


@dataclass(frozen=True)
class Hunk:
    patch: str
    file: str
    number: int
    failed: bool = False
    fuzz: int = 0
    offset: int = 0
    why: str = ""

    def __str__(self):
        if self.failed:
            how = self.why or "rejected"
        else:
            how = f"offset {self.offset}, fuzz {self.fuzz}"
        return f"{self.patch}: {self.file}: hunk {self.number}: {how}"


def read_series(folder, first=None):
    """The patches that folder/series names, in order; the first so many."""
    path = pathlib.Path(folder) / "series"
    if not path.exists():
        return []
    names = [line.split("#")[0].strip() for line in path.read_text().split("\n")]
    patches = [path.parent / name for name in names if name]
    for patch in patches:
        if not patch.is_file():
            raise Failure(f"{path} names {patch.name}, which is not there")
    if first is not None and first > len(patches):
        raise Failure(f"{path} has {len(patches)} patches, not {first}")
    return patches[:first]


def touched_files(patches):
    """The files that exist before and are changed by the patches, sorted."""
    names = set()
    for patch in patches:
        text = patch.read_text(errors="replace")
        names |= set(re.findall(r"^--- a/(\S+)", text, re.M))
    return sorted(names)


def call_patch(tree, patch, fuzz, *arguments):
    return subprocess.run(
        ["patch", "-p1", "--batch", "--forward", "--verbose", f"--fuzz={fuzz}",
         "--no-backup-if-mismatch", "--reject-file=-", *arguments,
         "--input", patch.resolve()],
        cwd=tree, text=True, errors="replace", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"})


def hunks_of(patch, output):
    """What the output of patch --verbose says of each hunk."""
    hunks = []
    file, number, why = "?", 0, ""
    for line in output.splitlines():
        if found := FILE.match(line):
            file, number, why = found.group(1), 0, ""
        elif found := HUNK.match(line):
            number = int(found.group(1))
            hunks.append(Hunk(patch.name, file, number,
                              found.group(2) == "FAILED",
                              int(found.group(4) or 0),
                              int(found.group(5) or 0)))
        elif REFUSED.match(line):
            why = line.rstrip(".")
            hunks.append(Hunk(patch.name, file, number, True, why=why))
    return hunks


def apply(tree, patches, allow_fuzz=False):
    """Applies the patches to the tree; what there is to say of each hunk that is
    not exactly at its place. Raises Failure at the first patch with a hunk that is
    rejected, or that needs fuzz which is not allowed; that patch changes nothing.
    """
    moved = []
    for patch in patches:
        trial = call_patch(tree, patch, GUESS, "--dry-run")
        hunks = hunks_of(patch, trial.stdout)
        bad = [hunk for hunk in hunks if hunk.failed]
        guessed = [hunk for hunk in hunks if hunk.fuzz]
        if bad or trial.returncode:
            raise Failure("the series does not apply to this source:\n" + (
                "\n".join(f"  {hunk}" for hunk in bad) or trial.stdout))
        if guessed and not allow_fuzz:
            raise Failure(
                "the series applies to this source by guess only:\n"
                + "\n".join(f"  {hunk}" for hunk in guessed)
                + "\nlook at these places; --allow-fuzz applies them all the same")
        done = call_patch(tree, patch, GUESS if allow_fuzz else 0)
        if done.returncode:
            raise Failure(f"{patch.name} applied in the trial, but now:\n"
                          f"{done.stdout}")
        moved += [hunk for hunk in hunks if hunk.fuzz or hunk.offset]
    return moved
