#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What hook_sites.py reads in code, and hook_trace.py in a log of QEMU."""

import pathlib
import struct
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import hook_letter  # noqa: E402: needs the path
import hook_sites  # noqa: E402: needs the path
import hook_trace  # noqa: E402: needs the path

# objdump on a hook of __schedule(), and what follows it.
CODE = """
vmlinux:     file format elf64-x86-64

ffffffff814b785a <__schedule+0x41a>:
ffffffff814b785a:\tcmpq   $0x0,0x58(%rbx)
ffffffff814b785f:\tje     ffffffff814b75f8 <__schedule+0x1b8>
ffffffff814b7865:\tmov    %rbx,%rdi
ffffffff814b7868:\tcall   ffffffff810a8dc0 <__lauberhorn_picked>
ffffffff814b786d:\tjmp    ffffffff814b75f8 <__schedule+0x1b8>
ffffffff814b7878:\tmov    %r12,%rsi
"""
SECTIONS = """
  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al
  [ 0]                   NULL            0000000000000000 000000 000000 00      0   0  0
  [ 1] .text             PROGBITS        ffffffff81000000 200000 800000 00  AX  0   0 4096
  [18] .data..percpu     PROGBITS        0000000000000000 1000000 024118 00  WA  0   0 4096
  [36] .bss              NOBITS          ffffffff81dcf000 11cf000 231000 00  WA  0   0 4096
  [38] .comment          PROGBITS        0000000000000000 11cf000 000027 01  MS  0   0  1
"""
SITE, WAKE, SWITCH = 0x14b75f3, 0x1084090, 0x14b7440
TEST, BRANCH, MOVE, CALL, BACK = range(0x785a, 0x785f)
FUNCTION = 0x10a8dc0
LINE_OF_1 = 0xfeb00000 + hook_trace.LINE + hook_trace.STRIDE


def block(last="jmp", target="__schedule+0x1b8"):
    return (hook_sites.Instruction(TEST, "cmpq"),
            hook_sites.Instruction(BRANCH, "je"),
            hook_sites.Instruction(MOVE, "mov"),
            hook_sites.Instruction(CALL, "call", "10a8dc0 <__lauberhorn_picked>"),
            hook_sites.Instruction(BACK, last, f"1 <{target}>"))


class SitesTest(unittest.TestCase):

    def test_a_block_ends_with_the_jump_back(self):
        found = hook_sites.make_block(hook_sites.instructions(CODE))
        self.assertEqual([each.name for each in found],
                         ["cmpq", "je", "mov", "call", "jmp"])
        self.assertEqual([each.calls() for each in found],
                         [False, False, False, True, False])
        self.assertEqual(hook_sites.Site(SITE, "__schedule", found).tests, 2)

    def test_a_jump_to_a_function_is_a_call(self):
        self.assertTrue(block(target="__lauberhorn_nr")[-1].calls())
        self.assertTrue(block(target="lh_publish.part.0")[-1].calls())
        self.assertFalse(block(target="__x86_return_thunk")[-1].calls())
        self.assertFalse(block(target="lh_publish+0x4")[-1].calls())

    def test_a_block_that_only_calls_tests_nothing(self):
        self.assertEqual(hook_sites.Site(SITE, "f", block()[2:]).tests, 0)

    def test_a_block_without_end_is_an_error(self):
        with self.assertRaises(ValueError):
            hook_sites.make_block(block()[:4])

    def test_a_hook_is_for_what_its_key_says_or_for_idle_cpus(self):
        for function, key, purpose in (("__schedule", "word", "word"),
                                       ("__schedule", "kick", "kick"),
                                       ("do_idle", "word", "idle")):
            self.assertEqual(
                hook_sites.Site(SITE, function, block(), key).purpose, purpose)
        call = hook_sites.Instruction(CALL, "call", "1 <__lauberhorn_only_waits>")
        self.assertEqual(
            hook_sites.Site(SITE, "sched_idle_cpu", (call,)).purpose, "waiter")

    def test_what_hooks_call_has_names(self):
        for name in ("local_clock", "sched_clock", "sched_clock_noinstr"):
            self.assertTrue(hook_sites.CLOCK.fullmatch(name))
        self.assertFalse(hook_sites.CLOCK.fullmatch("sched_clock.cold"))

    def test_sections_are_those_with_contents_in_memory(self):
        self.assertEqual(hook_sites.loaded_sections(SECTIONS), [
            hook_sites.Section(".text", 0xffffffff81000000, 0x200000, 0x800000),
            hook_sites.Section(".data..percpu", 0, 0x1000000, 0x24118)])

    def test_entries_are_relative_to_themselves(self):
        here, key = 0xffffffff81972d38, 0xffffffff81ddfab0
        table = struct.pack("<iiq", -16, -4, 2) + struct.pack(
            "<iiq", 0x100, 0x200, key - (here + 16 + 8) | 1)
        self.assertEqual(
            list(hook_sites.jump_entries(table, here)),
            [(here - 16, here, here + 8),
             (here + 16 + 0x100, here + 16 + 4 + 0x200, key)])


def executed(*addresses, cpu=1):
    return [f"Trace {cpu}: 0x7f3b472f6a00 [0000000000000000/{address:016x}"
            "/10c0c2b0/ff020201] \n" for address in addresses]


def stored(*addresses, cpu=1, name=hook_trace.DEVICE):
    return [f"123@4.5:memory_region_ops_write cpu {cpu} mr 0x55d0 addr 0x{address:x} "
            f"value 0x1 size 8 name '{name}'\n" for address in addresses]


class TraceTest(unittest.TestCase):

    def read(self, *parts, last=("jmp", "__schedule+0x1b8"), key="word"):
        site = hook_sites.Site(SITE, "__schedule", block(*last), key)
        return hook_trace.Trace([site], {WAKE: "wake", SWITCH: "switch"}).read(
            [line for part in parts for line in part])

    def kinds(self, trace):
        return [(run.kind, run.instructions) for run in trace.runs]

    def test_a_hook_is_off_or_only_looks(self):
        trace = self.read(executed(SITE, SITE + 5), executed(SITE, TEST, BRANCH))
        self.assertEqual(self.kinds(trace), [("off", 0), ("tested", 2)])

    def test_a_call_counts_to_the_jump_back(self):
        trace = self.read(executed(
            SITE, TEST, BRANCH, MOVE, CALL, FUNCTION, FUNCTION + 4, BACK))
        self.assertEqual(self.kinds(trace), [("unchanged", 7)])

    def test_what_others_execute_of_the_series_is_no_hook(self):
        trace = self.read(
            executed(FUNCTION), executed(SITE, TEST, BRANCH, FUNCTION),
            executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION, BACK, FUNCTION),
            stored(LINE_OF_1))
        self.assertEqual(self.kinds(trace), [("tested", 2), ("unchanged", 6)])

    def test_a_call_may_be_the_end(self):
        trace = self.read(executed(SITE, MOVE, BACK, FUNCTION, FUNCTION + 4),
                          last=("jmp", "__lauberhorn_nr"))
        self.assertEqual(self.kinds(trace), [("unchanged", 4)])

    def test_stores_say_what_changed(self):
        trace = self.read(*(
            part for offsets in ((0, 8), (16, 0, 8), (0x2000 - 0x1280,), (20, 0, 8))
            for part in (executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION),
                         stored(*(LINE_OF_1 + offset for offset in offsets)),
                         executed(BACK))))
        self.assertEqual([run.kind for run in trace.runs],
                         ["changed", "left", "endpoint", "left"])
        self.assertEqual(trace.runs[0].line_stores(), [0, 8])

    def test_stores_are_in_one_line_or_not(self):
        for offsets, one in (((0, 8), True), ((16, 120), True), ((0, 128), False),
                             ((0, -640), False), ((0, 0x2000 - 0x1280), False)):
            run = hook_trace.Run(None, stores=[
                LINE_OF_1 % hook_trace.REGISTERS + offset for offset in offsets])
            self.assertEqual(run.in_one_line(), one, offsets)

    def test_a_kick_is_no_change_of_a_word(self):
        trace = self.read(executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION),
                          stored(LINE_OF_1 + 128), executed(BACK),
                          executed(SITE), key="kick")
        self.assertEqual(self.kinds(trace), [("kick", 6), ("off", 0)])

    def test_a_no_op_for_kicks_does_not_make_a_switch_a_sleep(self):
        pair = self.read(executed(SWITCH, SITE, SITE + 5, SITE))
        self.assertEqual(pair.usual_pass("switch", "off"), (2, 0))
        self.assertEqual(self.read(executed(SWITCH, SITE, SITE + 5, SITE), key="kick")
                         .usual_pass("switch", "off"), (0, 0))

    def test_an_instruction_that_is_begun_again_is_one(self):
        trace = self.read(executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION, FUNCTION),
                          stored(LINE_OF_1), executed(BACK))
        self.assertEqual(self.kinds(trace), [("changed", 6)])

    def test_processors_and_devices_are_kept_apart(self):
        trace = self.read(
            executed(SITE, TEST, BRANCH, MOVE, CALL), executed(SITE, TEST, cpu=0),
            executed(FUNCTION), stored(LINE_OF_1, cpu=0),
            stored(LINE_OF_1, name="virtio-pci-notify"), executed(BACK))
        self.assertEqual(self.kinds(trace), [("unchanged", 6), ("tested", 1)])

    def test_the_usual_is_the_most_frequent(self):
        looks = executed(SITE, TEST, BRANCH)
        calls = executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION, BACK)
        longer = executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION, FUNCTION + 4, BACK)
        trace = self.read(
            executed(SWITCH), longer, looks, executed(SWITCH), calls, looks,
            executed(SWITCH), calls, looks, executed(SWITCH), looks,
            executed(SWITCH), looks, looks, executed(WAKE), longer, longer, looks)
        self.assertEqual(trace.usual("unchanged"), {"__schedule": (7, 5)})
        self.assertEqual(trace.usual("tested"), {"__schedule": (2, 7)})
        self.assertEqual(trace.usual_pass("switch", "unchanged"), (2, 8))
        self.assertEqual(trace.usual_pass("switch", "tested"), (2, 4))
        self.assertEqual(trace.usual_pass("wake", "unchanged"), (3, 16))
        self.assertEqual(trace.usual_pass("wake", "tested"), (0, 0))


class LetterTest(unittest.TestCase):

    def test_the_table_is_by_hook(self):
        site = hook_sites.Site(SITE, "__schedule", block())
        self.assertEqual(site.hook, "picked")
        self.assertEqual(hook_sites.Site(SITE, "f", block()[:3]).hook, "")
        calls = executed(SITE, TEST, BRANCH, MOVE, CALL, FUNCTION, BACK)
        seen = hook_trace.Trace([site], {WAKE: "wake", SWITCH: "switch"}).read(
            executed(SWITCH) + calls + executed(SITE, TEST, BRANCH) +
            executed(SWITCH) + calls)
        text = hook_letter.table(seen, [site], [("a switch", 4, 1)], {
            "hook_ipi_instructions": 11, "idle_entry_instructions": 12})
        self.assertIn("\n" + hook_letter.row("what runs", 2, 6) + "\n", text)
        self.assertIn("\n" + hook_letter.row("all hooks of a switch", 0, 8) + "\n", text)
        self.assertIn("without a device: a switch", text)

    def test_the_letter_keeps_all_else(self):
        letter = f"Before.\n\n{hook_letter.HEAD}  old\n\nAfter.\n"
        self.assertEqual(hook_letter.replace(letter, "new\n"),
                         "Before.\n\nnew\n\nAfter.\n")
        with self.assertRaises(ValueError):
            hook_letter.replace("no table", "new\n")


if __name__ == "__main__":
    unittest.main(verbosity=0)
