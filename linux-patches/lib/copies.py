# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The files of this checkout that the series installs: linux-patches/copies."""

import pathlib
import subprocess
import tempfile

PATCHES = pathlib.Path(__file__).resolve().parent.parent
ROOT = PATCHES.parent


def table():
    """(source in this checkout, place in the kernel's tree) of each."""
    rows = []
    for line in (PATCHES / "copies").read_text().splitlines():
        if words := line.split("#")[0].split():
            source, place = words
            rows.append((ROOT / source, place))
    return rows


def install(tree):
    """Writes the copies into a kernel's tree; the places that changed."""
    changed = []
    for source, place in table():
        target = pathlib.Path(tree) / place
        content = source.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            changed.append(place)
    return changed


def differing(patches):
    """The places at which these patches, in order, leave something else than the
    source. No kernel is needed: the series makes each of these files itself."""
    places = [place for _, place in table()]
    with tempfile.TemporaryDirectory() as folder:
        for patch in patches:
            subprocess.run(
                ["git", "apply", *(f"--include={place}" for place in places),
                 patch.resolve()], cwd=folder, check=True)
        made = {place: pathlib.Path(folder) / place for place in places}
        return [place for source, place in table()
                if not made[place].exists()
                or made[place].read_bytes() != source.read_bytes()]
