/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * The kernel's part of a park, against RUN on another CPU.
 *
 *   thread  moves the slot's word FREE -> PARKED. In the kernel: state = SLEEPS;
 *           AWAKE -> WAITS by compare-and-swap, unless a RUN is remembered; looks at
 *           the word, and sleeps only if it is still PARKED. When it leaves: state =
 *           RUNS, then AWAKE, which forgets a RUN, and then looks at the word.
 *   NIC     fills the slot, and asks with RUN if it was PARKED.
 *   RUN     AWAKE -> REMEMBERED, or, if it finds WAITS, wakes the thread: if its
 *           state is SLEEPS, it RUNS.
 *
 * Plain stores of the thread go through a store buffer (TSO), from which they leave
 * at any time; whoever compares and swaps empties its own first.
 * Checked: no thread sleeps over a message. A RUN is remembered and the word looked
 * at: here one of the two is enough, so each is left out where the other is.
 *
 * Abstracted: one slot that is filled again when its message was taken; the way of
 * RUN to the kernel (dispatch_idle.pml). Where the thread leaves for another reason
 * is free choice, how often is bounded.
 */

#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef SIGNALS
#define SIGNALS 1 /* how often the thread is woken by something else */
#endif

/* Situations for witness runs. */
#define LOOK_FOUND_MESSAGE 1 /* the look in the kernel did */
#define RUN_REMEMBERED 2
#define WOKEN_BY_RUN 3 /* out of its sleep */
#define WOKEN_BEFORE_SLEEP 4 /* RUN found it waiting, before it slept */

#include "properties.pml"

mtype = { FREE, PARKED, FULL, SLEEPS, RUNS, AWAKE, WAITS, REMEMBERED };

mtype word = FREE;
mtype state = RUNS; /* as other CPUs see it */
mtype wait = AWAKE; /* likewise */
bit asleep; /* ghost: off its CPU */

#define STATE 0
#define WAIT 1
chan buffer = [3] of { bit, mtype };
#define FENCE empty(buffer)

active proctype store_buffer() {
	bit which;
	mtype value;
end:
	do
	:: atomic { buffer?which, value ->
		if
		:: which == STATE -> state = value
		:: else -> wait = value
		fi
	   }
	od
}

inline park_in_kernel() {
#ifdef PARK_LOOKS_BEFORE_STATE
	still = (word == PARKED);
#endif
	buffer!STATE, SLEEPS;
#ifdef PARK_WAITS_BY_STORE
	waits = (wait == AWAKE);
	if
	:: waits -> buffer!WAIT, WAITS
	:: else -> skip
	fi;
#else
	d_step {
		FENCE ->
		waits = (wait == AWAKE);
		if
		:: waits -> wait = WAITS
		:: else -> skip
		fi
	};
#endif
#ifdef PARK_WITHOUT_RECHECK
	still = true;
#else
#ifndef PARK_LOOKS_BEFORE_STATE
	still = (word == PARKED);
#endif
#endif
	REACHED(LOOK_FOUND_MESSAGE, waits && !still);
	if
	:: waits && still ->
		/* schedule(): with its own lock, so its stores are seen */
		d_step { FENCE -> asleep = (state == SLEEPS) };
		REACHED(WOKEN_BEFORE_SLEEP, !asleep);
		if
		:: state == RUNS -> REACHED(WOKEN_BY_RUN, asleep)
		:: signals < SIGNALS -> d_step { signals++; state = RUNS }
		fi
	:: else -> skip
	fi;
	asleep = 0;
	buffer!STATE, RUNS;
	d_step { FENCE -> wait = AWAKE }
}

active proctype thread() {
	byte taken, signals;
	bool waits, still;

	do
	:: taken == MESSAGES -> break
	:: d_step { taken < MESSAGES && word == FULL -> word = FREE; taken++ }
	:: taken < MESSAGES && word == FREE ->
		if
		:: d_step { FENCE && word == FREE -> word = PARKED };
			park_in_kernel();
			if /* leaves PARKED, or takes what came */
			:: d_step { word == PARKED -> word = FREE }
			:: word == FULL
			fi
		:: word == FULL
		fi
	od
}

/* The NIC, and the CPU that executes its RUN. */
active proctype nic() {
	byte number;
	bool parked, waits;

	do
	:: number == MESSAGES -> break
	:: number < MESSAGES && word != FULL ->
#ifdef RUN_BEFORE_FILL
		parked = (word == PARKED);
		waits = (wait == WAITS);
		word = FULL;
#else
		d_step { parked = (word == PARKED); word = FULL };
#endif
		number++;
		if
		:: parked ->
#ifndef RUN_BEFORE_FILL
			d_step {
				waits = (wait == WAITS);
#ifndef EARLY_RUN_REFUSED
				REACHED(RUN_REMEMBERED, !waits);
				if
				:: wait == AWAKE -> wait = REMEMBERED
				:: else -> skip
				fi
#endif
			};
#endif
			if
			:: d_step { waits && state == SLEEPS -> state = RUNS }
			:: d_step { !(waits && state == SLEEPS) -> skip }
			fi
		:: else -> skip
		fi
	od
}
