#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""rules.py reads rules as they stand and finds what is wrong with them."""

import os
import signal
import subprocess
import sys
import unittest

import rules

GOOD = """# Title

Text explains. `MUST` in code is no rule.

**A-1** The NIC MUST do one thing,
and this is where it ends.

<!-- generated: table -->
whatever MUST be here
<!-- end of table -->

**A-2** The host MUST NOT sleep. *Proved by* `sleep/NO_RECHECK`,
`channel_test/WhoLeavesLooksOnceMore`.

**A-3** The kernel MUST, if so, look. *Proved by* `sleep`.

**A-4** The NIC SHOULD wake. *Fails without:* `in_lane/NIC_FILLS_WITHOUT_WAKE`.
"""


def findings(text):
    found, wrong = rules.parse("f.md", text)
    return wrong + rules.check(found)


class RulesTest(unittest.TestCase):

    def test_good_rules(self):
        found, wrong = rules.parse("f.md", GOOD)
        self.assertEqual(wrong, [])
        self.assertEqual([(rule.id, rule.party, rule.strength, rule.kind, rule.place)
                          for rule in found],
                         [("A-1", "NIC", "MUST", "kit", "f.md:5"),
                          ("A-2", "host", "MUST NOT", "test", "f.md:12"),
                          ("A-3", "kernel", "MUST", "model", "f.md:15"),
                          ("A-4", "NIC", "SHOULD", "kit", "f.md:17")])
        self.assertEqual(found[0].text,
                         "The NIC MUST do one thing, and this is where it ends.")
        self.assertEqual(found[1].proofs, ("sleep/NO_RECHECK",
                                           "channel_test/WhoLeavesLooksOnceMore"))
        self.assertEqual(found[3].runs, ("in_lane/NIC_FILLS_WITHOUT_WAKE",))
        self.assertEqual(rules.check(found), [])
        self.assertIn("sleep/NIC_FENCE_MISSING", rules.unnamed_mutants(found))
        self.assertNotIn("sleep/NO_RECHECK", rules.unnamed_mutants(found))
        self.assertNotIn("in_lane/NIC_FILLS_WITHOUT_WAKE", rules.unnamed_mutants(found))

    def test_bad_rules(self):
        for old, new, expected in (
                ("Text explains.", "It MUST be so.", "outside of a numbered rule"),
                ("The NIC MUST", "NICs MUST", "does not begin"),
                ("The NIC MUST", "The driver MUST", "does not begin"),
                ("where it ends", "MAY end", "more than one thing"),
                ("*Proved by* `sleep`.", "*Proved by* `sleep` somehow.",
                 "the end of its rule"),
                ("**A-2**", "**A-1**", "A-1 is at f.md:5, too"),
                ("**A-1**", "**A-5**", "A-1 is missing"),
                ("`in_lane/NIC_FILLS_WITHOUT_WAKE`", "`channel_test`", "no model's run"),
                ("*Fails without:*", "*Fails*", "the end of its rule"),
                (" *Proved by* `sleep`.", "", "name what proves it"),
                ("NO_RECHECK", "NO_MUTANT", "no mutant"),
                ("WhoLeavesLooksOnceMore", "Nobody", "has no 'Nobody'"),
                ("`sleep`", "`no_test`", "0 files")):
            with self.subTest(new):
                self.assertTrue(any(expected in finding for finding
                                    in findings(GOOD.replace(old, new, 1))),
                                findings(GOOD.replace(old, new, 1)))

    def test_list_ends_with_its_reader(self):
        reader, writer = os.pipe()
        os.close(reader)
        result = subprocess.run((sys.executable, rules.__file__, "--list"), check=False,
                                stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        self.assertEqual((result.returncode, result.stderr), (-signal.SIGPIPE, b""))


if __name__ == "__main__":
    unittest.main()
