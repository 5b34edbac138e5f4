# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What a kernel is configured from, and whether each line of it took effect.

A configuration of this project is a list of fragments over tinyconfig. Kconfig
drops a line without a word if something that it depends on is missing; here that
is an error. The options of the series live in fragments of their own, which are
used when the patched tree knows them.
"""

import pathlib
import re

import arch
from console import Failure

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "config"

# Configurations made of fragments. Each may have a namesake in config/lauberhorn/
# with options of the series; all.config there goes with every configuration.
FRAGMENTS = {
    "daily": ("vm", "daily"),
    "performance": ("vm", "performance"),
    # Those of `make kernel-check-full`.
    "tiny": ("tiny",),
    "arm64": ("tiny", "arm64"),
    "kasan": ("vm", "daily", "kasan"),
    "kcsan": ("vm", "daily", "kcsan"),
    "rt": ("vm", "daily", "rt"),
    "core": ("vm", "daily", "core"),
    "nohz": ("vm", "daily", "nohz"),
    "kvm": ("vm", "daily", "kvm"),
}
ARCHITECTURES = {"arm64": arch.ARM64}
# Configurations made from the one of the running kernel.
RUNNING, FULL = "running", "full"
NAMES = (*FRAGMENTS, RUNNING, FULL)

SERIES_FOLDER = "lauberhorn"
SERIES_KCONFIG = "kernel/Kconfig.lauberhorn"

LINE = re.compile(r"^(CONFIG_\w+)=(.*)$|^# (CONFIG_\w+) is not set$")


def parse(text):
    """The values of a fragment or .config by symbol; n for what is not set."""
    values = {}
    for line in text.splitlines():
        if found := LINE.match(line.strip()):
            values[found[1] or found[3]] = found[2] if found[1] else "n"
    return values


def line_of(symbol, value):
    return f"# {symbol} is not set" if value == "n" else f"{symbol}={value}"


def parse_settings(words):
    """The values of --set SYMBOL=VALUE, with or without CONFIG_."""
    values = {}
    for word in words:
        symbol, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"\w+", symbol):
            raise Failure(f"--set takes SYMBOL=VALUE, not '{word}'")
        values["CONFIG_" + symbol.removeprefix("CONFIG_")] = value
    return values


def fragment_files(name, series):
    """The fragments of a configuration, those of the series last."""
    parts = FRAGMENTS.get(name, ())
    files = [FOLDER / f"{part}.config" for part in parts]
    if series:
        files += [file for part in ("all", *parts)
                  if (file := FOLDER / SERIES_FOLDER / f"{part}.config").exists()]
    return files


def defined_symbols(tree):
    """The options that the series defines in a tree; none without the series."""
    path = tree / SERIES_KCONFIG
    if not path.exists():
        return set()
    return {f"CONFIG_{name}" for name in re.findall(
        r"^\s*(?:menu)?config (\w+)", path.read_text(), re.M)}


def wanted(files, settings, defined):
    """The values that fragments and settings ask for, and the fragments' options
    that are left out because the tree, with the first patches only, lacks them."""
    values, left_out = {}, []
    for file in files:
        for symbol, value in parse(file.read_text()).items():
            if (file.parent.name == SERIES_FOLDER
                    and symbol.startswith("CONFIG_LAUBERHORN")
                    and symbol not in defined):
                left_out.append(symbol)
                continue
            values[symbol] = value
    return {**values, **settings}, left_out


def without_effect(values, config):
    """One line for each value that is not in the text of a .config."""
    actual = parse(config)
    return [f"{line_of(symbol, value)}: is "
            f"{line_of(symbol, actual.get(symbol, 'n'))}"
            for symbol, value in values.items()
            if actual.get(symbol, "n") != value]


def enabled(config):
    """How many options of a .config are y or m."""
    return sum(value in ("y", "m") for value in parse(config).values())
