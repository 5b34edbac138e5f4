#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The arrows between the rooms point one way.

examples, bench, tests, cli -> librpc -> (nic, to embed one) -> abi, and abi
knows nobody. Tools use librpc as its users do. A public header includes public headers and libraries that the installed
package names, nothing private.
"""

import posixpath
import re

import common

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# Text that a program writes, such as the includes of generated code.
RAW_STRING = re.compile(r'R"(\w*)\(.*?\)\1"', re.S)
ROOMS = ("abi", "nic", "librpc", "idl", "cli", "kmod", "examples", "bench",
         "tests", "spec")

# Room -> rooms that its files may include from, besides itself.
MAY_USE = {
    "abi": (),
    "nic": ("abi",),
    "librpc": ("abi",),
    "idl": (),
    "cli": ("nic", "abi"),
    "kmod": ("abi",),
    "spec": ("abi",),
}
PUBLIC = ("librpc/include/", "librpc/compat/grpcpp/", "librpc/compat/grpc++/",
          "librpc/compat/grpc/")
INCLUDED_AS = ("lauberhorn/", "grpcpp/", "grpc++/", "grpc/")
PUBLIC_MAY = INCLUDED_AS + ("absl/", "google/protobuf/")
EMBEDS_A_NIC = re.compile(r"librpc/(embedded_device\w*|testing/\w+)\.(h|cc)$")

# What the contract may include of the system: the base types everywhere, and
# in the macros of each world what those are made of.
ABI_SYSTEM = {"linux/types.h"}
ABI_SYSTEM_BY_FILE = {
    "abi/host/atomic_kernel.h": {"asm/barrier.h", "linux/atomic.h",
                                 "linux/compiler.h"},
    "abi/host/atomic_user.h": {"linux/membarrier.h", "sys/syscall.h",
                               "unistd.h"},
    "abi/host/channel.h": {"stddef.h"},
    "abi/host/device.h": {"linux/ioctl.h"},
}


def room_of(path):
    """The room that a path lies in, or None for a header of a library."""
    if path.startswith(INCLUDED_AS):
        return "librpc"
    first = path.partition("/")[0]
    return first if first in ROOMS else None


def target_of(name, quote, included):
    """An include as a path from the root, where it is one of the project."""
    if quote == '"' and (name.startswith("abi/") or "/" not in included
                         or included.startswith("..")):
        return posixpath.normpath(
            posixpath.join(posixpath.dirname(name), included))
    return included


def finding(name, quote, included):
    """What is wrong with one include, or None."""
    room = room_of(name)
    target = target_of(name, quote, included)
    other = room_of(target)
    if name.startswith(PUBLIC):
        if quote == '"' and not target.startswith(PUBLIC_MAY):
            return (f"a public header includes {included}; it may include "
                    "<lauberhorn/...>, <grpcpp/...>, <grpc/...>, absl, "
                    "protobuf and the standard library")
        if "/" in target and not target.startswith(PUBLIC_MAY) and other:
            return f"a public header includes {included}, which is private"
        return None
    if common.CONTRACT.match(name):
        allowed = ABI_SYSTEM | ABI_SYSTEM_BY_FILE.get(name, set())
        if quote == "<" and included not in allowed:
            return (f"abi includes <{included}>; only {sorted(allowed)} of the "
                    "system")
    if room not in MAY_USE or other in (None, room):
        return None
    if other in MAY_USE[room]:
        return None
    if room == "cli" and target.startswith("lauberhorn/"):
        return None
    if other == "nic" and EMBEDS_A_NIC.match(name):
        return None
    uses = ", ".join(MAY_USE[room]) or "no other room"
    return (f"{room} includes {included} of {other}; it may use {uses}"
            + (" (nic: only in embedded_device* and testing/)" if room == "librpc" else ""))


def lint(root):
    """One finding for each include against an arrow."""
    findings = []
    for name in common.c_files(root):
        text = RAW_STRING.sub(lambda raw: "\n" * raw.group(0).count("\n"),
                              common.text_of(root, name) or "")
        for include in INCLUDE.finditer(text):
            wrong = finding(name, *include.groups())
            if wrong:
                line = text.count("\n", 0, include.start(1)) + 1
                findings.append(f"{name}:{line}: {wrong}")
    return findings


if __name__ == "__main__":
    common.main(lint, __doc__)
