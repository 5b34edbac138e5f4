#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What ktap.py counts."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import ktap  # noqa: E402: needs the path

LOG = """\
KTAP version 1
    # Subtest: words
    ok 1 fields
        # Subtest: mode
        ok 1 fair
        not ok 2 realtime
    not ok 2 mode
    ok 3 nr # SKIP one CPU
not ok 1 words
ok 2 lonely
"""


class KtapTest(unittest.TestCase):
    def test_leaves_count(self):
        results = ktap.parse(LOG)
        self.assertEqual(results.passed, ["fields", "fair", "lonely"])
        self.assertEqual(results.failed, ["realtime"])
        self.assertEqual(results.skipped, ["nr"])
        self.assertEqual(results.groups, ["mode", "words"])

    def test_group_that_fails_by_itself_counts(self):
        results = ktap.parse("    ok 1 inner\nnot ok 1 outer\n")
        self.assertEqual(results.passed, ["inner"])
        self.assertEqual(results.failed, ["outer"])

    def test_kselftest(self):
        results = ktap.parse("TAP version 13\n1..2\nok 1 threads.a\n"
                             "not ok 2 threads.b\n# FAILED: 1 / 2 tests passed.\n")
        self.assertEqual(results.passed, ["threads.a"])
        self.assertEqual(results.failed, ["threads.b"])

    def test_prose_does_not_count(self):
        self.assertEqual(ktap.parse("all ok 1 day\n# ok 2 comment\n").passed, [])


if __name__ == "__main__":
    unittest.main()
