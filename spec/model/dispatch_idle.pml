/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * A CPU that looks at its kernel channel while it is idle, against a NIC that
 * interrupts only a CPU that does not.
 *
 *   CPU  says IDLE_WAIT, looks for a while, says IDLE, full fence, looks once more,
 *        sleeps until an interrupt.
 *   NIC  puts a command, full fence, reads what the CPU says; interrupts it unless
 *        that is IDLE_WAIT. An interrupt that comes early is kept.
 *
 * Plain stores go through explicit store buffers (TSO), from which they leave at
 * any time.
 * Checked: every command is executed, however the CPU came to sleep.
 *
 * Abstracted: the channel has one slot; a command is its number, and executed by
 * collecting it. Why the CPU stops to look is free choice. How often it does is
 * bounded; then it has other things to do for ever, and takes interrupts only.
 */

#ifndef COMMANDS
#define COMMANDS 3
#endif
#ifndef LOOKS
#define LOOKS 3 /* how often the CPU becomes idle */
#endif

/* Situations for witness runs. */
#define FOUND_WHILE_LOOKING 1
#define FOUND_ON_LEAVING 2 /* by the last look: no interrupt came for it */
#define INTERRUPTED 3 /* out of its sleep */

#include "properties.pml"

byte put; /* the last command, as the CPU sees it */
byte collected; /* the last command executed, as the NIC sees it */
bit idle_wait; /* what the CPU says, as the NIC sees it */
bit interrupt; /* one is pending at the CPU */

#define IDLE_WAIT 0
#define COLLECTED 1
chan cpu_buffer = [4] of { bit, byte };
chan nic_buffer = [2] of { byte };

#define CPU_FENCE empty(cpu_buffer)
#define NIC_FENCE empty(nic_buffer)

active proctype store_buffers() {
	bit which;
	byte value;
end:
	do
	:: atomic { cpu_buffer?which, value ->
		if
		:: which == IDLE_WAIT -> idle_wait = value
		:: else -> collected = value
		fi
	   }
	:: atomic { nic_buffer?value -> put = value }
	od
}

#define CAME (put == next)

/* The command of the slot, if there is one. */
inline execute() {
	if
	:: CAME ->
		cpu_buffer!COLLECTED, next;
		next++
	:: else -> skip
	fi
}

active proctype cpu() {
	byte next, looks;

	next = 1;
	do
	:: next > COMMANDS -> break
	:: interrupt -> d_step { interrupt = 0 }; execute()
	:: next <= COMMANDS && looks < LOOKS -> /* idle */
		looks++;
		cpu_buffer!IDLE_WAIT, 1;
		if /* looks, and then leaves */
		:: CAME -> REACHED(FOUND_WHILE_LOOKING, true)
		:: skip
		fi;
		cpu_buffer!IDLE_WAIT, 0;
#ifndef IDLE_FENCE_MISSING
		CPU_FENCE;
#endif
#ifndef RUN_LOST_ON_LEAVING
		REACHED(FOUND_ON_LEAVING, CAME && !interrupt && idle_wait == 0);
		execute();
#endif
		if
		:: next > COMMANDS -> skip
		:: next <= COMMANDS -> /* sleeps */
			interrupt;
			REACHED(INTERRUPTED, CAME);
			d_step { interrupt = 0 };
			execute()
		:: skip /* somebody wants the CPU */
		fi
	od
}

active proctype nic() {
	byte number;
	bit sees_idle_wait;

	number = 1;
	do
	:: number > COMMANDS -> break
	:: number <= COMMANDS && collected == number - 1 -> /* there is room */
#ifdef MODE_READ_BEFORE_RUN
		sees_idle_wait = idle_wait;
#endif
		nic_buffer!number;
#ifndef COMMAND_FENCE_MISSING
		NIC_FENCE;
#endif
#ifndef MODE_READ_BEFORE_RUN
		sees_idle_wait = idle_wait;
#endif
		if
		:: sees_idle_wait -> skip
		:: else -> interrupt = 1
		fi;
		number++
	od
}
