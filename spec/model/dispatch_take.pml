/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * T_take: a NIC that does not know who is on a CPU (a stock kernel) gives a call to a
 * thread that waits, and takes it back if it is not taken in time while another waits.
 *
 * Two threads of one process, which wait without parking, share a CPU with a thread of
 * another process. In each tick one of the three runs: any, but who has not run for
 * ROUND ticks must. The NIC gives the call; T_take later it takes it back, gives it to
 * the other, and waits twice as long.
 * Checked: the call is taken, whoever runs when.
 *
 * Abstracted: the lane is one word, the compare-and-swap one step (in_lane.pml). With
 * state words there is no T_take: dispatch_run.pml.
 */

#ifndef ROUND
#define ROUND 4
#endif
#define LONGEST (2 * ROUND) /* of T_take, so that it is bounded */

/* Situations for witness runs. */
#define TAKEN_BACK_TWICE 1
#define TAKEN_LATE 2 /* when T_take had doubled so often that the first could not miss */

#define PROCESSES 2
#define CPUS 1
#define WAITERS 2
#define NOBODY 3

#include "properties.pml"

byte idle[3]; /* ticks since it ran */
byte at = NOBODY; /* whose lane is FULL */
byte t_take = 1, age;
byte taken_back; /* not more than two are counted */
bit taken;
bit nic_is_due;

#define MUST_RUN(thread) (idle[thread] >= ROUND)
#define SOMEBODY_MUST (MUST_RUN(0) || MUST_RUN(1) || MUST_RUN(2))
#define MAY_RUN(thread) (!SOMEBODY_MUST || MUST_RUN(thread))

inline run_for_a_tick(thread) {
	for (n : 0 .. 2) {
		idle[n]++
	}
	n = 0;
	idle[thread] = 0;
	if
	:: thread < WAITERS && at == thread ->
		REACHED(TAKEN_LATE, t_take >= ROUND);
		taken = 1
	:: else -> skip
	fi;
	age++;
	nic_is_due = 1
}

active proctype scheduler() {
	byte n;

end:
	do
	:: atomic { !taken && !nic_is_due && at != NOBODY ->
		if
		:: MAY_RUN(0) -> run_for_a_tick(0)
		:: MAY_RUN(1) -> run_for_a_tick(1)
		:: MAY_RUN(2) -> run_for_a_tick(2)
		fi
	   }
	od
}

inline give(thread) {
	at = thread;
	age = 0
}

active proctype nic() {
	if
	:: give(0)
	:: give(1)
	fi;
	do
	:: taken -> break
	:: atomic { nic_is_due && !taken ->
		nic_is_due = 0;
		if
		:: age >= t_take ->
			taken_back = (taken_back < 2 -> taken_back + 1 : 2);
			REACHED(TAKEN_BACK_TWICE, taken_back == 2);
#ifndef T_TAKE_STAYS
			t_take = (t_take < LONGEST -> 2 * t_take : LONGEST);
#endif
			give(1 - at)
		:: else -> skip
		fi
	   }
	od
}
