# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The kernel's source: Debian's package, or another archive that is named.

It is unpacked once for each version. A tree to patch is made of hard links to
that one: patch writes a file anew and renames it, which leaves the other alone.
"""

import pathlib
import re
import subprocess
import tempfile
from dataclasses import dataclass

from console import Failure, say

PACKAGE = "linux-source-6.12"
ARCHIVE = pathlib.Path("/usr/src") / f"{PACKAGE}.tar.xz"
TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"


@dataclass(frozen=True)
class Source:
    path: pathlib.Path
    # Names the content: another content has another name.
    name: str
    # As the kernel says it, 6.12.117; None if only the content could tell.
    version: str | None


def package_version():
    """The installed version of Debian's source package, or None."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", PACKAGE],
        text=True, capture_output=True)
    status, _, version = done.stdout.partition(" ")
    return version if status == "installed" and ARCHIVE.exists() else None


def find(path=None, install=True):
    """The source to build from: the archive `path`, or Debian's package, which is
    installed first if it is missing and may be; None if it may not."""
    if path is not None:
        path = pathlib.Path(path).resolve()
        if not path.is_file():
            raise Failure(f"no archive of a source at {path}")
        state = path.stat()
        return Source(path, f"{path.name}_{state.st_size}_{state.st_mtime_ns}",
                      None)
    version = package_version()
    if version is None and install:
        if subprocess.run([TOOLS / "deps", "kernel"]).returncode:
            raise Failure(f"{PACKAGE} could not be installed; --source names "
                          "another archive of Linux 6.12")
        version = package_version()
    if version is None:
        return None
    return Source(ARCHIVE, f"{PACKAGE}_{version}",
                  re.match(r"[\d.]*\d", version).group(0))


def version_of(tree):
    """VERSION.PATCHLEVEL.SUBLEVEL of a tree's Makefile."""
    makefile = tree / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.exists() else ""
    numbers = [re.search(rf"^{name} = (\d+)$", text, re.M)
               for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(numbers):
        raise Failure(f"{tree} is no tree of Linux: its Makefile has no version")
    return ".".join(number.group(1) for number in numbers)


def unpack(source, target):
    """Puts the source at `target`, which then is there whole or not at all."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as folder:
        folder = pathlib.Path(folder)
        say(f"unpacking {source.path}")
        if subprocess.run(["tar", "-xf", source.path, "-C", folder]).returncode:
            raise Failure(f"{source.path} could not be unpacked, as above")
        content = list(folder.iterdir())
        if len(content) != 1:
            raise Failure(f"{source.path} does not hold one folder")
        version_of(content[0])
        content[0].rename(target)


def link_copy(pristine, target):
    """A copy of a tree by hard links."""
    if subprocess.run(["cp", "-al", pristine, target]).returncode:
        raise Failure(f"{pristine} could not be copied to {target}")


def extract(source, names, folder):
    """Puts only the files of these names below `folder`; those that exist."""
    # tar fails for names that are not there, which the patches will tell better.
    subprocess.run(
        ["tar", "-xf", source.path, "-C", folder, "--strip-components=1",
         "--wildcards", "--no-wildcards-match-slash", *(f"*/{name}" for name in names)],
        stderr=subprocess.DEVNULL)
