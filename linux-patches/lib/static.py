# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What the kernel's own tools say of the series' files: sparse, kernel-doc, and
objtool, which follows all paths through code that must not be traced (noinstr).

They look at kernels that build.sh has built: `tiny`, and `daily`, where objtool
looks while it is linked."""

import pathlib
import re
import subprocess

from copies import PATCHES

BUILD = PATCHES / "build.sh"
NEW_FILE = re.compile(r"^--- /dev/null\n\+\+\+ b/(\S+\.[ch])$", re.M)
# The kernel's code; its other programs have rules of their own.
KERNEL = ("kernel/", "include/")
FINDING = re.compile(r"^(?:\.\./)*(\S+?):(\d+):")


def new_files(patches):
    """The sources that the series adds to the kernel."""
    names = {name for patch in patches for name in NEW_FILE.findall(
        patch.read_text()) if name.startswith(KERNEL)}
    return sorted(names)


def built(name, jobs):
    """The build folder of a configuration."""
    words = [BUILD, "--config", name, "--jobs", str(jobs)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([*words, "--where"], check=True, text=True,
                          stdout=subprocess.PIPE)
    return pathlib.Path(done.stdout.strip())


def complaints(words, folder, about):
    """The lines of a program's output that are about one of the files."""
    done = subprocess.run(words, cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    lines = [line for line in done.stdout.splitlines()
             if any(name in line for name in about)
             and re.search(r"warning|error", line, re.I)]
    if done.returncode and not lines:
        lines = done.stdout.splitlines()[-10:]
    return lines


def excused(source, line):
    """What sparse says of the scheduler's own files as well: it does not follow
    guard(), and rq->curr, which is marked for RCU, is read under the queue's lock."""
    if "context imbalance" in line:
        return True
    found = FINDING.match(line)
    if not found or not re.search("address spaces|noderef", line):
        return False
    text = (source / found[1]).read_text().splitlines()[int(found[2]) - 1]
    return "->curr" in text


def sparse(build, files):
    """Also of headers, as each source includes them."""
    objects = [name[:-1] + "o" for name in files if name.endswith(".c")]
    # Those of the scheduler's files that take others in.
    objects += ["kernel/sched/core.o", "kernel/sched/fair.o",
                "kernel/sched/build_policy.o", "kernel/sched/build_utility.o"]
    found = complaints(["make", "-s", "-C", build, "C=2", "CHECK=sparse", *objects],
                       build, files)
    return [line for line in found if not excused(build.parent, line)]


def kernel_doc(source, files):
    return complaints(["scripts/kernel-doc", "-none", "-Wall", *files], source, files)


def objtool(build):
    log = build.parent.parent / "build.log"
    return [line for line in log.read_text(errors="replace").splitlines()
            if "objtool:" in line]


def findings(patches, jobs):
    """{name of the tool: what it complains of}"""
    files = new_files(patches)
    tiny, daily = built("tiny", jobs), built("daily", jobs)
    return {"sparse": sparse(tiny, files),
            "kernel-doc": kernel_doc(tiny.parent, files),
            "objtool": objtool(daily)}
