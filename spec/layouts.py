# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Tables of the layouts in abi/, for spec/generate.py.

A part of the contract asks for one with a pair of markers:

  <!-- generated: struct lh_info -->        fields: offset, size, who, order
  <!-- generated: enum lh_kind -->          values and what they mean
  <!-- generated: constants LH_FLAG_ ... --> the same of all #defines that begin so
  <!-- generated: bits LH_CPU_ -->          the fields of a word, by their _SHIFTs

The headers are read as text: tools/lint/abi_fields.py holds them to the form that
is expected here, spec/layouts_test.py has the compiler say whether the tables are
right.
"""

import pathlib
import re
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Operations and what is generated from channel.table: no layouts.
OTHERS = {"atomic_kernel.h", "atomic_user.h", "bell.h", "channel.h", "channel_edges.h",
          "channel_user.h"}

DEFINE = re.compile(r"^#define (LH_\w+) (.+?)(?:[ \t]*/\* (.*?) \*/)?$", re.M)
STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.M | re.S)
ENUM = re.compile(r"^enum (\w+) \{\n(.*?)^\};", re.M | re.S)
FIELD = re.compile(r"^\t([\w ]+?) (\w+)(?:\[(\w+)\])?; "
                   r"/\* w: ([^;]+); r: ([^;]+); o: ([^;]+?)(?:; (.*))? \*/$")
VALUE = re.compile(r"^\t(LH_\w+) = (\w+),?(?: /\* (.*?) \*/)?$")


class Malformed(Exception):
    """A header is not as this expects it."""


@dataclass(frozen=True)
class Named:
    name: str
    value: int
    text: str  # as it stands there
    meaning: str


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    offset: int
    size: int
    writer: str
    reader: str
    order: str
    note: str


def row(*cells):
    return "|" + "".join(f" {cell} |" if cell != "" else " |" for cell in cells)


class Layouts:
    """All that the layout headers of abi/ declare."""

    def __init__(self, root=ROOT):
        self.constants = {}  # name -> Named
        self.enums = {}  # name -> [Named]
        self.structs = {}  # name -> [Field or str, a heading]
        self.sizes = {"__u8": 1, "__u16": 2, "__u32": 4, "__u64": 8}
        texts = [path.read_text() for folder in ("host", "wire")
                 for path in sorted((root / "abi" / folder).glob("*.h"))
                 if path.name not in OTHERS]
        for text in texts:
            self.read_constants(text)
        for text in texts:
            for tag, size in re.findall(r"^LH_SIZE\((\w+), (\w+)\);", text, re.M):
                self.sizes[f"struct {tag}"] = self.number(size)
            for tag, body in ENUM.findall(text):
                self.enums[tag] = list(self.read_enum(tag, body))
        for text in texts:
            for tag, body in STRUCT.findall(text):
                self.structs[tag] = list(self.read_struct(tag, body, text))

    def number(self, text):
        """The value of a constant expression."""
        names = re.sub(r"(?<=[0-9a-fA-F])U?LL?\b", "", text)
        names = re.sub(r"\bLH_\w+", lambda name: str(self.constants[name.group(0)].value),
                       names)
        if not re.fullmatch(r"[\s0-9a-fA-FxX()*+-]+", names):
            raise Malformed(f"'{text}' is no number")
        return int(eval(names))  # digits and operators only

    def read_constants(self, text):
        for name, value, meaning in DEFINE.findall(text):
            try:
                number = self.number(value)
            except (KeyError, Malformed):
                continue  # a macro
            text = re.sub(r"ULL\b", "", value.strip("()"))
            self.constants[name] = Named(name, number, text, meaning)

    def read_enum(self, tag, body):
        meaning = ""
        body = re.sub(r"/\*((?:(?!\*/).)*\n.*?)\*/",
                      lambda block: "/* " + " ".join(re.sub(
                          r"^\s*\* ?", "", block.group(1), flags=re.M).split()) + " */",
                      body, flags=re.S)
        for line in body.splitlines():
            value = VALUE.match(line)
            if value:
                name, number, own = value.groups()
                yield Named(name, self.number(number), number, own or meaning)
            elif re.fullmatch(r"\t/\* (.*) \*/", line):
                meaning = line[4:-3]
            else:
                raise Malformed(f"enum {tag}: '{line.strip()}'")

    def read_struct(self, tag, body, text):
        for line in body.splitlines():
            field = FIELD.match(line)
            if not field:
                heading = re.fullmatch(r"\t/\* (.*) \*/", line)
                if line.strip() and not heading:
                    raise Malformed(f"struct {tag}: '{line.strip()}'")
                if heading:
                    yield heading.group(1)
                continue
            kind, name, count, *said = field.groups()
            offset = re.search(rf"^LH_FIELD\({tag}, {name}, (\d+)\);", text, re.M)
            if kind not in self.sizes or not offset:
                raise Malformed(f"struct {tag}: {name} has no size or no LH_FIELD")
            size = self.sizes[kind] * (self.number(count) if count else 1)
            if count:
                kind += f"[{self.number(count)}]"
            yield Field(name, kind, int(offset.group(1)), size, *(s or "" for s in said))

    # Tables.

    def table(self, what):
        """The lines of the table for a marker."""
        kind, *names = what.split(" ")
        makers = {"struct": self.struct_table, "enum": self.enum_table,
                  "constants": self.constants_table, "bits": self.bits_table}
        try:
            return makers[kind](names)
        except (KeyError, ValueError) as missing:
            raise Malformed(f"'{what}': there is no {missing}") from missing

    def struct_table(self, names):
        tag, = names
        rows = [f"`struct {tag}`, {self.sizes[f'struct {tag}']} bytes:", "",
                "| offset | size | field | type | written by | read by | order | note |",
                "| ---: | ---: | --- | --- | --- | --- | --- | --- |"]
        for field in self.structs[tag]:
            if isinstance(field, str):
                rows.append(f"| | | *{field}* | | | | | |")
                continue
            kind = re.sub(r"^__u(\d+)", r"u\1", field.type)
            rows.append(row(field.offset, field.size, f"`{field.name}`", kind,
                            field.writer, field.reader, field.order, field.note))
        return rows

    @staticmethod
    def named_table(values):
        rows = ["| name | value | meaning |", "| --- | ---: | --- |"]
        rows += [row(f"`{each.name}`", each.text, each.meaning) for each in values]
        return rows

    def enum_table(self, names):
        tag, = names
        return [f"`enum {tag}`:", "", *self.named_table(self.enums[tag])]

    def constants_table(self, prefixes):
        return self.named_table([self.constants[name] for prefix in prefixes
                                 for name in self.starting_with(prefix)])

    def starting_with(self, prefix):
        names = [name for name in self.constants
                 if name == prefix or (prefix.endswith("_") and name.startswith(prefix))]
        if not names:
            raise KeyError(prefix)
        return names

    def bits_table(self, names):
        prefix, = names
        shifts = {name[len(prefix):-len("_SHIFT")]: each.value
                  for name, each in self.constants.items()
                  if name.startswith(prefix) and name.endswith("_SHIFT")}
        rows = ["| field | lowest bit | bits |", "| --- | ---: | ---: |"]
        above = 64
        for name, shift in sorted(shifts.items(), key=lambda item: -item[1]):
            bits = self.constants.get(f"{prefix}{name}_BITS")
            if bits and bits.value != above - shift:
                raise Malformed(f"{bits.name} is not what lies above {name}_SHIFT")
            rows.append(f"| {name.lower()} | {shift} | {above - shift} |")
            above = shift
        return rows

    def names(self):
        """All that some table must have, as it stands there."""
        of_words = {name.replace("_SHIFT", end) for name in self.constants
                    for end in ("_SHIFT", "_BITS") if name.endswith("_SHIFT")}
        return ([f"`struct {tag}`" for tag in self.structs] +
                [f"`enum {tag}`" for tag in self.enums] +
                [f"`{name}`" for name in self.constants if name not in of_words])
