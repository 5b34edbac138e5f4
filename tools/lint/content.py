#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""No file names one machine, and none puts work off.

Paths of one machine, hosts of the package registries that this machine happens
to use (read from apt), and notes of unfinished work.
"""

import re
import shutil
import subprocess

import common

# Each in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w./$}-])/(" + "|".join(
    ("wo" "rk", "tm" "p", "ho" "me", "ro" "ot", "Us" "ers")) + r")/\w")
UNFINISHED = re.compile(r"\b(" + "|".join(
    ("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK")) + r")\b")

EXEMPT = ("LICENSES/",)


def registry_hosts():
    """The hosts that apt fetches packages from on this machine."""
    if not shutil.which("apt-get"):
        return []
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    hosts = {re.sub(r"^\w+://([^/@]*@)?([^/:]+).*", r"\2", site.strip())
             for site in done.stdout.splitlines() if "://" in site}
    return sorted(hosts)


def patterns(hosts):
    """(pattern, what it means) pairs."""
    found = [(MACHINE_PATH, "a path of one machine; use a relative path or a "
              "temporary directory of the system"),
             (UNFINISHED, "a note of unfinished work; do it or leave it out")]
    if hosts:
        found.append((re.compile("|".join(map(re.escape, hosts))),
                      "a host of a package registry; read it from apt"))
    return found


def lint(root, hosts=None):
    """One finding for each line with forbidden content."""
    findings = []
    forbidden = patterns(registry_hosts() if hosts is None else hosts)
    for name in common.files(root):
        text = None if name.startswith(EXEMPT) else common.text_of(root, name)
        for number, line in enumerate((text or "").splitlines(), 1):
            for pattern, meaning in forbidden:
                found = pattern.search(line)
                if found:
                    findings.append(f"{name}:{number}: '{found.group(0)}' is "
                                    f"{meaning}")
    return findings


if __name__ == "__main__":
    common.main(lint, __doc__)
