#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The tables of the contract say what the C compiler says of the headers.

What is checked is the text that a reader sees: all tables of spec/contract/ are read
back, and each size, offset, value and bit becomes an assertion that is compiled.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
import layouts  # noqa: E402
import rules  # noqa: E402

TABLE = re.compile(r"<!-- generated: (\w+) (.*?) -->\n(.*?)<!-- end of \1 \2 -->", re.S)


def tables():
    """(kind, names, text) of all tables about abi/."""
    return [found.groups() for path in rules.files()
            for found in TABLE.finditer(path.read_text()) if found.group(1) != "diagram"]


def cells(text, columns):
    """The rows of a table below its head."""
    rows = [line.strip("|").split("|") for line in text.splitlines()
            if line.startswith("|")]
    for row in rows:
        assert len(row) == columns, f"{len(row)} cells, not {columns}: {row}"
    return [[cell.strip(" `*") for cell in row] for row in rows[2:]]


def assertions(kind, names, text):
    """C expressions that must hold if the table is right."""
    if kind == "struct":
        size = re.search(r"`struct (\w+)`, (\d+) bytes:", text)
        yield f"sizeof(struct {size.group(1)}) == {size.group(2)}"
        assert size.group(1) == names
        end = 0
        for offset, size, name, *_ in cells(text, 8):
            if not offset:
                continue  # a heading
            assert int(offset) == end, f"{names}: a gap before {name}"
            end = int(offset) + int(size)
            yield f"__builtin_offsetof(struct {names}, {name}) == {offset}"
            yield f"sizeof(((struct {names} *)0)->{name}) == {size}"
        yield f"sizeof(struct {names}) == {end}"
    elif kind == "bits":
        for name, shift, bits in cells(text, 3):
            yield f"{names}{name.upper()}_SHIFT == {shift}"
            yield f"{names}{name.upper()}_BITS == {bits}"
    else:
        for name, value, _ in cells(text, 3):
            yield f"{name} == {value}"


def program(expressions):
    headers = [f"abi/{folder}/{path.name}" for folder in ("host", "wire")
               for path in sorted((layouts.ROOT / "abi" / folder).glob("*.h"))
               if path.name not in layouts.OTHERS]
    return "".join(f'#include "{name}"\n' for name in headers) + "".join(
        f'_Static_assert({each}, "");\n' for each in expressions)


def compiles(text):
    done = subprocess.run(
        [shutil.which("cc") or "gcc", "-std=gnu11", "-fsyntax-only", "-x", "c",
         "-I", ".", "-"], cwd=layouts.ROOT, input=text, text=True, capture_output=True)
    return done.returncode == 0, done.stderr


class LayoutsTest(unittest.TestCase):

    def expressions(self):
        return [each for table in tables() for each in assertions(*table)]

    def test_tables_agree_with_the_compiler(self):
        expressions = self.expressions()
        self.assertGreater(len(expressions), 300)
        good, errors = compiles(program(expressions))
        self.assertTrue(good, errors)

    def test_the_compiler_refuses_each_kind_of_mistake(self):
        for wrong in ("sizeof(struct lh_info) == 4095",
                      "__builtin_offsetof(struct lh_message, aux) == 45",
                      "sizeof(((struct lh_packet *)0)->token) == 4",
                      "LH_CPU_SEQ_SHIFT == 43", "LH_KIND_CALL == 2"):
            self.assertFalse(compiles(program([wrong]))[0], wrong)

    def test_each_layout_is_in_a_table_once(self):
        text = "".join(text for _, _, text in tables())
        for name in layouts.Layouts().names():
            self.assertEqual(len(re.findall(rf"(^|\| ){re.escape(name)}", text, re.M)), 1,
                             name)

    def test_a_header_that_is_not_understood_is_refused(self):
        parsed = layouts.Layouts()
        good = "\t__u64 word; /* w: NIC; r: host; o: atomic */\n"
        offset = "LH_FIELD(lh_x, word, 0);"
        self.assertEqual(len(list(parsed.read_struct("lh_x", good, offset))), 1)
        for body, text in ((good, ""), (good.replace("__u64", "int"), offset),
                           (good.replace("o: ", ""), offset), ("\tword\n", offset)):
            with self.assertRaises(layouts.Malformed):
                list(parsed.read_struct("lh_x", body, text))
        with self.assertRaises(layouts.Malformed):
            list(parsed.read_enum("lh_x", "\tLH_X,\n"))
        for marker in ("struct lh_nothing", "enum", "constants LH_NOTHING_", "picture x"):
            with self.assertRaises(layouts.Malformed):
                parsed.table(marker)


if __name__ == "__main__":
    unittest.main()
