# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Where trees are kept, outside of the checkout, and under which key.

    sources/<name>        a source as it was unpacked
    building/<tree>       a tree while it is built; an interrupted build goes on
    trees/<tree>          a finished tree, renamed to there
    steps/<configuration> how many steps its last build took, for the progress

A tree is a patched source with its build in source/build: in a folder of the
source the kernel is built with relative paths, so that ccache knows an object
again in another tree. <tree> is configuration-key.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

from console import say

# Raised when this code builds differently from the same inputs.
FORMAT = 1


def default_root():
    base = os.environ.get("LAUBERHORN_KERNEL_CACHE")
    if base:
        return pathlib.Path(base)
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "lauberhorn" / "kernel"


def key(source_name, compiler, patches, texts):
    """Names a tree by all that it is made from."""
    whole = hashlib.sha256(repr((FORMAT, source_name, compiler)).encode())
    for patch in patches:
        whole.update(hashlib.sha256(patch.read_bytes()).digest())
    for text in texts:
        whole.update(hashlib.sha256(text.encode()).digest())
    return whole.hexdigest()[:16]


class Tree:
    """The places of one tree, before and after it is finished."""

    def __init__(self, root, name, architecture):
        self.name = name
        self.architecture = architecture
        self.building = root / "building" / name
        self.finished = root / "trees" / name

    @property
    def folder(self):
        return self.finished if self.finished.exists() else self.building

    @property
    def source(self):
        return self.folder / "source"

    @property
    def build(self):
        return self.folder / "source" / "build"

    @property
    def image(self):
        return (self.build / "arch" / self.architecture.name / "boot"
                / self.architecture.image)

    def publish(self):
        self.finished.parent.mkdir(parents=True, exist_ok=True)
        self.building.rename(self.finished)


@contextlib.contextmanager
def locked(root, name):
    """One at a time; the others say that they wait."""
    folder = root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"waiting for process {file.read().strip()}, which is at {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def used_bytes(folder):
    """The size of a folder's files, each counted once however often linked."""
    done = subprocess.run(["du", "-s", "--block-size=1", folder], text=True,
                          capture_output=True)
    return int(done.stdout.split()[0]) if done.stdout else 0


def prune(root, keep):
    """Removes the finished trees but those of the names in `keep`, and what
    interrupted builds left."""
    for folder in (root / "trees", root / "building"):
        for tree in sorted(folder.iterdir()) if folder.exists() else []:
            if tree.name not in keep:
                with locked(root, tree.name):
                    say(f"removing {tree}")
                    shutil.rmtree(tree)
