/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Nested calls over two processes, at the cap of their threads.
 *
 * CALLS calls come to the first process. Each handler calls the other process before
 * it replies, DEPTH times over: first, second, first. A thread that runs needs a CPU;
 * one that waits for its own call has said LEAVE, and needs none. If a process has its
 * cap of threads and all of them wait, what is queued for it is answered
 * RESOURCE_EXHAUSTED. A thread whose reply has been given does not wait any more,
 * though its ENTER has not come.
 * Checked: every call ends, and none is refused while a thread of its process can move.
 *
 * Abstracted: what NIC, kernel and thread do is one step each (endpoint.pml has the
 * lanes); that the head is older than the target delay may be so at any time.
 */

#ifndef CALLS
#define CALLS 2
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef CAP_OF_FIRST
#define CAP_OF_FIRST 2
#endif
#ifndef CAP_OF_SECOND
#define CAP_OF_SECOND 1
#endif

/* Situations for witness runs. */
#define REFUSED_IN_CIRCLE 1 /* both processes had all threads waiting */
#define SERVED_AT_CAP 2 /* a call was run when the cap had been met */
#define REPLIED_AT_CAP 3 /* all threads had left, and one had its reply */
#define ALL_SERVED 4 /* and none was refused */

#define PROCESSES 2
#define CPUS 2
#define FRAMES (CALLS * (DEPTH + 1)) /* a call, its nested call, its nested call */

#include "properties.pml"

mtype = { NOT_MADE, QUEUED, RUNS, LEFT, DONE };
mtype frame[FRAMES] = NOT_MADE;
byte threads[PROCESSES]; /* that have a handler */
byte in_leave[PROCESSES]; /* of them, in LEAVE */
byte waiting[PROCESSES]; /* and of those, without a reply */
byte running; /* threads with a CPU */
byte ended;
bit met_cap, refused;

#define DEPTH_OF(f) ((f) % (DEPTH + 1))
#define PROCESS_OF(f) (DEPTH_OF(f) % 2)
#define CAP(process) (process == 0 -> CAP_OF_FIRST : CAP_OF_SECOND)
#define IS_INNERMOST(f) (DEPTH_OF(f) == DEPTH)
#define NESTED_IS(f, what) (!IS_INNERMOST(f) && frame[((f) + 1) % FRAMES] == what)

#ifdef LEAVE_KEEPS_CPU
#define CPU_OF_LEFT 0
#else
#define CPU_OF_LEFT 1
#endif

#ifdef REPLIED_COUNTS_AS_WAITING
#define IS_STUCK(process) (in_leave[process] == CAP(process))
#else
#define IS_STUCK(process) (waiting[process] == CAP(process))
#endif

/* What its caller gets; the caller, if it is a handler, does not wait any more. */
inline end_frame(f) {
	MUST(ANSWERED_ONCE, frame[f] != DONE);
	frame[f] = DONE;
	if
	:: DEPTH_OF(f) == 0 -> ended++
	:: else -> waiting[1 - PROCESS_OF(f)]--
	fi
}

active [FRAMES] proctype handler() {
end:
	do
	:: d_step { DEPTH_OF(_pid) == 0 && frame[_pid] == NOT_MADE -> frame[_pid] = QUEUED }
	:: d_step { frame[_pid] == QUEUED && threads[PROCESS_OF(_pid)] < CAP(PROCESS_OF(_pid)) &&
	   running < CPUS ->
		REACHED(SERVED_AT_CAP, met_cap);
		frame[_pid] = RUNS;
		threads[PROCESS_OF(_pid)]++;
		running++;
		met_cap = met_cap || threads[PROCESS_OF(_pid)] == CAP(PROCESS_OF(_pid))
	   }
	:: d_step { frame[_pid] == RUNS && NESTED_IS(_pid, NOT_MADE) -> /* LEAVE */
		frame[_pid] = LEFT;
		frame[_pid + 1] = QUEUED;
		in_leave[PROCESS_OF(_pid)]++;
		waiting[PROCESS_OF(_pid)]++;
		running = running - CPU_OF_LEFT
	   }
	:: d_step { frame[_pid] == LEFT && NESTED_IS(_pid, DONE) &&
	   (running < CPUS || !CPU_OF_LEFT) -> /* ENTER */
		REACHED(REPLIED_AT_CAP, in_leave[PROCESS_OF(_pid)] == CAP(PROCESS_OF(_pid)));
		frame[_pid] = RUNS;
		in_leave[PROCESS_OF(_pid)]--;
		running = running + CPU_OF_LEFT
	   }
	:: d_step { frame[_pid] == RUNS && (IS_INNERMOST(_pid) || NESTED_IS(_pid, DONE)) ->
		end_frame(_pid);
		threads[PROCESS_OF(_pid)]--;
		running--
	   }
#ifndef NOBODY_EXHAUSTED
	:: d_step { frame[_pid] == QUEUED && IS_STUCK(PROCESS_OF(_pid)) ->
		MUST(REFUSED_ONLY_IF_STUCK, waiting[PROCESS_OF(_pid)] == CAP(PROCESS_OF(_pid)));
		REACHED(REFUSED_IN_CIRCLE, waiting[0] == CAP(0) && waiting[1] == CAP(1));
		refused = 1;
		end_frame(_pid)
	   }
#endif
	od
}

active proctype all() {
	ended == CALLS;
	REACHED(ALL_SERVED, !refused)
}
