#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Every header compiles alone, in every language that it promises.

Public headers as C++17; internal ones as C++20; those of abi/ as C11 and C++17,
and the layouts among them as the kernel checks its own uapi headers, in C90. A
header that some source includes first is proven by the build to stand alone, so
the public ones among those are only compiled as C++17, all at once.
"""

import pathlib
import re

import common

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
INCLUDE_FOLDERS = ("", "librpc/include/", "librpc/compat/")
INCLUDE_PATHS = tuple(f"-I./{folder}" for folder in INCLUDE_FOLDERS)
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-fsyntax-only")
ABI_WARNINGS = (*WARNINGS, "-Wconversion", "-Wshadow")
ABI_LAYOUT_WARNINGS = (*ABI_WARNINGS, "-pedantic", "-Wno-long-long")

# Headers of abi/ that hold code, which may use GNU's extensions: the operations,
# which need the five macros of their includer, and user space's macros.
ABI_OPERATIONS = ("abi/host/channel.h", "abi/host/bell.h",
                  "abi/host/channel_edges.h")
ABI_MACROS = "abi/host/atomic_user.h"
ABI_CODE = (*ABI_OPERATIONS, ABI_MACROS, "abi/host/channel_user.h")
# Compile inside a kernel tree only.
ABI_KERNEL_ONLY = ("abi/host/atomic_kernel.h",)
KERNEL_ONLY = ("tests/vm/modules/recorder/recorder.h",)

PUBLIC = ("librpc/include/", "librpc/compat/grpcpp/", "librpc/compat/grpc++/",
          "librpc/compat/grpc/")
INTERNAL = ("abi/", "nic/", "librpc/", "idl/", "cli/", "bench/", "tests/",
            "spec/")


def alone(language, *names):
    """Arguments that compile nothing but the headers."""
    includes = [word for name in names for word in ("-include", name)]
    return "-x", language, *includes, "/dev/null"


def abi_commands(name):
    """The compilations of a header of abi/."""
    if name in ABI_KERNEL_ONLY:
        return
    before = ("-include", ABI_MACROS) if name in ABI_OPERATIONS else ()
    dialect = "gnu" if name in ABI_CODE else "c"
    warnings = ABI_WARNINGS if name in ABI_CODE else ABI_LAYOUT_WARNINGS
    if name not in ABI_CODE:
        yield ["gcc", "-std=c90", *warnings, *alone("c", name)]
    yield ["gcc", f"-std={dialect}11", *warnings, *before, *alone("c", name)]
    yield ["g++", f"-std={dialect}++17", *warnings, *before,
           *alone("c++", name)]


def proven_by_build(root):
    """The headers that some source includes before anything else."""
    proven = set()
    for name in common.c_files(root):
        first = INCLUDE.search((pathlib.Path(root) / name).read_text())
        if name.endswith(".cc") and first:
            proven |= {f"{folder}{first.group(1)}" for folder in INCLUDE_FOLDERS}
    return proven


def commands(root):
    """(what, compilation) pairs."""
    proven = proven_by_build(root)
    names = [name for name in common.c_files(root) if name.endswith(".h")]
    public = [name for name in names if name.startswith(PUBLIC)]
    if public:
        yield "public headers as C++17", ["g++", "-std=c++17", *WARNINGS,
                                          *INCLUDE_PATHS, *alone("c++", *public)]
    for name in names:
        if common.CONTRACT.match(name):
            for command in abi_commands(name):
                yield name, command
        elif name in proven:
            continue
        elif name in public:
            yield name, ["g++", "-std=c++17", *WARNINGS, *INCLUDE_PATHS,
                         *alone("c++", name)]
        elif name.startswith(INTERNAL) and name not in KERNEL_ONLY:
            yield name, ["g++", "-std=c++20", *WARNINGS, *INCLUDE_PATHS,
                         *alone("c++", name)]


def lint(root):
    """One finding for each header and language that does not compile."""
    findings = []
    for name, code, output in common.run_parallel(commands(root), root):
        if code != 0:
            errors = "\n".join(output.splitlines()[:6])
            findings.append(f"{name}: does not compile alone:\n{errors}")
    return findings


if __name__ == "__main__":
    common.main(lint, __doc__)
