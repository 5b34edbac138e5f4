/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Threads and kernel, for the model of dispatch (dispatch_run.pml).
 *
 * Two processes on two CPUs: threads 0 and 1 are workers of the first, thread 2 is
 * that of the second. A thread looks at its lane, takes, runs its handler, puts the
 * reply; if there is nothing it parks: the word, then the module: what is remembered,
 * its state, the word once more, schedule().
 *
 * What a CPU's line says is what dispatch_line.pml shows of it: who runs now, and who
 * left since the NIC's last look. schedule() is one step with all that it publishes:
 * the run queue's lock keeps wakes out of it.
 *
 * What the machine does to a thread is a fault; FAULTS of them happen, in any mixture:
 * a preemption, a hold (throttled, frozen, stopped, starved by a real-time thread),
 * the end of a thread, a CPU that goes, a RUN whose CPU the thread may not use, and a
 * wake that takes longer than T_run. A hold is short, and ends at any time, or long:
 * it ends only when nothing else can move. So does the handler of call LASTING. What
 * has not been done by then waits for it, and `rest` looks whether it had to.
 */

#define PROCESSES 2
#define CPUS 2
#define THREADS 3
#define PROCESS_OF(thread) ((thread) == THREADS - 1)

#ifndef CALLS
#define CALLS 2
#endif
#ifndef OTHERS
#define OTHERS 1 /* the last of them are for the second process */
#endif
#define PROCESS_FOR(call) ((call) >= CALLS - OTHERS)
#ifndef LASTING
#define LASTING (CALLS - 1) /* the call whose handler ends last */
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef STAGES
#define STAGES 1 /* how often the NIC stages */
#endif

#define NOBODY THREADS /* a thread that is none */
#define OFFLINE (THREADS + 1) /* instead of one, in a CPU's word */
#define NOWHERE CPUS
#define NONE CALLS /* a call that is none */

#include "properties.pml"

byte faults;
#define FAULT (faults < FAULTS)

/* --- lanes ----------------------------------------------------------------- */

/* The next slot of each thread's `in` lane; what it has taken is in `handles`. */
mtype = { FREE, PARKED, FULL, CLOSED };
mtype word[THREADS] = PARKED;
byte message[THREADS] = NONE;
byte handles[THREADS] = NONE;
bit put[CALLS]; /* the reply is in the `out` lane of the thread */
bit started[CALLS]; /* ghost */

/* --- the kernel's truth ---------------------------------------------------- */

mtype = { LOOKS, PARKS, PUBLISHED, CHECKED };
mtype does[THREADS] = CHECKED;
bit asleep[THREADS] = 1; /* in our wait, off the run queue: the endpoint's word */
bit remembered[THREADS]; /* a RUN that came before the thread was in our wait */
bit woken[THREADS]; /* one that came after it had set its state */
bit dead[THREADS];
mtype = { NOT, SHORT, LONG };
mtype held[THREADS] = NOT;
byte on[THREADS] = NOWHERE;

mtype = { WAITS, ENTERS, RUNS, WENT, OFF };
mtype cpu_is[CPUS] = WAITS;

/* What its line says. */
byte says[CPUS] = NOBODY;
bit left[CPUS * THREADS]; /* since the NIC's last look */
bit news[CPUS];
#define LEFT(cpu, thread) left[(cpu) * THREADS + (thread)]

/* The kernel channel of a CPU. */
mtype = { NOTHING, ASKED, ACCEPTED, REFUSED };
mtype command_is[CPUS] = NOTHING;
byte named[CPUS] = NOBODY; /* the thread that is named */
bit interrupt[CPUS];

bit cpu_goes; /* one of them at most */

bit finish; /* LASTING may end */
byte answered;

#define ON_CPU(thread) (on[thread] != NOWHERE && cpu_is[on[thread]] == RUNS)
#define RUNNABLE(thread)	\
	(on[thread] == NOWHERE && !asleep[thread] && !dead[thread] && held[thread] == NOT)
#define SOMEBODY_RUNNABLE (RUNNABLE(0) || RUNNABLE(1) || RUNNABLE(2))
#define WAITING(thread)	\
	(does[thread] == LOOKS && handles[thread] == NONE && word[thread] == FREE)
/* A runnable thread that was woken for a message preempts one that only waits. */
#define WOKEN_FOR(thread) (RUNNABLE(thread) && word[thread] == FULL)
#define SOMEBODY_WOKEN (WOKEN_FOR(0) || WOKEN_FOR(1) || WOKEN_FOR(2))

/* --- schedule() ------------------------------------------------------------ */

inline publish(cpu, what) {
	says[cpu] = what;
	news[cpu] = 1
}

inline leave(cpu, what) {
	LEFT(cpu, says[cpu]) = 1;
	on[says[cpu]] = NOWHERE;
	publish(cpu, what)
}

/* One that is runnable, if there is any. */
inline pick(thread) {
	if
	:: RUNNABLE(0) -> thread = 0
	:: RUNNABLE(1) -> thread = 1
	:: RUNNABLE(2) -> thread = 2
	:: else -> thread = NOBODY
	fi
}

/* That whose wake-up preempts a thread which waits; else any that is runnable. */
inline pick_next(thread, by_wake) {
	if
	:: by_wake && WOKEN_FOR(0) -> thread = 0
	:: by_wake && WOKEN_FOR(1) -> thread = 1
	:: by_wake && WOKEN_FOR(2) -> thread = 2
	:: !by_wake -> pick(thread)
	fi
}

inline schedule(cpu, next, by_wake) {
	leave(cpu, NOBODY);
	pick_next(next, by_wake);
	if
	:: next == NOBODY -> cpu_is[cpu] = WAITS
	:: else ->
		says[cpu] = next;
		on[next] = cpu
	fi;
	next = 0
}

/* --- RUN ------------------------------------------------------------------- */

inline wake(thread) {
	asleep[thread] = 0;
	woken[thread] = 1
}

inline execute(cpu) {
	interrupt[cpu] = 0;
	if
	:: cpu_is[cpu] == WENT || cpu_is[cpu] == OFF || dead[named[cpu]] ->
		REACHED(RUN_OFFLINE, cpu_is[cpu] == OFF || cpu_is[cpu] == WENT);
		REACHED(RUN_AFTER_OFFLINE, cpu_is[cpu] == OFF);
		REACHED(RUN_DEAD, dead[named[cpu]]);
		command_is[cpu] = REFUSED
	:: else ->
		if
		:: FAULT -> /* it may not run here */
			faults++;
			command_is[cpu] = REFUSED
		:: command_is[cpu] = ACCEPTED;
			if
			:: asleep[named[cpu]] -> wake(named[cpu])
			:: !asleep[named[cpu]] ->
#ifdef EARLY_RUN_REFUSED
				skip /* counted, and nobody does anything about it */
#else
				if
				:: does[named[cpu]] == PUBLISHED || does[named[cpu]] == CHECKED ->
					REACHED(RUN_BEFORE_SLEEP, does[named[cpu]] == CHECKED);
					woken[named[cpu]] = 1
				:: else ->
					REACHED(RUN_REMEMBERED, true);
					remembered[named[cpu]] = 1
				fi
#endif
			fi
		fi
	fi
}

/* --- processes ------------------------------------------------------------- */

inline unpark(thread) {
	if
	:: word[thread] == PARKED -> word[thread] = FREE
	:: else -> skip
	fi;
	does[thread] = LOOKS
}

active [THREADS] proctype threads() {
	byte here, next;

end:
	do
	:: atomic { ON_CPU(_pid) && does[_pid] == LOOKS && handles[_pid] == NONE &&
	   word[_pid] == FULL ->
		MUST(RUN_AT_MOST_ONCE, !started[message[_pid]]);
		started[message[_pid]] = 1;
		handles[_pid] = message[_pid];
		message[_pid] = NONE;
		word[_pid] = FREE
	   }
	:: atomic { ON_CPU(_pid) && handles[_pid] != NONE &&
	   (handles[_pid] != LASTING || finish) ->
		REACHED(STAGED_FOR_NEXT, word[_pid] == FULL);
		put[handles[_pid]] = 1;
		handles[_pid] = NONE
	   }
	:: atomic { ON_CPU(_pid) && WAITING(_pid) ->
		if
		:: remembered[_pid] -> remembered[_pid] = 0 /* parks, and is back at once */
		:: else ->
			word[_pid] = PARKED;
			does[_pid] = PARKS
		fi
	   }
	:: atomic { ON_CPU(_pid) && does[_pid] == PARKS -> does[_pid] = PUBLISHED }
	:: atomic { ON_CPU(_pid) && does[_pid] == PUBLISHED ->
#ifdef PARK_WITHOUT_RECHECK
		does[_pid] = CHECKED
#else
		if
		:: word[_pid] == PARKED -> does[_pid] = CHECKED
		:: else ->
			REACHED(RECHECK_FOUND_MESSAGE, word[_pid] == FULL);
			woken[_pid] = 0;
			does[_pid] = LOOKS
		fi
#endif
	   }
	:: atomic { ON_CPU(_pid) && does[_pid] == CHECKED ->
		if
		:: woken[_pid] ->
			woken[_pid] = 0;
			unpark(_pid)
		:: else ->
			asleep[_pid] = 1;
			here = on[_pid];
			schedule(here, next, false);
			here = 0
		fi
	   }
	:: atomic { ON_CPU(_pid) && FAULT -> /* exit */
		faults++;
		REACHED(DIED_WITH_FULL, word[_pid] == FULL);
		REACHED(DIED_IN_HANDLER, handles[_pid] != NONE);
		dead[_pid] = 1;
		handles[_pid] = NONE;
		if
		:: word[_pid] != FULL -> word[_pid] = CLOSED
		:: else -> skip
		fi;
		here = on[_pid];
		schedule(here, next, false);
		here = 0
	   }
	od
}

active [CPUS] proctype cpus() {
	byte next;
#define SELF (_pid - THREADS)

end:
	do
	:: atomic { cpu_is[SELF] == WAITS && command_is[SELF] == ASKED -> execute(SELF) }
	:: atomic { cpu_is[SELF] == WAITS && SOMEBODY_RUNNABLE ->
		pick(next);
		on[next] = SELF;
		publish(SELF, next);
		next = 0;
		cpu_is[SELF] = ENTERS
	   }
	:: atomic { cpu_is[SELF] == ENTERS -> /* has left its wait: once more */
#ifndef RUN_LOST_ON_LEAVING
		if
		:: command_is[SELF] == ASKED ->
			REACHED(RUN_ON_LEAVING, true);
			execute(SELF)
		:: else -> skip
		fi;
#endif
		cpu_is[SELF] = RUNS
	   }
	:: atomic { interrupt[SELF] -> /* also of one that went: another serves it */
		execute(SELF)
	   }
	:: atomic { cpu_is[SELF] == RUNS && WAITING(says[SELF]) && SOMEBODY_WOKEN ->
		REACHED(WAITER_PREEMPTED, true);
		schedule(SELF, next, true)
	   }
	:: atomic { cpu_is[SELF] == RUNS && FAULT ->
		faults++;
		if
		:: skip /* preempted */
		:: held[says[SELF]] = SHORT
		:: held[says[SELF]] = LONG
		fi;
		schedule(SELF, next, false)
	   }
	:: atomic { (cpu_is[SELF] == RUNS || cpu_is[SELF] == WAITS) && !cpu_goes && FAULT ->
		faults++;
		cpu_goes = 1;
		if
		:: cpu_is[SELF] == RUNS -> leave(SELF, OFFLINE)
		:: else -> publish(SELF, OFFLINE)
		fi;
		cpu_is[SELF] = WENT
	   }
	:: atomic { cpu_is[SELF] == WENT -> /* another CPU, in its name */
		if
		:: command_is[SELF] == ASKED -> execute(SELF)
		:: else -> skip
		fi;
		cpu_is[SELF] = OFF
	   }
	od
#undef SELF
}

/* Holds of threads that do not run, and the end of short ones. */
active [THREADS] proctype holds() {
#define SELF (_pid - THREADS - CPUS)
end:
	do
	:: atomic { on[SELF] == NOWHERE && held[SELF] == NOT && !dead[SELF] && FAULT ->
		faults++;
		if
		:: held[SELF] = SHORT
		:: held[SELF] = LONG
		fi
	   }
	:: atomic { held[SELF] == SHORT -> held[SELF] = NOT }
	od
#undef SELF
}
