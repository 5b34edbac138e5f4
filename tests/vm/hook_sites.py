# SPDX-FileCopyrightText: The Lauberhorn authors
# SPDX-License-Identifier: Apache-2.0
"""The hooks of the kernel series, as they are in a built kernel.

A *site* is a place where a static key of the series is looked at: a no-op that becomes
a jump while a device is registered, or one that needs kicks. What it jumps to, its
*block*, mostly tests a pointer first (has this CPU a line, is this thread bound) and then
calls a function of the series.
"""

import bisect
import re
import struct
import subprocess
from dataclasses import dataclass

# What each key is for.
KEYS = {"lauberhorn_publishing": "word", "lauberhorn_kicking": "kick"}
# What asks whether a thread only waits.
WAITER = ("waiter", "only_waits")
# Here the key says that a CPU has become idle.
IDLE = "do_idle"
# What hooks call, and what that calls.
FUNCTION = re.compile(r"(__lauberhorn_|lh_)[\w.]+")
HOOK = re.compile(r"<__lauberhorn_(\w+)>")
# And what that asks what time it is.
CLOCK = re.compile(r"(local|sched)_clock(_\w+)?")
BEGINS = {"wake": "try_to_wake_up", "switch": "__schedule"}

INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(\S+)(?: +(.*?))?\s*$", re.M)
SECTION = re.compile(r"\] (\S+) +(\w+) +(\w+) (\w+) (\w+) \w+ +\w*A\w* ")
BLOCK_BYTES = 128  # no block is longer
ADDRESS = (1 << 64) - 1


def output(*words):
    return subprocess.run(words, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


@dataclass(frozen=True)
class Instruction:
    address: int
    name: str
    operands: str = ""

    def jumps_if(self):
        return self.name.startswith("j") and self.name != "jmp"

    def is_last(self):
        return self.name in ("jmp", "ret")

    def calls(self):
        """Whether it goes to a function of the series, perhaps for good."""
        place = self.operands.partition("<")[2].removesuffix(">")
        return (self.name in ("call", "jmp") and
                FUNCTION.fullmatch(place) is not None)


def instructions(text):
    """What objdump says, without prefixes such as those of a branch hint."""
    return [Instruction(int(address, 16), name, operands or "")
            for address, name, operands in INSTRUCTION.findall(text)]


@dataclass(frozen=True)
class Site:
    address: int
    function: str
    block: tuple  # of Instruction, up to its last jump
    key: str = "word"  # of KEYS

    @property
    def purpose(self):
        """What the hook is for: word, kick, idle, or waiter: it tells nothing, and
        asks whether what runs only waits."""
        if self.hook in WAITER:
            return "waiter"
        return "idle" if self.function == IDLE else self.key

    @property
    def hook(self):
        """The function of the series that it calls, without its prefix, or ""."""
        for instruction in self.block:
            if found := HOOK.search(instruction.operands):
                return found[1]
        return ""

    @property
    def tests(self):
        """Instructions of the block if the pointer is NULL, or 0 if nothing is
        tested: hotplug, which is no matter of cost."""
        for number, instruction in enumerate(self.block, 1):
            if instruction.jumps_if():
                return number
            if instruction.name == "call":
                return 0
        return 0


def make_block(code):
    """The instructions up to the first from which nothing goes on."""
    block = []
    for instruction in code:
        block.append(instruction)
        if instruction.is_last():
            return tuple(block)
    raise ValueError(f"a block without an end at {code[0].address:#x}")


@dataclass(frozen=True)
class Section:
    name: str
    address: int
    offset: int  # in the file
    size: int


def loaded_sections(text):
    """What of a kernel's file is in its memory, from what readelf says."""
    return [Section(name, *(int(number, 16) for number in numbers))
            for name, kind, *numbers in SECTION.findall(text) if kind != "NOBITS"]


def jump_entries(table, address):
    """(code, target, key) of each struct jump_entry; each is relative to where it
    is itself. The low bits of a key say which way the branch is."""
    for at in range(0, len(table), 16):
        code, target, key = struct.unpack_from("<iiq", table, at)
        here = address + at
        yield ((here + code) & ADDRESS, (here + 4 + target) & ADDRESS,
               (here + 8 + key) & ADDRESS & ~3)


class Kernel:
    """A vmlinux."""

    def __init__(self, image):
        self.image = image
        found = re.findall(r"^(\w+) (?:(\w+) )?(\w) (\S+)$",
                           output("nm", "-n", "-S", image), re.M)
        self.symbols = {name: (int(address, 16), int(size or "0", 16))
                        for address, size, _, name in found}
        code = [(int(address, 16), name) for address, size, kind, name in found
                if kind in "tT" and size]
        self.addresses = [address for address, _ in code]
        self.names = [name for _, name in code]

    def function_at(self, address):
        return self.names[bisect.bisect_right(self.addresses, address) - 1]

    def bytes_at(self, start, end):
        for section in self.sections():
            if (section.address and section.address <= start and
                    end <= section.address + section.size):
                with open(self.image, "rb") as file:
                    file.seek(section.offset + start - section.address)
                    return file.read(end - start)
        raise ValueError(f"nothing at {start:#x}")

    def sections(self):
        return loaded_sections(output("readelf", "--sections", "--wide", self.image))

    def disassemble(self, start, end):
        return instructions(output(
            "objdump", "--disassemble", "--no-show-raw-insn",
            f"--start-address={start:#x}", f"--stop-address={end:#x}", self.image))

    def sites(self):
        keys = {self.symbols[name][0]: what for name, what in KEYS.items()
                if name in self.symbols}
        start, end = (self.symbols[f"__{which}___jump_table"][0]
                      for which in ("start", "stop"))
        return [Site(code, self.function_at(code), make_block(
                    self.disassemble(target, target + BLOCK_BYTES)), keys[key])
                for code, target, key in jump_entries(
                    self.bytes_at(start, end), start)
                if key in keys]

    def functions(self):
        """(first address, size) of each function that is counted in a hook."""
        return [self.symbols[name] for name in self.names
                if (FUNCTION.fullmatch(name) or CLOCK.fullmatch(name)) and
                self.symbols[name][1]]

    def begins(self):
        """What a wake-up and a switch begin with."""
        return {self.symbols[name][0]: kind for kind, name in BEGINS.items()}
