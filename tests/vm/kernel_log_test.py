#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The scanner on lines as Linux 6.12 writes them, and on those that mean no harm."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import kernel_log  # noqa: E402: needs the path

SPLATS = {
    "lockdep": (
        "WARNING: possible circular locking dependency detected",
        "WARNING: possible recursive locking detected",
        "WARNING: possible irq lock inversion dependency detected",
        "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
        "WARNING: SOFTIRQ-READ-safe -> SOFTIRQ-READ-unsafe lock order detected",
        "WARNING: inconsistent lock state",
        "WARNING: bad unlock balance detected!",
        "WARNING: held lock freed!",
        "WARNING: suspicious RCU usage",
        "WARNING: lock held when returning to user space!",
        "WARNING: Nested lock was not taken",
        "[ BUG: Invalid wait context ]",
        "WARNING: insmod/86 still has locks held!",
        "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
        "INFO: trying to register non-static key.",
        "BUG: spinlock bad magic on CPU#1, insmod/86",
        "BUG: MAX_LOCKDEP_CHAINS too low!",
        "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[9]",
    ),
    "context": (
        "BUG: sleeping function called from invalid context at mm/slub.c:1",
        "BUG: scheduling while atomic: insmod/86/0x00000002",
        "BUG: using smp_processor_id() in preemptible [00000000] code: insmod/86",
        "BUG: using __this_cpu_add() in preemptible [00000000] code: insmod/86",
    ),
    "memory": (
        "BUG: KFENCE: use-after-free read in use_after_free+0x5a/0x80 [lh_splats]",
        "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2",
        "BUG: Bad page state in process insmod  pfn:01234",
        "BUG: Bad rss-counter state mm:00000000f type:MM_ANONPAGES val:1",
        "BUG kmalloc-64 (Not tainted): Poison overwritten",
        "UBSAN: array-index-out-of-bounds in kernel/sched/core.c:1:2",
        "list_del corruption. prev->next should be ff1, but was ff2. (prev=ff3)",
        "list_add corruption. next->prev should be prev (ff1), but was ff2.",
        "ODEBUG: free active (active state 0) object: ff1 object type: timer_list",
        "refcount_t: underflow; use-after-free.",
    ),
    "bug": (
        "WARNING: CPU: 1 PID: 86 at kernel/sched/core.c:99 f+0x1/0x2 [lh_splats]",
        "kernel BUG at kernel/sched/core.c:99!",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "BUG: something that nobody has seen before",
        "BUG: unable to handle page fault for address: ffffffffc0000000",
        "Oops: invalid opcode: 0000 [#1] PREEMPT SMP",
        "Oops: general protection fault, probably for non-canonical address 0x1: "
        "0000 [#1] PREEMPT SMP",
        "Oops: Oops: 0002 [#1] PREEMPT SMP",
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "unchecked MSR access error: RDMSR from 0x1 at rIP: 0x2 (f+0x1/0x2)",
    ),
    "stall": (
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... }",
        "rcu: rcu_preempt kthread starved for 5250 jiffies! g1 f0x0",
        "INFO: task insmod:86 blocked for more than 1 seconds.",
        "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:86]",
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 39s!",
        "watchdog: Watchdog detected hard LOCKUP on cpu 1",
    ),
}

HARMLESS = """\
[    0.000000] Linux version 6.12.117-lauberhorn (lauberhorn@lauberhorn) #1 SMP
[    0.000000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc.
[    0.000000] ... MAX_LOCKDEP_SUBCLASSES:  8
[    0.000000] rcu: \tRCU lockdep checking is enabled.
[    0.001000] kfence: initialized - using 2097152 bytes for 255 objects
[    0.002000] clocksource: timekeeping watchdog on CPU0: tsc unstable
[    0.003000] smpboot: CPU 1 is now offline
[    0.004000] x86/mm: Checked W+X mappings: passed, no W+X pages found.
[    0.005000] workqueue: round-robin CPU selection forced
[    0.006000]     ok 3 debug_warning_test
[    0.007000] lh_splats: begin warning
[    0.008000] sysrq: Resetting
"""


class KernelLogTest(unittest.TestCase):

    def test_each_kind_is_recognised(self):
        self.assertEqual(set(SPLATS), set(kernel_log.KINDS))
        for kind, lines in SPLATS.items():
            for line in lines:
                for before in ("", "[    3.141592] ", "[   12.000001][   T86] ",
                               "[    3.141592] ------------[ cut here ]---\n"
                               "[    3.141592] "):
                    splats = kernel_log.scan(f"{HARMLESS}{before}{line}\n")
                    self.assertEqual([splat.kind for splat in splats], [kind],
                                     before + line)
                    self.assertEqual(splats[0].line, line)

    def test_what_means_no_harm_is_none(self):
        self.assertEqual(kernel_log.scan(HARMLESS), [])
        self.assertEqual(kernel_log.scan(""), [])

    def test_a_trace_without_a_known_beginning_is_a_splat(self):
        splats = kernel_log.scan(
            "[    1.000000] new kind of complaint\n"
            "[    1.000000] Call Trace:\n[    1.000000]  <TASK>\n")
        self.assertEqual([splat.kind for splat in splats], ["unknown"])

    def test_the_trace_of_a_known_splat_is_no_other(self):
        text = ("[    1.0] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n"
                + "[    1.0] registers\n" * 20
                + "[    1.0] Call Trace:\n[    1.0]  <TASK>\n[    1.0]  f+0x1/0x2\n")
        splats = kernel_log.scan(text)
        self.assertEqual([splat.kind for splat in splats], ["bug"])
        self.assertIn(" f+0x1/0x2", splats[0].lines)

    def test_splats_come_in_order_with_their_lines(self):
        text = (HARMLESS + "[    2.0] WARNING: suspicious RCU usage\n"
                + "[    2.0] more\n" * 3
                + "[    3.0] INFO: task insmod:86 blocked for more than 1 s\n")
        self.assertEqual(
            [(splat.kind, splat.number) for splat in kernel_log.scan(text)],
            [("lockdep", 13), ("stall", 17)])

    def test_races_are_told_apart_and_chosen_by_a_word(self):
        bar = "[    2.0] ==================\n"
        race = "[    2.0] BUG: KCSAN: data-race in {} / b\n[    2.0]  {}+0x1/0x2\n"
        text = (bar + race.format("a", "ours_store") + bar
                + bar + race.format("c", "theirs") + bar
                + "[    3.0] INFO: task insmod:86 blocked for more than 1 s\n")
        splats = kernel_log.scan(text)
        self.assertEqual([splat.kind for splat in splats],
                         ["memory", "memory", "stall"])
        self.assertEqual(
            [splat.line for splat in kernel_log.without_races(splats, "ours")],
            [splats[0].line, splats[2].line])


if __name__ == "__main__":
    unittest.main(verbosity=0)
