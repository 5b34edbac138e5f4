# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Debian packages of a built kernel, which are also the way it is installed: what
a package brought, its removal takes away again."""

import shutil

import host as hosts
from console import Failure, say

LOCAL_VERSION = "-lauberhorn"


def package(kernel):
    """Makes the packages in the tree's folder debs/; their paths."""
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh"):
        raise Failure("packages are made by dpkg-buildpackage and debhelper; "
                      "tools/deps kernelpackage installs them")
    target = kernel.tree.folder / "debs"
    say("making packages")
    # make puts them beside the build folder, which is in the source.
    for old in kernel.tree.source.glob("*.deb"):
        old.unlink()
    kernel.make("bindeb-pkg")
    target.mkdir(exist_ok=True)
    packages = []
    for made in sorted(kernel.tree.source.glob("*.deb")):
        packages.append(made.replace(target / made.name))
        say(f"package: {packages[-1]}")
    if not packages:
        raise Failure(f"make bindeb-pkg made no package; see {kernel.log}")
    return packages


def install(packages, host):
    """Installs kernel and headers, beside the running kernel."""
    chosen = [path for path in packages
              if path.name.startswith(("linux-image-", "linux-headers-"))
              and "-dbg_" not in path.name]
    if hosts.as_root("apt-get", "install", "-y", *chosen):
        raise Failure("apt-get could not install the packages, as above")
    release = next(path.name.split("_")[0].removeprefix("linux-image-")
                   for path in chosen if path.name.startswith("linux-image-"))
    say(f"installed {release}; to go back:")
    for line in hosts.way_back(host, release):
        say(f"  {line}")
