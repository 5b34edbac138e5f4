/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Dispatch: whom the NIC gives a call, what it learns from the CPUs' lines, RUN.
 *
 * Two processes, two CPUs, three threads and the kernel are in dispatch_host.pml;
 * here is the NIC. It knows who is on a CPU only from the lines, as old as they are.
 * It looks at a line when its count has moved: the word, then the ring, then count
 * and word once more, for the kernel may have written over the ring meanwhile. It
 *   - gives a call to a thread that is on a CPU and waits, or stages it behind a
 *     handler there;
 *   - gives it to one that is parked, and says RUN on some CPU, one per process at a
 *     time; the endpoint's word, not the lane's, says that a thread is asleep;
 *   - looks once more at whoever left a CPU: collects its replies, takes back what is
 *     FULL. If more left than the ring can tell, it looks at all;
 *   - takes back what was refused, and what was not taken in T_run: that thread, not
 *     its process, is slow until it has been seen, or its RUN is refused after all.
 * Checked: no call runs twice or is answered twice; every call ends; and at rest
 * nothing waits at a thread that does not run, nor for a thread that could.
 *
 * Abstracted: T_run and the 50 us of a staged message may pass at any time, T_run
 * without a hold as a fault. Policy is free choice. Where a look at an endpoint is one
 * step, each of its parts is a compare-and-swap or a collect of its own, as in_lane.pml
 * and out_lane.pml have them; that what is dead is collected first is in death.pml.
 */

/* Situations for witness runs. */
#define STAGED_FOR_NEXT 1 /* a handler ended with a message staged behind it */
#define RUN_REMEMBERED 2 /* RUN came before its thread was in our wait */
#define RUN_BEFORE_SLEEP 3 /* and one after the last look, before the sleep */
#define RUN_ON_LEAVING 4 /* found by a CPU that left its wait, with no interrupt */
#define RUN_OFFLINE 5 /* the last look of a CPU that goes found it */
#define RUN_AFTER_OFFLINE 23 /* nobody found it but whoever served the interrupt */
#define RUN_DEAD 6
#define RECHECK_FOUND_MESSAGE 7
#define WAITER_PREEMPTED 8
#define DIED_WITH_FULL 9
#define DIED_IN_HANDLER 10
#define LEFT_WITH_FULL 11 /* switched out between delivery and take */
#define LEFT_WITH_STAGED 12
#define LEFT_WITH_REPLY 13
#define LEFT_WITH_WAKE 14 /* and came back for what it was woken for */
#define LEFT_AND_CAME 15 /* to another CPU, before the NIC saw that it had left the first */
#define TAKEN_BACK_LATE 16 /* T_run */
#define SLOW_SEEN_AGAIN 17
#define ASLEEP_UNPARKED 18 /* RUN for a thread that sleeps on a word that is FREE */
#define NOBODY_LEFT 19 /* an error: the process has no thread any more */
#define ANSWERED_AT_REST 20 /* all is done that can be, and one call lasts */
#define HELD_AT_REST 21
#define REFUSED_LATE 22 /* after T_run */

#include "dispatch_host.pml"

#define QUEUE NOBODY /* where a call is, if not at a thread */
#define ENDED (THREADS + 1)
byte at[CALLS] = QUEUE;

/* What the NIC knows of threads and CPUs. */
byte seen[CPUS] = NOBODY;
bit slow[THREADS];
bit buried[THREADS];
byte awaited[PROCESSES] = NOBODY; /* the wake in flight */
byte stages;

#define SEEN_ON_CPU(thread) (seen[0] == thread || seen[1] == thread)
/* A condition of any call and a thread. */
#if CALLS == 1
#define ANY_CALL(condition, thread) (condition(0, thread))
#else
#if CALLS == 2
#define ANY_CALL(condition, thread) (condition(0, thread) || condition(1, thread))
#else
#define ANY_CALL(condition, thread)	\
	(condition(0, thread) || condition(1, thread) || condition(2, thread))
#endif
#endif
#define BUSY_WITH(call, thread) (at[call] == thread && message[thread] != call)
#define BUSY(thread) ANY_CALL(BUSY_WITH, thread)
#define REPLY_OF(call, thread) (at[call] == thread && put[call])
#define HAS_REPLY(thread) ANY_CALL(REPLY_OF, thread)

inline end_call(call) {
	MUST(ANSWERED_ONCE, at[call] != ENDED);
	at[call] = ENDED;
	answered++
}

inline give(call, thread) {
	word[thread] = FULL;
	message[thread] = call;
	at[call] = thread
}

inline take_back(thread) {
	if
	:: word[thread] == FULL ->
		at[message[thread]] = QUEUE;
		message[thread] = NONE;
		word[thread] = FREE
	:: else -> skip
	fi
}

/* It was on a CPU: a wake has arrived. */
inline seen_running(thread) {
	REACHED(SLOW_SEEN_AGAIN, slow[thread]);
#ifndef SLOW_FOR_EVER
	slow[thread] = 0;
#endif
	if
	:: awaited[PROCESS_OF(thread)] == thread -> awaited[PROCESS_OF(thread)] = NOBODY
	:: else -> skip
	fi
}

inline collect(thread) {
	for (call : 0 .. CALLS - 1) {
		if
		:: at[call] == thread && put[call] -> end_call(call)
		:: else -> skip
		fi
	}
	call = 0
}

/* Its RUN is under way, and it has not taken what it is woken for: only T_run, a
 * refusal or its end take that back. */
#ifdef SWITCH_OUT_ENDS_WAKE
#define WAKE_UNDER_WAY(thread) false
#else
#define WAKE_UNDER_WAY(thread)	\
	(awaited[PROCESS_OF(thread)] == thread && word[thread] == FULL && !dead[thread])
#endif

/* It has come to another CPU, and may have left that too: that line will tell. */
#ifdef LEFT_BEFORE_IT_CAME
#define CAME_ELSEWHERE(thread) false
#else
#define CAME_ELSEWHERE(thread) (SEEN_ON_CPU(thread) && !dead[thread])
#endif

#ifdef STAGED_KEPT_AT_SWITCH_OUT
#define KEPT(thread) BUSY(thread)
#else
#ifdef FULL_KEPT_AT_SWITCH_OUT
#define KEPT(thread) true
#else
#define KEPT(thread) false
#endif
#endif

/* Once more, at one that left a CPU. */
inline examine(thread) {
	REACHED(LEFT_WITH_REPLY, HAS_REPLY(thread));
#ifndef DEPARTED_NOT_COLLECTED
	collect(thread);
#endif
	if
	:: WAKE_UNDER_WAY(thread) -> REACHED(LEFT_WITH_WAKE, true)
	:: CAME_ELSEWHERE(thread) -> REACHED(LEFT_AND_CAME, word[thread] == FULL)
	:: else ->
		REACHED(LEFT_WITH_FULL, word[thread] == FULL && !BUSY(thread));
		REACHED(LEFT_WITH_STAGED, word[thread] == FULL && BUSY(thread));
		seen_running(thread);
		if
		:: KEPT(thread) -> skip
		:: else -> take_back(thread)
		fi
	fi;
	if
	:: dead[thread] && !buried[thread] ->
		buried[thread] = 1;
		for (call : 0 .. CALLS - 1) {
			if
			:: at[call] == thread -> end_call(call) /* it may have run */
			:: else -> skip
			fi
		}
		call = 0
	:: else -> skip
	fi
}

/* --- the NIC --------------------------------------------------------------- */

inline look_at(cpu) {
	news[cpu] = 0;
	seen[cpu] = says[cpu];
	for (n : 0 .. THREADS - 1) {
		if
		:: LEFT(cpu, n) ->
			LEFT(cpu, n) = 0;
			examine(n)
		:: else -> skip
		fi
	}
	n = 0;
	if
	:: seen[cpu] < THREADS -> seen_running(seen[cpu])
	:: else -> skip
	fi
}

#ifdef SLOW_PROCESS
#define SLOW(thread) (slow[0] && !PROCESS_OF(thread) || slow[1] && !PROCESS_OF(thread) ||	\
	slow[2] && PROCESS_OF(thread))
#else
#define SLOW(thread) slow[thread]
#endif

#define WAITS_FOR(call, thread) (at[call] == QUEUE && PROCESS_FOR(call) == PROCESS_OF(thread))
#ifdef WAKE_ONLY_IF_PARKED
#define MUST_BE_WOKEN(thread) (word[thread] == PARKED)
#else
/* By the endpoint's word, whatever its lane says. */
#define MUST_BE_WOKEN(thread) (word[thread] == PARKED || word[thread] == FREE && asleep[thread])
#endif

#define MAY_GIVE(call, thread) (WAITS_FOR(call, thread) && SEEN_ON_CPU(thread) &&	\
	word[thread] == FREE && !BUSY(thread))
#define MAY_STAGE(call, thread) (WAITS_FOR(call, thread) && SEEN_ON_CPU(thread) &&	\
	word[thread] == FREE && BUSY(thread) && stages < STAGES)
#ifdef RUN_WITHOUT_COLLECT
#define COLLECTED(thread) true
#else
#define COLLECTED(thread) !BUSY(thread)
#endif
/* Its last RUN, whatever became of the message, has been answered. */
#ifdef RUN_BEFORE_ANSWER
#define ANSWERED(thread) true
#else
#define ANSWERED(thread) (named[0] != thread && named[1] != thread)
#endif
#define MAY_RUN(call, thread, cpu) (WAITS_FOR(call, thread) && MUST_BE_WOKEN(thread) &&	\
	COLLECTED(thread) && ANSWERED(thread) && LOOKED && !SLOW(thread) &&	\
	awaited[PROCESS_OF(thread)] == NOBODY && command_is[cpu] == NOTHING &&	\
	seen[cpu] != OFFLINE)

/* It has looked at all lines before: who leaves later leaves after the message. */
#ifdef RUN_WITHOUT_LOOK
#define LOOKED true
#else
#define LOOKED (!news[0] && !news[1])
#endif

inline ask(thread, cpu) {
	named[cpu] = thread;
	command_is[cpu] = ASKED
}

/* Looks, fills, asks, and only then looks whether the CPU must be interrupted. (One
 * that has answered by then would not mind.) */
inline say_run(call, thread, cpu) {
	MAY_RUN(call, thread, cpu);
	atomic {
		if
		:: word[thread] == PARKED || word[thread] == FREE ->
			REACHED(ASLEEP_UNPARKED, word[thread] == FREE && asleep[thread]);
			give(call, thread);
			awaited[PROCESS_OF(thread)] = thread;
#ifdef MODE_READ_BEFORE_RUN
			mode = says[cpu];
#else
			ask(thread, cpu);
#endif
			given = true
		:: else -> skip
		fi
	};
	d_step {
		if
		:: given ->
#ifdef MODE_READ_BEFORE_RUN
			ask(thread, cpu);
#else
			mode = says[cpu];
#endif
			interrupt[cpu] = (mode != NOBODY && command_is[cpu] == ASKED);
			mode = 0;
			given = false
		:: else -> skip
		fi
	}
}

inline on_answer(cpu) {
	if
	:: command_is[cpu] == REFUSED ->
		if
		:: awaited[PROCESS_OF(named[cpu])] == named[cpu] ->
#ifndef REFUSED_NOT_TAKEN_BACK
			take_back(named[cpu]);
#endif
			awaited[PROCESS_OF(named[cpu])] = NOBODY
		:: else -> skip
		fi;
		REACHED(REFUSED_LATE, slow[named[cpu]]);
#ifndef LATE_REFUSAL_UNHEARD
		slow[named[cpu]] = 0 /* nobody was woken who could be late */
#endif
	:: else -> skip
	fi;
	named[cpu] = NOBODY;
	command_is[cpu] = NOTHING
}

/* T_run has passed. */
inline on_late(thread) {
	if
	:: held[thread] == NOT -> faults++
	:: else -> skip
	fi;
	REACHED(TAKEN_BACK_LATE, true);
	take_back(thread);
	awaited[PROCESS_OF(thread)] = NOBODY;
	slow[thread] = 1
}

#define FOR_CALL(call)	\
	:: d_step { at[call] < THREADS && put[call] && SEEN_ON_CPU(at[call]) ->	\
		end_call(call) }	\
	:: d_step { at[call] == QUEUE && NOBODY_LEFT_FOR(call) ->	\
		REACHED(NOBODY_LEFT, true);	\
		end_call(call) }
#define NOBODY_LEFT_FOR(call)	\
	(PROCESS_FOR(call) -> buried[2] : buried[0] && buried[1])

#define GIVE(call, thread)	\
	:: d_step { MAY_GIVE(call, thread) -> give(call, thread) }	\
	:: d_step { MAY_STAGE(call, thread) -> stages++; give(call, thread) }	\
	:: say_run(call, thread, 0)	\
	:: say_run(call, thread, 1)
#define GIVE_TO_FIRST(call) GIVE(call, 0) GIVE(call, 1)

#ifdef NO_T_RUN
#define T_RUN(thread)
#else
#define T_RUN(thread)	\
	:: d_step { awaited[PROCESS_OF(thread)] == thread && word[thread] == FULL &&	\
	   (held[thread] != NOT || FAULT) -> on_late(thread) }
#endif

#define FOR_THREAD(thread)	\
	:: d_step { BUSY(thread) && word[thread] == FULL && SEEN_ON_CPU(thread) ->	\
		take_back(thread) } /* 50 us */	\
	:: d_step { awaited[PROCESS_OF(thread)] == thread && word[thread] != FULL ->	\
		awaited[PROCESS_OF(thread)] = NOBODY } /* it has taken */	\
	T_RUN(thread)

#define FOR_CPU(cpu)	\
	:: d_step { news[cpu] -> look_at(cpu) }	\
	:: d_step { command_is[cpu] == ACCEPTED || command_is[cpu] == REFUSED -> on_answer(cpu) }

active proctype nic() {
	byte call, n, mode;
	bool given;

	do
	:: answered == CALLS -> break
	FOR_CPU(0)
	FOR_CPU(1)
	FOR_CALL(0)
#if CALLS > 1
	FOR_CALL(1)
	GIVE_TO_FIRST(0)
#endif
#if CALLS > 2
	FOR_CALL(2)
	GIVE_TO_FIRST(1)
#endif
#if OTHERS == 0
	GIVE_TO_FIRST(CALLS - 1)
#else
	GIVE(CALLS - 1, 2)
#endif
	FOR_THREAD(0)
	FOR_THREAD(1)
	FOR_THREAD(2)
	od
}

/* --- rest ------------------------------------------------------------------ */

#define SOMEBODY_HELD (held[0] == LONG || held[1] == LONG || held[2] == LONG)
#define CPU_FREE (cpu_is[0] == WAITS || cpu_is[1] == WAITS)
#define COULD_RUN(thread) (!dead[thread] && held[thread] == NOT && asleep[thread])

inline check_rest() {
	for (n : 0 .. THREADS - 1) {
		MUST(NOTHING_STRANDED, word[n] != FULL || RUNNABLE(n))
	}
	for (n : 0 .. CALLS - 1) {
		MUST(NOTHING_STRANDED, at[n] >= THREADS || !put[n]);
		MUST(WORK_CONSERVED, at[n] != QUEUE || !CPU_FREE ||
			!(PROCESS_FOR(n) -> COULD_RUN(2) : COULD_RUN(0) || COULD_RUN(1)))
	}
	n = 0;
	REACHED(HELD_AT_REST, SOMEBODY_HELD);
	REACHED(ANSWERED_AT_REST, answered == CALLS - 1 && !finish)
}

active proctype rest() {
	byte n;

end:
	do
	:: atomic { timeout && answered < CALLS && (SOMEBODY_HELD || !finish) ->
		check_rest();
		if
		:: SOMEBODY_HELD ->
			for (n : 0 .. THREADS - 1) {
				held[n] = NOT
			}
			n = 0
		:: else -> finish = 1
		fi
	   }
	od
}
