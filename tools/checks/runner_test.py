#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The runner counts what ran, fails what fails, and repeats what changed."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from checks import parts, runner  # noqa: E402: needs the path

REPORT = """<testsuite>
<testcase name="a" status="run"/>
<testcase name="b" status="fail"><failure/></testcase>
<testcase name="c" status="run"/>
<testcase name="d" status="disabled"/>
</testsuite>"""


def shell(script, report=""):
    return parts.Command(("sh", "-c", script), (("GREETING", "hello"),), report)


class RunnerTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)

    def part(self, *commands, inputs=("",)):
        return parts.Part("some", "a part", (), 1.0, inputs, commands)

    def run_part(self, *commands):
        result = runner.run_part(self.part(*commands), 2, ["a.cc", "b.cc"],
                                 lambda line: None)
        return result.passed, result.failed

    def test_a_command_without_a_count_counts_one(self):
        self.assertEqual(self.run_part(shell("true")), (1, 0))
        self.assertEqual(self.run_part(shell("false")), (0, 1))

    def test_the_last_count_in_the_output_counts(self):
        script = "echo 9 passed, 9 failed; echo 5 passed, 0 failed"
        self.assertEqual(self.run_part(shell(script)), (5, 0))
        self.assertEqual(self.run_part(shell(script + "; exit 3")), (5, 1))
        self.assertEqual(self.run_part(
            shell("echo 4 passed, 2 failed; exit 1")), (4, 2))

    def test_reports_of_ctest_count(self):
        pathlib.Path("source.xml").write_text(REPORT)
        copy = shell("cp source.xml some.xml; exit 8", "{part}.xml")
        self.assertEqual(self.run_part(copy), (2, 1))

    def test_no_test_is_a_failure(self):
        self.assertEqual(self.run_part(shell("echo 0 passed, 0 failed")),
                         (0, 1))
        pathlib.Path("some.xml").write_text(REPORT)  # of an earlier run
        self.assertEqual(self.run_part(shell("true", "{part}.xml")), (0, 1))

    def test_stops_at_the_first_failed_command(self):
        self.run_part(shell("exit 1"), shell("touch reached"))
        self.assertFalse(pathlib.Path("reached").exists())

    def test_a_program_that_is_missing_fails(self):
        self.assertEqual(self.run_part(parts.run("./no-such-program")), (0, 1))

    def test_words_and_environment_are_filled_in(self):
        command = parts.Command(
            ("sh", "-c", 'echo "$*" $GREETING', "sh", "{part}", "{jobs}",
             "{changed}"), (("GREETING", "hello"),))
        self.run_part(command)
        self.assertIn("some 2 a.cc b.cc hello\n",
                      pathlib.Path("build/check/some.log").read_text())

    def test_figures_are_collected(self):
        result = runner.run_part(self.part(shell("echo FIGURE a 1 us")), 1, [],
                                 lambda line: None)
        self.assertEqual(result.figures, ["FIGURE a 1 us"])

    def test_failures_are_named(self):
        named = ("FAILED  tests/vm/some_test", "a_test.cc:12: Failure",
                 "Value of: a", "  Actual: false",
                 "[  FAILED  ] Death.A (31 ms)", "    not ok 2 mode",
                 "FAIL: test_mode (ktap_test.KtapTest)",
                 "12/40 Test #7: nic_wire_test ....***Failed    0.1 sec")
        other = ("ok      name", "[       OK ] Death.B (1 ms)", "ok 1 words",
                 "hook fault: not ok is expected", "1 passed, 1 failed")
        pathlib.Path("lines").write_text("\n".join((*other, *named, *other)))
        self.run_part(shell("cat lines; exit 1"))
        self.assertEqual(runner.failures(self.part()), list(named))

    def stamps(self):
        return runner.Stamps(runner.Key(["in/a", "out"]))

    def test_a_stamp_holds_until_an_input_changes(self):
        pathlib.Path("in").mkdir()
        pathlib.Path("in/a").write_text("1")
        pathlib.Path("out").write_text("1")
        part = self.part(shell("true"), inputs=("in/",))
        self.assertIsNone(self.stamps().find(part))
        self.stamps().record(part, runner.Result(7, 0, 1.0, []))
        self.assertEqual(self.stamps().find(part).passed, 7)

        pathlib.Path("out").write_text("2")
        self.assertIsNotNone(self.stamps().find(part))
        other = self.part(shell("true "), inputs=("in/",))
        self.assertIsNone(self.stamps().find(other))
        pathlib.Path("in/a").write_text("2")
        self.assertIsNone(self.stamps().find(part))

    def test_a_failure_leaves_no_stamp(self):
        pathlib.Path("in").mkdir()
        for name in ("in/a", "out"):
            pathlib.Path(name).write_text("")
        part = self.part(shell("true"))
        self.stamps().record(part, runner.Result(7, 0, 1.0, []))
        self.stamps().record(part, runner.Result(6, 1, 1.0, []))
        self.assertIsNone(self.stamps().find(part))

    def test_a_part_is_touched_by_its_inputs_only(self):
        part = self.part(inputs=("nic/", "cmake/"))
        self.assertTrue(runner.touches(part, ["docs/a.md", "nic/a.h"]))
        self.assertFalse(runner.touches(part, ["docs/nic/a.h"]))


if __name__ == "__main__":
    unittest.main(verbosity=0)
