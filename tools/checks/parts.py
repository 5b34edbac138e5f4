# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What `make check`, `make check-full` and `make check-changed` consist of.

A part passes if all its commands exit with 0. What it counts is, in this order:
the tests in the report of each ctest(), the last line "N passed, N failed" of
its output, one. `inputs` are the folders and files whose change can break it;
`minutes` is what it takes on two cores, nothing built before.
"""

import pathlib
from dataclasses import dataclass, field

CHECK, FULL, CHANGED, KERNEL = "check", "full", "changed", "kernel"
ALWAYS = (CHECK, FULL, CHANGED)
MODES = (*ALWAYS, KERNEL)
# Modes in which a part that passed with the same inputs is not run again.
RESUMED = (FULL, KERNEL)

LOGS = "build/check"


@dataclass(frozen=True)
class Command:
    """One program; {jobs}, {changed} and {part} in its words are filled in."""
    words: tuple
    environment: tuple = ()
    report: str = ""


@dataclass(frozen=True)
class Part:
    name: str
    what: str
    modes: tuple
    minutes: float
    inputs: tuple
    commands: tuple = field(default_factory=tuple)


def run(*words, **environment):
    return Command(words, tuple(environment.items()))


def configure(preset):
    return run("cmake", "--preset", preset, "--log-level=WARNING")


def build(preset, *targets):
    return run("cmake", "--build", "--preset", preset, "--parallel", "{jobs}",
               *(("--target",) + targets if targets else ()))


def ctest(preset, *arguments, before=(), **environment):
    """The tests of a preset; none at all is a failure."""
    report = f"{LOGS}/{{part}}.{preset}.xml"
    words = (*before, "ctest", "--preset", preset, "--parallel", "{jobs}",
             "--no-tests=error", "--output-junit",
             str(pathlib.Path.cwd() / report), *arguments)
    return Command(words, tuple(environment.items()), report)


def other_kernel(name, what, minutes, *guest, tests=("kunit", "selftests"),
                 config=None):
    """A kernel of another configuration, or another machine, with the series' own
    tests in it; `guest` are arguments of tests/vm/run."""
    config = config or name
    return Part(f"kernel-{name}", what, (FULL, KERNEL), minutes, SERIES, (
        run("linux-patches/build.sh", "--jobs", "{jobs}", "--config", config),
        *(run(f"tests/vm/{test}_test", "--config", config, *guest)
          for test in tests)))


def fixed_addresses():
    """What GCC's ThreadSanitizer needs where addresses are very random."""
    bits = pathlib.Path("/proc/sys/vm/mmap_rnd_bits")
    try:
        return ("setarch", "-R") if int(bits.read_text()) > 28 else ()
    except OSError:
        return ()


HOUSE = ("CMakeLists.txt", "CMakePresets.json", "cmake/")
LIBRARY = HOUSE + ("abi/", "nic/", "librpc/", "idl/", "cli/")
CODE = LIBRARY + ("bench/", "examples/", "tests/", "spec/")
EXAMPLES = LIBRARY + ("examples/", "tests/", "tools/stage",
                      "tools/package_test")
SERIES = ("linux-patches/", "Kconfig.lauberhorn", "kmod/", "tests/vm/",
          "tests/end_to_end.sh", "abi/")
EVERYTHING = ("",)

PARTS = (
    Part("lint", "licences, formatting, headers, arrows, generated copies",
         ALWAYS, 0.5, EVERYTHING,
         (run("tools/lint/run.py"),)),
    Part("release", "release build and all its tests",
         ALWAYS, 3.5, CODE,
         (configure("release"), build("release"),
          ctest("release", "--exclude-regex", "^header_interleavings$"))),
    Part("package", "the installed package: examples by CMake and end to end, "
         "also with a container's system calls and over gRPC, a program by "
         "pkg-config",
         ALWAYS, 2.0, EXAMPLES,
         (run("tools/package_test", "--jobs", "{jobs}"),)),
    Part("model", "the protocols' models with their mutants, and the real "
         "header in all interleavings",
         ALWAYS, 2.5, HOUSE + ("spec/", "abi/", "tools/model"),
         (run("tools/model", "--jobs", "{jobs}"),)),
    Part("conformance", "tests of each kind with a log of every edge, checked",
         (CHECK, CHANGED), 1.5, CODE + ("tools/conformance",),
         (run("tools/conformance", "--jobs", "{jobs}", "--quick"),)),
    Part("asan-ubsan", "AddressSanitizer and UndefinedBehaviorSanitizer, the "
         "tests of what handles bytes from elsewhere",
         (CHECK, CHANGED), 3.0, CODE,
         (configure("asan-ubsan"),
          build("asan-ubsan", "lauberhorn_tests_memory"),
          ctest("asan-ubsan", "--label-regex", "^memory$"))),
    Part("tsan", "ThreadSanitizer, the tests of concurrency",
         (CHECK, CHANGED), 1.0, CODE,
         (configure("tsan"), build("tsan", "lauberhorn_tests_concurrency"),
          ctest("tsan", "--label-regex", "^concurrency$",
                before=fixed_addresses()))),
    Part("kernel", "Linux with the series, in QEMU: how it is built, that its "
         "checks see what they must, its tests",
         ALWAYS + (KERNEL,), 15.0, SERIES,
         (run("tests/vm/check", "--jobs", "{jobs}"),)),
    Part("tidy", "clang-tidy",
         (FULL, CHANGED), 5.0, CODE + (".clang-tidy",),
         (configure("release"), build("release"),
          run("tools/lint/tidy.py", "--jobs", "{jobs}", "{changed}"))),
    Part("asan-ubsan-all", "AddressSanitizer and UndefinedBehaviorSanitizer, "
         "all tests",
         (FULL,), 3.0, CODE,
         (configure("asan-ubsan"), build("asan-ubsan"), ctest("asan-ubsan"))),
    Part("tsan-all", "ThreadSanitizer, all tests",
         (FULL,), 4.0, CODE,
         (configure("tsan"), build("tsan"),
          ctest("tsan", before=fixed_addresses()))),
    Part("conformance-all", "all tests with a log of every edge, checked",
         (FULL,), 4.0, CODE + ("tools/conformance",),
         (run("tools/conformance", "--jobs", "{jobs}"),)),
    Part("long", "the tests that do more when they have time",
         (FULL,), 10.0, CODE,
         (configure("release"), build("release"),
          ctest("release", "--label-regex", "^long$", LAUBERHORN_LONG="1"))),
    Part("simulation", "a million simulated runs under faults",
         (FULL,), 8.0, HOUSE + ("abi/", "nic/"),
         (configure("release"), build("release", "nic_simulation_test"),
          ctest("release", "--tests-regex", "^nic_simulation_test_",
                LAUBERHORN_LONG="1"))),
    Part("fuzz", "each fuzzer for a minute",
         (FULL,), 15.0, LIBRARY + ("tools/fuzz",),
         (configure("fuzz"), build("fuzz"), run("tools/fuzz"))),
    Part("clang", "build and tests with the other compiler",
         (FULL,), 3.0, CODE,
         (configure("clang"), build("clang"), ctest("clang"))),
    Part("shared", "build and tests as a shared library",
         (FULL,), 2.0, CODE,
         (configure("shared"), build("shared"), ctest("shared"))),
    Part("subproject", "the examples with the library as a part of their "
         "build",
         (FULL,), 2.0, EXAMPLES,
         (run("tools/package_test", "--jobs", "{jobs}", "--subproject"),)),
    Part("model-large", "the models with larger bounds",
         (FULL,), 40.0, ("spec/",),
         (run("spec/model/run", "--large"),)),
    Part("kernel-patches", "each patch of the series builds, with its options and "
         "without",
         (FULL, KERNEL), 30.0, SERIES,
         (run("linux-patches/check.sh", "--jobs", "{jobs}", "--prefixes"),)),
    Part("kernel-patches-tests", "each patch of the series passes its own tests",
         (FULL, KERNEL), 60.0, SERIES,
         (run("linux-patches/check.sh", "--jobs", "{jobs}", "--tests"),)),
    Part("kernel-static", "sparse, kernel-doc, and objtool's look at what must not "
         "be traced",
         (FULL, KERNEL), 8.0, SERIES,
         (run("linux-patches/check.sh", "--jobs", "{jobs}", "--static"),)),
    other_kernel("kasan", "the series' tests with KASAN", 20.0, "--memory", "2G"),
    other_kernel("kcsan", "the series' tests with KCSAN", 25.0, "--races-of",
                 "lauberhorn"),
    other_kernel("rt", "the series' tests with PREEMPT_RT", 20.0),
    other_kernel("core", "the series' tests with core scheduling", 20.0, "--smp",
                 "4,cores=2,threads=2"),
    other_kernel("nohz", "the series' tests on CPUs without a tick", 20.0,
                 "--append", "nohz_full=1"),
    other_kernel("kvm", "KVM as a module builds and the tests pass", 20.0,
                 tests=("kunit",)),
    other_kernel("arm64", "the series builds for arm64", 8.0, tests=()),
    other_kernel("three", "the series' tests on three processors, so that interrupts "
                 "are sent to several at once", 6.0, "--smp", "3", config="daily"),
    Part("kernel-stock", "services on Debian's own kernels, by tracepoints",
         (FULL, KERNEL), 15.0, SERIES,
         (configure("vm"), build("vm", "vm_serve", "lauberhornd"),
          *(run("tests/vm/serve_test", "--stock", flavour)
            for flavour in ("amd64", "rt-amd64")))),
    Part("kernel-examples", "the examples with the module and its daemon",
         (FULL, KERNEL), 8.0, SERIES + EXAMPLES,
         (run("tests/vm/examples_test", "--jobs", "{jobs}"),)),
    Part("kernel-edges", "every edge of the channels between services and their "
         "daemon, checked",
         (FULL, KERNEL), 15.0, SERIES + CODE,
         (run("tests/vm/edges_test", "--jobs", "{jobs}"),)),
    Part("kernel-demo", "what `make vm-demo` shows and records",
         (FULL, KERNEL), 8.0, SERIES + CODE,
         (run("tests/vm/demo_test"),)),
    Part("kernel-kasan-services", "the module and services behind it with KASAN",
         (FULL, KERNEL), 40.0, SERIES + CODE,
         (run("linux-patches/build.sh", "--jobs", "{jobs}", "--config", "kasan"),
          configure("vm"), build("vm", "vm_kmod", "vm_serve", "lauberhornd"),
          run("tests/vm/kmod_test", "--config", "kasan"),
          run("tests/vm/serve_test", "--config", "kasan"))),
    Part("kernel-services-long", "the module and services behind it with ten times as "
         "many kills; instructions of a request",
         (FULL, KERNEL), 40.0, SERIES + CODE,
         (run("tests/vm/serve_test", "--jobs", "{jobs}", LAUBERHORN_LONG="1"),
          build("vm", "vm_kmod"), run("tests/vm/kmod_test", LAUBERHORN_LONG="1"))),
    Part("kernel-rounds", "ten million rounds of parking and waking",
         (FULL, KERNEL), 15.0, SERIES,
         (run("linux-patches/build.sh", "--jobs", "{jobs}"),
          run("tests/vm/kunit_test", "--rounds", "10000000"))),
    Part("kernel-storm", "an hour in which threads, CPUs and groups come and go",
         (FULL, KERNEL), 75.0, SERIES,
         (run("linux-patches/build.sh", "--jobs", "{jobs}"),
          configure("vm"), build("vm", "vm_storm"),
          run("tests/vm/run", "--timeout", "5400", "build/vm/tests/vm_storm",
              "--unrecorded", "--seconds", "3600"))),
    Part("fresh-demo", "`make demo` on a Debian 12 that has only git and make",
         (FULL,), 6.0, EXAMPLES + ("Makefile", "tools/"),
         (run("tools/fresh", "demo"),)),
    Part("fresh-check", "`make check` on a Debian 12 that has only git and "
         "make",
         (FULL,), 22.0, EVERYTHING,
         (run("tools/fresh", "check"),)),
)
