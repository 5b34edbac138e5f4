# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""From the command line to a finished tree: what is needed, and its steps in order."""

import pathlib
import re
import shutil
import tempfile

import arch
import cache
import config
import debian
import host as hosts
import intree
import kernel
import series
import source
from console import Failure, say, size, warn

FOLDER = pathlib.Path(__file__).resolve().parent.parent
SERIES = FOLDER / "v6.12"
TESTED = (FOLDER / "KERNEL_VERSION").read_text().strip()

# Beside vmlinux with its image: all modules, and the headers for kselftests.
TARGETS = ("modules", "headers")

# Measured with two cores; what a configuration needs grows with its options.
SECONDS_PER_OPTION = 0.35
BYTES_PER_OPTION = 0.7e6
BYTES_WITH_BTF = 5
SOURCE_BYTES = 1.8e9


class Plan:

    def __init__(self, options):
        self.options = options
        self.host = hosts.Host(options.machine)
        self.for_this_machine = options.config in (config.RUNNING, config.FULL)
        self.patches = series.read_series(options.series, options.patches)
        self.settings = config.parse_settings(options.settings)
        self.source = source.find(options.source, install=not (
            options.dry_run or options.where))
        if self.source is None:
            raise Failure(f"{source.PACKAGE} is not installed; tools/deps kernel "
                          "does that")
        self.check_request()
        self.base = self.base_config()
        self.architecture = config.ARCHITECTURES.get(options.config, arch.X86)
        self.tree = cache.Tree(options.cache.absolute(), self.tree_name(),
                               self.architecture)

    def check_request(self):
        """Refuses what cannot end well, before anything is done."""
        if self.options.install and not self.for_this_machine:
            raise Failure(f"a {self.options.config} kernel starts in QEMU only; "
                          "--install takes --config running or full")
        if self.options.install and self.options.machine:
            raise Failure("this kernel is for another machine: make packages with "
                          "--deb and install them there")
        if self.options.install and self.host.secure_boot():
            raise Failure("Secure Boot is on, and this kernel would not start; make "
                          "packages with --deb and sign the image, or switch it off")

    def base_config(self):
        """The configuration to begin with; None for tinyconfig."""
        if not self.for_this_machine:
            return None
        text = self.host.running_config()
        if text is None:
            raise Failure("the running kernel's configuration is neither in /boot "
                          "nor in /proc/config.gz")
        return text

    def values_for_this_machine(self):
        """What a distribution's configuration cannot mean here: its keys, and
        debugging information, which makes up most of a build."""
        present = config.parse(self.base)
        values = {symbol: '""' for symbol in (
            "CONFIG_SYSTEM_TRUSTED_KEYS", "CONFIG_SYSTEM_REVOCATION_KEYS")
            if symbol in present}
        values["CONFIG_LOCALVERSION"] = f'"{debian.LOCAL_VERSION}"'
        if not self.options.btf:
            values["CONFIG_DEBUG_INFO_NONE"] = "y"
        return values

    def tree_name(self):
        name = self.options.config
        texts = [file.read_text() for file in config.fragment_files(name, True)]
        texts += [f"{item}" for item in sorted(self.settings.items())]
        if self.for_this_machine:
            texts += [self.base, str(self.options.btf)]
        if self.options.in_tree:
            texts += intree.texts()
        if name == config.RUNNING:
            texts += sorted(self.host.module_names())
        return f"{name}-" + cache.key(
            self.source.name, self.architecture.compiler(), self.patches, texts)

    # What is said.

    def expected_steps(self):
        file = self.options.cache / "steps" / self.options.config
        return int(file.read_text()) if file.exists() else 0

    def rough_options(self):
        """About how many options the configuration will have enabled."""
        if self.base is None:
            return 850
        if self.options.config == config.FULL:
            return config.enabled(self.base)
        built_in = sum(value == "y" for value in config.parse(self.base).values())
        return built_in + len(self.host.module_names())

    def estimate(self):
        """(minutes, bytes) that a build takes which finds nothing in ccache."""
        options = self.rough_options()
        seconds = options * SECONDS_PER_OPTION * 2 / self.options.jobs
        needed = options * BYTES_PER_OPTION
        if self.options.btf and self.for_this_machine:
            seconds, needed = seconds * 2, needed * BYTES_WITH_BTF
        return seconds / 60, needed + SOURCE_BYTES

    def facts(self):
        minutes, needed = self.estimate()
        built = self.tree.finished.exists()
        yield "source", f"{self.source.path} ({self.source.version or 'not Debian'})"
        yield "tested with", TESTED
        yield "series", (f"{len(self.patches)} patches of {self.options.series}")
        yield "configuration", self.options.config
        yield "compiler", self.architecture.compiler() + (
            ", ccache" if shutil.which("ccache") else "")
        yield "tree", f"{self.tree.folder} ({'built' if built else 'not built'})"
        yield "time", ("none" if built else f"about {minutes:.0f} minutes with "
                       f"{self.options.jobs} jobs, less with a warm ccache")
        yield "disk", (f"about {size(needed)} in {self.options.cache}, where "
                       f"{size(hosts.free_bytes(self.options.cache))} are free")
        if self.for_this_machine:
            yield from hosts.facts(self.host, self.options.btf)

    def describe(self):
        """All facts, and whether the series applies; changes nothing."""
        for what, text in self.facts():
            say(f"{what + ':':16}{text}")
        self.warn_of_version(self.source.version)
        with tempfile.TemporaryDirectory(prefix="lauberhorn-kernel-") as folder:
            folder = pathlib.Path(folder)
            if self.patches:
                source.extract(self.source, series.touched_files(self.patches),
                               folder)
            self.report_hunks(series.apply(folder, self.patches,
                                           self.options.allow_fuzz))
        if self.for_this_machine:
            release = f"{self.source.version or 'VERSION'}{debian.LOCAL_VERSION}"
            say("way back:")
            for line in hosts.way_back(self.host, release):
                say(f"  {line}")

    def warn_of_version(self, version):
        if version is not None and version != TESTED:
            warn(f"this source is {version}, the series was tested with {TESTED}")

    def report_hunks(self, moved):
        for hunk in moved:
            say(f"  {hunk}")
        fuzzy = sum(hunk.fuzz > 0 for hunk in moved)
        say(f"series: {len(self.patches)} patches apply, {len(moved)} hunks at "
            f"another line, {fuzzy} with fuzz")

    # What is done.

    def carry_out(self):
        with cache.locked(self.tree_root, self.tree.name):
            if self.tree.finished.exists():
                say(f"up to date: {self.tree.name}")
            else:
                self.build()
            if self.options.configure:
                return
            if self.options.deb or self.options.install:
                packages = debian.package(self.kernel())
                if self.options.install:
                    debian.install(packages, self.host)
        say(f"kernel: {self.tree.image}")

    @property
    def tree_root(self):
        return self.options.cache.absolute()

    def kernel(self):
        return kernel.Kernel(self.tree, self.options.jobs)

    def build(self):
        minutes, needed = self.estimate()
        if hosts.free_bytes(self.options.cache) < needed:
            raise Failure(f"{self.options.cache} has "
                          f"{size(hosts.free_bytes(self.options.cache))} free, and "
                          f"this takes about {size(needed)}; --cache names another "
                          "place, --prune removes old trees")
        self.tree.building.mkdir(parents=True, exist_ok=True)
        self.patch()
        made = self.kernel()
        say(f"configuring {self.options.config}")
        self.configure(made)
        if self.options.configure:
            say(f"configuration: {self.tree.build / '.config'}")
            return
        say(f"building {self.tree.name}, about {minutes:.0f} minutes if ccache "
            "has nothing of it")
        steps = made.compile((self.architecture.image, *TARGETS),
                             self.expected_steps())
        self.remember(steps)
        make_movable(self.tree)
        self.tree.publish()

    def patch(self):
        """Makes the patched source, which then is there whole or not at all."""
        if self.tree.source.exists():
            say("going on with what an interrupted build left")
            return
        pristine = self.tree_root / "sources" / self.source.name
        with cache.locked(self.tree_root, "sources"):
            source.unpack(self.source, pristine)
        self.warn_of_version(source.version_of(pristine))
        fresh = self.tree.building / "source.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        source.link_copy(pristine, fresh)
        self.report_hunks(series.apply(fresh, self.patches,
                                       self.options.allow_fuzz))
        if self.options.in_tree:
            intree.stage(fresh)
        fresh.rename(self.tree.source)

    def configure(self, made):
        defined = config.defined_symbols(self.tree.source)
        values, left_out = config.wanted(
            config.fragment_files(self.options.config, bool(defined)),
            self.settings, defined)
        if left_out and self.options.patches is None:
            raise Failure("the series does not define " + " ".join(left_out))
        if left_out:
            say("not in these patches: " + " ".join(left_out))
        if self.options.in_tree:
            values = {intree.OPTION: "m", **values}
        if self.for_this_machine:
            values = {**self.values_for_this_machine(), **values}
        made.configure(self.base, values)
        if self.options.config == config.RUNNING:
            modules = self.tree.folder / "modules.txt"
            modules.write_text(self.host.loaded_modules())
            made.make(f"LSMOD={modules}", "localmodconfig")
            made.configure((self.tree.build / ".config").read_text(), values)

    def remember(self, steps):
        """Keeps the number of steps of a whole build, for the next one's progress."""
        if steps > self.expected_steps() / 2:
            file = self.options.cache / "steps" / self.options.config
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{steps}\n")


def make_movable(tree):
    """Prepares a build folder for its new name: it says its old one where a build
    goes on (Makefile), and where objtool remembers how it was made, which would be
    made anew, and with it all that it looked at."""
    makefile = tree.build / "Makefile"
    makefile.write_text(re.sub(r"^include .*/Makefile$", "include ../Makefile",
                               makefile.read_text(), flags=re.M))
    for file in (tree.build / "tools").rglob(".*.cmd"):
        file.write_text(file.read_text().replace(str(tree.building),
                                                 str(tree.finished)))
