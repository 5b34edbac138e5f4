/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Who owns an endpoint: exit and exec, a lost NIC, RESET and epochs.
 *
 * One endpoint, two processes that may have it one after the other, the module, and
 * the NIC. A process takes calls, runs them, and puts the reply under the handle that
 * came with the call. The NIC mints handles anew after a reset, so an old one may name
 * a new call.
 *   exit, exec   the module takes the mapping away, closes, and tells the NIC; the NIC
 *                collects, takes back what is FULL, ends what was taken with an error,
 *                zeroes the lines; only then can the next process have the endpoint,
 *                under the next generation.
 *   RESET        the module takes *all* mappings away; then it asks; the NIC ends all
 *                calls with an error, zeroes, mints from the start, and begins the next
 *                epoch. A process maps anew; a handler of before knows only the old
 *                address, and puts nothing.
 *   loss         a NIC that starts anew knows nothing, and serves nobody before RESET.
 * RUN names epoch and generation; it may be under way for any time, also over a reset.
 * Checked: no process sees another's call, no call runs twice or ends twice, an answer
 * is that of the call, every call ends, and no RUN wakes who was not meant.
 *
 * Abstracted: the lanes have a slot each, and their own steps are in death.pml.
 */

#ifndef CALLS
#define CALLS 3
#endif
#ifndef ENDS
#define ENDS 1 /* of a process, by exit or exec */
#endif
#ifndef RESETS
#define RESETS 1
#endif
#ifndef LOSSES
#define LOSSES 1 /* each needs one more RESET */
#endif

/* Situations for witness runs. */
#define NEXT_OWNER_TOOK 1
#define HANDLE_USED_AGAIN 2 /* a handler of before a reset ended after it, its handle in use */
#define RETURNED_AT_END 3 /* a process ended with a call that it had not taken */
#define COLLECTED_AT_END 4 /* and with a reply that was put */
#define LOST_WITH_FULL 5 /* the NIC was lost, and a message lay there */
#define STALE_EPOCH 6 /* a RUN came after a reset */
#define STALE_GENERATION 7 /* and one after the endpoint had another owner */
#define WOKEN_BY_RUN 8

#define PROCESSES 2
#define CPUS 2
#define NOBODY PROCESSES
#define NONE CALLS
#define PROCESS_FOR(call) ((call) % 2)

#include "properties.pml"

/* --- the endpoint ---------------------------------------------------------- */

mtype = { FREE, FULL, CLOSED };
mtype word = CLOSED;
byte message = NONE, message_handle;
byte reply = NONE, reply_handle; /* in the `out` lane; `reply` itself is a ghost */

/* Bindings are counted, over all epochs: a ghost of {epoch, generation}. */
byte binding;
bit mapped; /* by the owner */
byte owner = NOBODY;

bit started[CALLS], ended[CALLS];
byte answered;

inline end_call(call) {
	MUST(ENDED_ONCE, !ended[call]);
	ended[call] = 1;
	answered++
}

byte runs[PROCESSES] = NONE;
byte runs_handle[PROCESSES];
byte runs_since[PROCESSES]; /* the binding that it took under */

/* --- what the NIC knows ---------------------------------------------------- */

#define HANDLES (CALLS + ENDS)
byte table[HANDLES] = NONE; /* the call of a handle */
byte minted;
byte nic_owner = NOBODY;
bit given[CALLS];

#define WAITS(call) (!ended[call] && !given[call])
#if CALLS == 2
#define WANTED_BY(process) (process == 0 && WAITS(0) || process == 1 && WAITS(1))
#else
#define WANTED_BY(process)	\
	(process == 0 && (WAITS(0) || WAITS(2)) || process == 1 && WAITS(1))
#endif
/* The owner has nothing to do here, and the other process has. */
#define IS_NEEDED_ELSEWHERE	\
	(owner != NOBODY && word == FREE && reply == NONE && runs[owner] == NONE &&	\
	WANTED_BY(1 - owner) && !WANTED_BY(owner))

inline end_all() {
	for (n : 0 .. HANDLES - 1) {
		if
		:: table[n] != NONE ->
			end_call(table[n]);
			table[n] = NONE
		:: else -> skip
		fi
	}
	n = 0
}

/* Its callers learn that it was lost. */
inline forget() {
	end_all();
	minted = 0;
	nic_owner = NOBODY
}

/* --- processes ------------------------------------------------------------- */

#define HAS_IT(process) (mapped && owner == process)
#ifdef MAPPED_OVER_RESET
#define CAN_PUT(process) true
#else
#ifdef PUTS_INTO_NEXT_MAPPING
#define CAN_PUT(process) HAS_IT(process)
#else
#define CAN_PUT(process) (HAS_IT(process) && runs_since[process] == binding)
#endif
#endif

active [PROCESSES] proctype process() {
end:
	do
	:: atomic { HAS_IT(_pid) && word == FULL && runs[_pid] == NONE ->
		MUST(OWN_CALLS_ONLY, PROCESS_FOR(message) == _pid);
		MUST(RUN_AT_MOST_ONCE, !started[message]);
		REACHED(NEXT_OWNER_TOOK, binding > 1);
		started[message] = 1;
		runs[_pid] = message;
		runs_handle[_pid] = message_handle;
		runs_since[_pid] = binding;
		message = NONE;
		message_handle = 0;
		word = FREE
	   }
	:: atomic { runs[_pid] != NONE && reply == NONE ->
		REACHED(HANDLE_USED_AGAIN, table[runs_handle[_pid]] != NONE &&
			table[runs_handle[_pid]] != runs[_pid]);
		if
		:: CAN_PUT(_pid) ->
			reply = runs[_pid];
			reply_handle = runs_handle[_pid]
		:: else -> skip /* UNAVAILABLE */
		fi;
		runs[_pid] = NONE;
		runs_handle[_pid] = 0;
		runs_since[_pid] = 0
	   }
	od
}

/* --- the module ------------------------------------------------------------ */

byte epoch, generation; /* of the present binding */
mtype = { READY, ASKED_TO_RESET, LOST };
mtype status = READY;
bit told; /* that the endpoint has no owner any more */
bit free_again = 1; /* the NIC has cleaned it */

/* RUN: under way, then in the channel. */
mtype = { NOTHING, UNDER_WAY, ASKED };
mtype run_is = NOTHING;
byte run_epoch, run_generation, run_binding;

#ifdef STALE_EPOCH_ACCEPTED
#define EPOCH_IS_OLD false
#else
#define EPOCH_IS_OLD (run_epoch != epoch)
#endif
#ifdef STALE_GENERATION_ACCEPTED
#define GENERATION_IS_OLD false
#else
#define GENERATION_IS_OLD (run_generation != generation)
#endif

inline unmap() {
	mapped = 0;
	owner = NOBODY
}

inline close() {
	unmap();
	if
	:: word == FREE -> word = CLOSED
	:: else -> skip
	fi;
	told = 1
}

inline reset() {
	unmap();
	told = 0;
	status = ASKED_TO_RESET
}

active proctype module() {
	byte ends, resets, losses, n;

end:
	do
	:: atomic { status == READY && owner == NOBODY && free_again && !told &&
	   (WANTED_BY(0) || WANTED_BY(1)) ->
		if
		:: WANTED_BY(0) -> owner = 0
		:: WANTED_BY(1) -> owner = 1
		fi;
		free_again = 0;
		mapped = 1;
		binding++;
		generation++;
		word = FREE;
		nic_owner = owner
	   }
	:: atomic { status == READY && owner != NOBODY && !told && ends < ENDS ->
		ends++;
		REACHED(RETURNED_AT_END, word == FULL);
		REACHED(COLLECTED_AT_END, reply != NONE);
		if
		:: runs[owner] != NONE ->
			runs[owner] = NONE;
			runs_handle[owner] = 0;
			runs_since[owner] = 0
		:: else -> skip
		fi;
#ifdef EXEC_KEEPS_ENDPOINT
		owner = 1 - owner
#else
		close()
#endif
	   }
	:: atomic { status == READY && IS_NEEDED_ELSEWHERE -> close() }
	:: atomic { status == READY && resets < RESETS && answered < CALLS ->
		resets++;
		reset()
	   }
	:: atomic { status == LOST -> reset() }
	:: atomic { status == READY && losses < LOSSES && answered < CALLS -> /* NIC */
		losses++;
		REACHED(LOST_WITH_FULL, word == FULL);
		forget();
#ifdef SERVES_BEFORE_RESET
		nic_owner = owner
#else
		status = LOST
#endif
	   }
	:: atomic { run_is == ASKED ->
		REACHED(STALE_EPOCH, run_epoch != epoch);
		REACHED(STALE_GENERATION, run_epoch == epoch && run_generation != generation);
		if
		:: EPOCH_IS_OLD || GENERATION_IS_OLD || owner == NOBODY -> skip /* STALE, DEAD */
		:: else ->
			REACHED(WOKEN_BY_RUN, true);
			MUST(RUN_WAKES_WHO_WAS_MEANT, run_binding == binding)
		fi;
		run_is = NOTHING;
		run_epoch = 0;
		run_generation = 0;
		run_binding = 0
	   }
	od
}

/* --- the NIC --------------------------------------------------------------- */

inline zero() {
	message = NONE;
	message_handle = 0;
	reply = NONE;
	reply_handle = 0;
	word = CLOSED
}

inline collect() {
	if
	:: reply != NONE && table[reply_handle] != NONE ->
		MUST(ANSWER_IS_OF_THE_CALL, table[reply_handle] == reply);
		end_call(table[reply_handle]);
		table[reply_handle] = NONE
	:: else -> skip
	fi;
	reply = NONE;
	reply_handle = 0
}

#define MAY_GIVE(call)	\
	(nic_owner == PROCESS_FOR(call) && word == FREE && WAITS(call))

inline give(call) {
	given[call] = 1;
	table[minted] = call;
	message = call;
	message_handle = minted;
	minted++;
	word = FULL;
	if
	:: run_is == NOTHING ->
		run_is = UNDER_WAY;
		run_epoch = epoch;
		run_generation = generation;
		run_binding = binding
	:: run_is != NOTHING -> skip
	fi
}

#define GIVE(call) :: d_step { status == READY && MAY_GIVE(call) -> give(call) }

active proctype nic() {
	byte n;

	do
	:: answered == CALLS -> break
	GIVE(0)
	GIVE(1)
#if CALLS > 2
	GIVE(2)
#endif
	:: d_step { status == READY && reply != NONE && !told -> collect() }
	:: d_step { run_is == UNDER_WAY -> run_is = ASKED }
	:: d_step { told -> /* the endpoint has lost its owner */
		collect();
		if
		:: word == FULL ->
			given[message] = 0;
			table[message_handle] = NONE
		:: else -> skip
		fi;
		end_all(); /* what was taken may have run */
		nic_owner = NOBODY;
		zero();
		told = 0;
		free_again = 1
	   }
	:: d_step { status == ASKED_TO_RESET ->
		forget();
		zero();
		epoch++;
		generation = 0;
		free_again = 1;
		status = READY
	   }
	od
}
