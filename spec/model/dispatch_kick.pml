/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Kicks: a core that takes no interrupt while a load is open, and the NIC that must
 * not keep it so.
 *
 * One CPU; another two send it an interrupt each, for a reschedule or for a call of a
 * function (a TLB shootdown, membarrier). The interrupt flies for up to T_IPI, that for a
 * reschedule exceptionally longer, if less than T_HOLD. Who sends it raises `kick` afterwards, if a bound thread runs there. The CPU publishes
 * as `kick_seen` the kick that it read on entry of schedule(), on every pass, also
 * when the same thread is picked; a function call makes no pass. The thread looks, and
 * looks again, by loads. The NIC
 *   - answers a load at once if it has a message, whatever the kick says;
 *   - answers it at once without one while kick and kick_seen differ, at most T_HOLD
 *     after the last kick;
 *   - and, whatever kick_seen says, for T_IPI after the last kick and after the last
 *     change of the CPU's word: the interrupt may still fly;
 *   - holds it no longer than T_MAX.
 * Time goes in ticks; what must happen at once happens before the next one. A look and
 * its answer take a tick. A run may go on for ever by waits of T_MAX, by nothing else.
 * Checked: no interrupt of another CPU waits for a tick, the CPU's own waits no longer
 * than T_MAX, and a CPU is not refused longer than T_HOLD after the last kick.
 *
 * Abstracted: the NIC sees kick, kick_seen and word at once; a later look is a longer
 * flight. Switches to other threads are in dispatch_run.pml.
 */

#ifndef T_IPI
#define T_IPI 1
#endif
#ifndef T_HOLD
#define T_HOLD 3
#endif
#ifndef T_MAX
#define T_MAX 5
#endif
#ifndef PASSES
#define PASSES 1 /* of schedule(), for other reasons; the first one may bring the thread */
#endif

/* Situations for witness runs. */
#define FREED_BY_KICK 1 /* a held load was answered for a kick, and the interrupt came */
#define LANDED_ON_NEXT 2 /* it landed when the next load was already made */
#define REFUSED_TO_THE_END 3 /* no schedule(): T_HOLD ended it */
#define SEEN_IN_FLIGHT 4 /* schedule() saw the kick before its interrupt came */
#define NOT_KICKED 5 /* nobody bound ran when the interrupt was sent */
#define TIMER_WAITED 6 /* the CPU's own, until T_MAX */
#define MESSAGE_IN_HOLD 7 /* a message was given although the CPU was kicked */

#define SENDERS 2
#include "properties.pml"

mtype = { NOT_SENT, SENT, FLIES, LANDED, TAKEN };
mtype interrupt[SENDERS] = NOT_SENT;
bit reschedules[SENDERS];
bit served[SENDERS];
byte since[SENDERS]; /* it was sent, then since it landed */
mtype timer = NOT_SENT; /* the CPU's own */
byte timer_since;

byte kick, kick_seen; /* not more than SENDERS */
byte kick_age = T_HOLD; /* of its last change */
byte quiet = T_IPI + 1; /* since the last kick or change of the word */

bit bound; /* a bound thread runs */
bit load; /* it has an open load */
byte load_age;
bit looked; /* its next look is in the next tick */
bit passing; /* in schedule() */
bit message, taken;
byte refused; /* ghost: in a row, since the last kick */

#define LANDED_HERE (interrupt[0] == LANDED || interrupt[1] == LANDED)
#define FLIES_HERE (interrupt[0] == FLIES || interrupt[1] == FLIES)
#define SENDING (interrupt[0] == SENT || interrupt[1] == SENT)
#define MUST_LAND(i) (interrupt[i] == FLIES &&	\
	since[i] >= (reschedules[i] -> T_HOLD - 1 : T_IPI))
/* schedule() since it was sent has done what a reschedule asks for. */
#define NEEDED(i) (interrupt[i] == LANDED && !served[i])

/* --- the NIC --------------------------------------------------------------- */

#if defined(NO_T_HOLD) || defined(KICK_ENDS_BY_SWITCH)
#define IN_HOLD true
#else
#define IN_HOLD (kick_age < T_HOLD)
#endif
#ifdef SEEN_ENDS_REFUSAL
#define MAY_FLY false
#else
#define MAY_FLY (quiet <= T_IPI)
#endif
#ifdef KICK_NOT_STICKY
#define KICKED (kick != kick_seen && load_age > 0)
#else
#define KICKED (kick != kick_seen)
#endif
#ifdef NO_KICK
#define REFUSES false
#else
#define REFUSES (KICKED && IN_HOLD || MAY_FLY)
#endif
#ifdef NO_T_MAX
#define IS_OLD false
#else
#define IS_OLD (load_age >= T_MAX)
#endif

inline answer() {
	load = 0;
	load_age = 0;
	looked = 1
}

active proctype nic() {
end:
	do
	:: atomic { load && message ->
		REACHED(MESSAGE_IN_HOLD, REFUSES);
		answer();
		taken = 1
	   }
	:: atomic { load && !message && REFUSES ->
		REACHED(FREED_BY_KICK, load_age > 0 && LANDED_HERE);
		REACHED(REFUSED_TO_THE_END, refused + 1 == T_HOLD && kick != kick_seen);
#ifndef KICK_ENDS_BY_SWITCH /* there it goes on for ever */
		refused++;
		MUST(REFUSED_WITHIN_HOLD, refused <= T_HOLD);
#endif
		answer()
	   }
	:: load && !message && !REFUSES && IS_OLD ->
progress:
		atomic {
			REACHED(TIMER_WAITED, timer == LANDED && timer_since == T_MAX);
			refused = 0;
			answer()
		}
	od
}

/* --- the CPU --------------------------------------------------------------- */

#ifdef KICK_ENDS_BY_SWITCH
#define PUBLISH_SEEN skip /* the same thread is picked */
#else
#define PUBLISH_SEEN kick_seen = seen
#endif

inline schedule() {
	d_step {
		passing = 1;
		seen = kick;
		REACHED(SEEN_IN_FLIGHT, kick != kick_seen && FLIES_HERE)
	};
	d_step {
		PUBLISH_SEEN;
		served[0] = reschedules[0] && interrupt[0] != NOT_SENT;
		served[1] = reschedules[1] && interrupt[1] != NOT_SENT;
		seen = 0;
		passing = 0;
		if
		:: !bound ->
			bound = 1;
#ifndef SWITCH_IN_NOT_QUIET
			quiet = 0
#endif
		:: else -> skip
		fi
	}
}

inline take_interrupt(i) {
	interrupt[i] = TAKEN;
	since[i] = 0
}

active proctype cpu() {
	byte seen, passes;

end:
	do
	:: atomic { bound && !load && !looked && !LANDED_HERE && timer != LANDED && !taken ->
		load = 1;
		load_age = 0;
		REACHED(LANDED_ON_NEXT, FLIES_HERE && quiet > 0 && quiet <= T_IPI)
	   }
	:: atomic { !load && interrupt[0] == LANDED -> take_interrupt(0) };
		if
		:: reschedules[0] -> schedule()
		:: else -> skip
		fi
	:: atomic { !load && interrupt[1] == LANDED -> take_interrupt(1) };
		if
		:: reschedules[1] -> schedule()
		:: else -> skip
		fi
	:: atomic { !load && timer == LANDED -> timer = TAKEN; timer_since = 0 }
	:: atomic { !load && passes < PASSES -> passes++ };
		schedule()
	od
}

/* --- who interrupts it ----------------------------------------------------- */

active [SENDERS] proctype sender() {
#define SELF (_pid - 2)
	bool again;

	if
	:: reschedules[SELF] = 1
	:: skip
	fi;
	d_step { interrupt[SELF] = SENT; REACHED(NOT_KICKED, !bound) };
	d_step { /* the interrupt was sent before */
		interrupt[SELF] = FLIES;
		since[SELF] = 0;
		if
		:: bound ->
			kick++;
			kick_age = 0;
			quiet = 0;
			refused = 0
		:: else -> skip
		fi
	};
	d_step { interrupt[SELF] == FLIES -> interrupt[SELF] = LANDED; since[SELF] = 0 }
#undef SELF
}

/* --- time ------------------------------------------------------------------ */

#define ANSWER_DUE (load && (message || REFUSES || IS_OLD))
#define INTERRUPT_DUE (!load && (LANDED_HERE || timer == LANDED))
#define AT_ONCE (ANSWER_DUE || INTERRUPT_DUE || passing || SENDING || MUST_LAND(0) ||	\
	MUST_LAND(1) || bound && !load && !looked)

#define AGE(counter, limit) counter = (counter < limit -> counter + 1 : counter)

active proctype ticks() {
end:
	do
	:: atomic { (bound || FLIES_HERE) && !AT_ONCE && !taken ->
		MUST(INTERRUPTED_IN_TIME, !NEEDED(0) && !NEEDED(1));
		looked = 0;
		AGE(load_age, T_MAX);
		AGE(kick_age, T_HOLD);
		AGE(quiet, T_IPI + 1);
		AGE(since[0], T_HOLD);
		AGE(since[1], T_HOLD);
		if
		:: timer == LANDED ->
			timer_since++;
			MUST(INTERRUPTED_IN_TIME, timer_since <= T_MAX)
		:: else -> skip
		fi
	   }
	:: atomic { timer == NOT_SENT -> timer = LANDED }
	:: atomic { !message -> message = 1 }
	od
}
