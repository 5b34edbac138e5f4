#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What rpc_trace.py counts in a log of QEMU."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rpc_trace  # noqa: E402: needs the path

SYMBOLS = """\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T entry_SYSCALL_64
ffffffff81001000 t lh_look.isra.0
ffffffff81002000 T schedule
ffffffff81003000 D init_task
ffffffffc0000000 t lh_look.isra.0\t[lauberhorn]
"""
ENTRY, LOOK, SCHEDULE, MODULE = (0xffffffff81000000, 0xffffffff81001000,
                                 0xffffffff81002000, 0xffffffffc0000000)
DIRECT, PARKED = 1, 2


def executed(*addresses, cpu=1):
    return [f"Trace {cpu}: 0x7f3b472f6a00 [0000000000000000/{address:016x}"
            "/10c0c2b0/ff020201] \n" for address in addresses]


def handler(way, cpu=1):
    return executed(rpc_trace.MARKS + way, rpc_trace.MARKS, cpu=cpu)


class SymbolsTest(unittest.TestCase):

    def setUp(self):
        self.symbols = rpc_trace.Symbols(SYMBOLS)

    def test_an_address_is_of_the_function_before_it(self):
        self.assertEqual(self.symbols.function_at(ENTRY), "entry_SYSCALL_64")
        self.assertEqual(self.symbols.function_at(LOOK - 1), "entry_SYSCALL_64")
        self.assertEqual(self.symbols.function_at(SCHEDULE + 0x1fff), "schedule")

    def test_functions_of_modules_are_told_apart(self):
        self.assertEqual(self.symbols.function_at(MODULE + 8),
                         "lh_look.isra.0 [lauberhorn]")

    def test_what_lies_before_all_is_of_none(self):
        self.assertEqual(self.symbols.function_at(ENTRY - 1), "?")


class TraceTest(unittest.TestCase):

    def read(self, *parts):
        return rpc_trace.Trace(rpc_trace.Symbols(SYMBOLS)).read(
            [line for part in parts for line in part])

    def counts(self, trace, way=PARKED):
        return [each.instructions for each in trace.rounds.get(way, ())]

    def test_a_round_is_from_mark_to_mark(self):
        trace = self.read(executed(ENTRY), handler(PARKED),
                          executed(ENTRY, ENTRY + 4, SCHEDULE), handler(PARKED),
                          executed(ENTRY), handler(PARKED), executed(ENTRY))
        self.assertEqual(self.counts(trace), [3, 1])

    def test_rounds_in_which_the_kernel_does_nothing_are_rounds(self):
        trace = self.read(*[handler(DIRECT)] * 4)
        self.assertEqual(self.counts(trace, DIRECT), [0, 0, 0])
        self.assertEqual(trace.median(DIRECT), 0)

    def test_a_round_between_two_ways_is_of_neither(self):
        trace = self.read(handler(DIRECT), executed(ENTRY), handler(PARKED),
                          executed(ENTRY, SCHEDULE), handler(PARKED))
        self.assertEqual(self.counts(trace, DIRECT), [])
        self.assertEqual(self.counts(trace), [2])

    def test_other_processors_are_not_in(self):
        trace = self.read(handler(PARKED), executed(ENTRY),
                          executed(ENTRY, SCHEDULE, cpu=0), handler(PARKED, cpu=0),
                          executed(SCHEDULE), handler(PARKED))
        self.assertEqual(self.counts(trace), [2])

    def test_the_loop_of_an_idle_processor_counts_once(self):
        trace = self.read(handler(PARKED), executed(ENTRY),
                          executed(*[LOOK, LOOK + 4, LOOK + 8] * 5), executed(SCHEDULE),
                          handler(PARKED))
        self.assertEqual(self.counts(trace), [5])
        self.assertEqual(trace.rounds[PARKED][0].looked, 12)

    def test_loops_of_others_count_as_often_as_they_run(self):
        trace = self.read(handler(PARKED), executed(*[MODULE, MODULE + 4] * 5),
                          executed(*[SCHEDULE, SCHEDULE + 4] * 5), handler(PARKED))
        self.assertEqual(self.counts(trace), [20])
        self.assertEqual(trace.rounds[PARKED][0].looked, 0)

    def test_an_instruction_that_repeats_itself_is_one(self):
        trace = self.read(handler(PARKED), executed(ENTRY, *[ENTRY + 4] * 8),
                          handler(PARKED))
        self.assertEqual(self.counts(trace), [2])

    def test_the_median_leaves_out_what_is_rare(self):
        usual = [*handler(PARKED), *executed(ENTRY, SCHEDULE)]
        tick = executed(*(SCHEDULE + 4 * at for at in range(50)))
        trace = self.read(usual, usual, tick, usual, usual, usual, tick,
                          handler(PARKED))
        self.assertEqual(trace.median(PARKED), 2)
        self.assertEqual(trace.functions(PARKED), [("entry_SYSCALL_64", 1),
                                                   ("schedule", 1)])

    def test_functions_are_those_of_most_rounds(self):
        trace = self.read(handler(PARKED), executed(ENTRY, SCHEDULE, SCHEDULE + 4),
                          handler(PARKED), executed(ENTRY, SCHEDULE, SCHEDULE + 4),
                          handler(PARKED), executed(ENTRY, MODULE), handler(PARKED))
        self.assertEqual(trace.functions(PARKED),
                         [("schedule", 2), ("entry_SYSCALL_64", 1)])

    def test_a_way_that_never_came_has_no_median(self):
        self.assertIsNone(self.read(handler(PARKED)).median(PARKED))


if __name__ == "__main__":
    unittest.main(verbosity=0)
