/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Who drives an engine that has no thread of its own: nic/fused_driver.h.
 *
 *   thread   puts a call, and rings: takes the engine's lock and does a turn, or
 *            leaves a mark, and who has the lock does another. Then it waits: looks
 *            at the wire, parks on its word, and sleeps, as the leader on the wire
 *            and the bell, else on the futex of its word. When its answer has come
 *            it resigns, and is away: for ever after the last of its calls.
 *   standby  leads while no thread does, and if nobody has looked for a while.
 *   network  answers what was sent, or loses it once; then the engine's timer has
 *            to send it again. Brings a call for a worker, which puts nothing, in
 *            the end.
 *
 * A turn collects what was put, does what a timer is due for, and, if it looks at
 * the wire, fills the words of those whose answers came; a word that was PARKED is
 * woken, by the bell if it is the one of which the leader said that it sleeps there.
 *
 * Checked: every thread gets all its answers, whoever is away; one drives at a time.
 *
 * Abstracted: memory is sequentially consistent, as all is read and written under
 * the engine's lock or by read-modify-writes of one word, but for what the leader
 * takes back (in vain rings only). A millisecond passes whenever it may. A leader
 * that looks without sleeping is one that is woken at once; of others that look,
 * only what relieves the standby thread is here.
 */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef CALLS
#define CALLS 2 /* of the first thread */
#endif
#ifndef OTHERS
#define OTHERS 1 /* of each other */
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef LINK
#define LINK 0 /* whether the wire is memory: who puts rings only if it sleeps */
#endif
#ifndef WORKER
#define WORKER 0 /* 1: the last thread waits for a call that comes in the end; 2: for
		    one that is queued until the first has put a reply */
#endif

/* Situations for witness runs. */
#define MARK_HEEDED 1 /* a turn was done for another's mark */
#define FOLLOWER_WOKEN 2 /* by its message, out of its sleep */
#define FOLLOWER_LEADS 3 /* it was made the leader */
#define ANSWERED_BEFORE_LEADING 4 /* ... and had its message before it woke up */
#define LEADER_RUNG 5 /* the leader's own word, filled by another's turn */
#define EARLIER_TIMER 6 /* the leader was rung for a timer */
#define STANDBY_LEADS 7 /* as nobody has looked */
#define RING_PASSED_ON 8 /* the standby thread got another's ring */
#define STANDBY_RELIEVED 9 /* by a thread that looks */

#include "properties.pml"

#define STANDBY THREADS
#define NOBODY 255

mtype = { FREE, PARKED, FULL, NEVER, TIMER, AWAKE };

/* Host and wire. */
bit put[THREADS];
bit sent[THREADS]; /* on its way out, or at the server */
bit came[THREADS]; /* lies at the wire */
bit wants[THREADS]; /* engine: sent, and nothing has come back */
mtype word[THREADS] = FREE;
byte losses;
bit done; /* the first thread has all its answers */
bit reply; /* that was put by the first thread, for which a call is queued */

/* A wire that is memory: what the peer sees, and whether it has rung. */
bit wire_asleep, wire_rung;
#define READY (LINK -> wire_rung : ANY(came))

/* The engine's lock, and what it guards. */
byte driver = NOBODY; /* who has it */
bit marked;
bit wires_sleep;
byte leader_word = NOBODY;
mtype leader_until = AWAKE;

/* Futexes, the bell, and the other one. */
bit woken[THREADS];
bit bell, standby_bell;

/* Leadership: each step under its mutex. */
byte leader = STANDBY;
bit follows[THREADS];
#ifdef WAKES_SLEEPERS_ONLY
bit asleep[THREADS];
#endif
bit watching = 1;
bit looked;

#define ANY(flag) (flag[0] || flag[THREADS - 1])
#if THREADS > 2
#undef ANY
#define ANY(flag) (flag[0] || flag[1] || flag[2])
#endif

inline awaken_wires() {
	d_step { wires_sleep = 0; wire_asleep = 0 }
}

inline try_to_sleep_on_wires(me, sleep) {
	if
	:: wires_sleep -> sleep = true
	:: else ->
		wire_asleep = 1;
		d_step {
			sleep = !LINK || !ANY(came);
			wires_sleep = sleep;
			if
			:: !sleep -> wire_asleep = 0
			:: else -> skip
			fi
		}
	fi;
	if
	:: sleep -> leader_until = (ANY(wants) -> TIMER : NEVER)
	:: else -> skip
	fi
}

/* Part of a d_step. */
inline deliver(me, to) {
	if
	:: word[to] == PARKED && leader_word == to ->
		REACHED(LEADER_RUNG, me != to);
		bell = 1
	:: word[to] == PARKED && leader_word != to -> woken[to] = 1
	:: else -> skip
	fi;
	word[to] = FULL
}

inline turn(me, wire) {
	d_step {
		MUST(ONE_OWNER, driver == me);
		i = 0;
		do
		:: i < THREADS ->
			if
			:: put[i] ->
				put[i] = 0;
				sent[i] = 1;
				wants[i] = 1
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		if
		:: reply -> reply = 0; deliver(me, THREADS - 1)
		:: else -> skip
		fi
	};
	if
	:: wire ->
		d_step {
			looked = 1;
			wire_rung = 0;
			i = 0;
			do
			:: i < THREADS ->
				if
				:: came[i] ->
					came[i] = 0;
					wants[i] = 0;
					deliver(me, i)
				:: else -> skip
				fi;
				i++
			:: else -> break
			od;
			i = 0
		}
	:: else -> skip
	fi
}

/* A timer that is due: what was lost is sent again. */
inline expire() {
	d_step {
		i = 0;
		do
		:: i < THREADS ->
			if
			:: wants[i] && !sent[i] && !came[i] -> sent[i] = 1
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

inline try_lock_or_mark(me, got) {
	d_step {
		if
		:: driver == NOBODY -> driver = me; got = true
		:: else ->
#ifndef NO_MARK
			marked = 1;
#endif
			got = false
		fi
	}
}

inline lock(me) {
	d_step { driver == NOBODY -> driver = me }
}

inline release(me) {
	do
	:: true ->
		d_step {
			if
			:: ANY(wants) && leader_until == NEVER ->
#ifndef EARLIER_TIMER_UNSAID
				REACHED(EARLIER_TIMER, true);
				leader_until = AWAKE;
				bell = 1
#endif
			:: else -> skip
			fi
		};
		d_step {
			if
			:: marked -> marked = 0; again = true; REACHED(MARK_HEEDED, true)
			:: else -> driver = NOBODY; again = false
			fi
		};
		if
		:: again -> turn(me, false)
		:: else -> break
		fi
	od
}

proctype thread(byte me) {
	byte calls, i;
	bool got, again, leads, follow, from_standby, look, sleep, to_another;

	do
	:: calls == (me == 0 -> CALLS : OTHERS) -> break
	:: else ->
		if
		:: WORKER && me == THREADS - 1 -> skip
		:: else ->
			put[me] = 1;
			try_lock_or_mark(me, got);
			if
			:: got ->
				/* The wire, too, if nobody has looked lately. */
				if
				:: got = false
#ifdef LOOKS_WHILE_WIRES_SLEEP
				:: true
#else
				:: !wires_sleep
#endif
				fi;
				turn(me, got);
				got = false;
				release(me)
			:: else -> skip
			fi
		fi;
		do
		:: d_step { word[me] == FULL -> word[me] = FREE }; break
		:: word[me] != FULL ->
			if
			:: look ->
				look = false;
				lock(me);
				awaken_wires();
				expire();
				turn(me, true);
				release(me)
			:: !look && wires_sleep && leader == STANDBY ->
				lock(me);
				d_step {
					if
					:: wires_sleep && leader == STANDBY ->
						leader = me;
						leads = true;
						leader_until = AWAKE;
#ifndef RELIEVES_UNTOLD
						standby_bell = 1;
#endif
						REACHED(STANDBY_RELIEVED, true)
					:: else -> skip
					fi
				};
				if
				:: leads ->
					awaken_wires();
					expire();
					turn(me, true)
				:: else -> skip
				fi;
				release(me)
			:: !look -> skip
			fi;
			if
			:: d_step { word[me] == FREE -> word[me] = PARKED }
			:: word[me] == FULL -> goto took
			fi;
			/* Begin() */
#ifdef FOLLOWS_AFTER_A_LOOK
			follow = !leads && leader != NOBODY && leader != STANDBY;
#endif
			d_step {
				from_standby = false;
#ifndef FOLLOWS_AFTER_A_LOOK
				follow = !leads && leader != NOBODY && leader != STANDBY;
#endif
				if
				:: follow -> follows[me] = 1
				:: !follow && !leads ->
					from_standby = (leader == STANDBY);
					leader = me;
					leads = true
				:: else -> skip
				fi
			};
			if
			:: from_standby -> d_step { standby_bell = 1; from_standby = false }
			:: else -> skip
			fi;
			if
			:: follow ->
				/*
				 * The futex is a count of wakes, which it had before
				 * Begin(): one that comes before the sleep is not lost.
				 */
#ifdef WAKES_SLEEPERS_ONLY
				asleep[me] = 1;
#endif
				if
				:: word[me] == FULL
				:: d_step { woken[me] -> REACHED(FOLLOWER_WOKEN, word[me] == FULL) }
				fi;
				d_step {
					follow = false;
					woken[me] = 0;
#ifdef WAKES_SLEEPERS_ONLY
					asleep[me] = 0;
#endif
					follows[me] = 0;
					leads = (leader == me);
					REACHED(FOLLOWER_LEADS, leads);
					REACHED(ANSWERED_BEFORE_LEADING, leads && word[me] == FULL)
				};
				look = leads
			:: else ->
#ifdef SAYS_WORD_AFTER_LOCK
				lock(me);
				sleep = (word[me] == PARKED);
#else
				lock(me);
				leader_word = me;
#ifdef NO_LOOK_AT_WORD
				sleep = true;
#else
				sleep = (word[me] == PARKED);
#endif
#endif
				if
				:: sleep -> try_to_sleep_on_wires(me, sleep)
				:: else -> skip
				fi;
				look = wires_sleep;
				release(me);
#ifdef SAYS_WORD_AFTER_LOCK
				leader_word = me;
#endif
				if
				:: sleep ->
					if
					:: d_step { bell -> bell = 0 }
					:: READY
					:: leader_until == TIMER && ANY(wants) && !ANY(sent) && !ANY(came)
					fi
				:: else -> skip
				fi;
				look = look || word[me] == PARKED;
				sleep = false;
				leader_until = AWAKE;
				leader_word = NOBODY
			fi;
			/* Leaves PARKED, or takes what came. */
			if
			:: d_step { word[me] == PARKED -> word[me] = FREE }
			:: word[me] == FULL
			fi
		od;
took:
		if
		:: word[me] == FULL -> word[me] = FREE
		:: else -> skip
		fi;
		/* End() */
		if
		:: leads && look ->
			look = false;
			lock(me);
			awaken_wires();
			expire();
			turn(me, true);
			release(me)
		:: else -> look = false
		fi;
		if
		:: leads ->
			if
			:: to_another = true
			:: to_another = false
			fi;
			d_step {
				leads = false;
				i = (me + 1) % THREADS;
				if
				:: to_another && follows[i] ->
					to_another = false;
					follows[i] = 0;
					leader = i;
#ifdef WAKES_SLEEPERS_ONLY
					woken[i] = asleep[i]
#else
					woken[i] = 1
#endif
				:: else ->
					to_another = false;
					leader = NOBODY;
#ifndef RESIGNS_UNWATCHED
					if
					:: !watching -> watching = 1; standby_bell = 1
					:: else -> skip
					fi
#endif
				fi;
				i = 0
			}
		:: else -> skip
		fi;
		calls++
	od;
	done = done || me == 0;
	if
	:: WORKER == 2 && me == 0 ->
		reply = 1;
		try_lock_or_mark(me, got);
		if
		:: got -> got = false; turn(me, false); release(me)
		:: else -> skip
		fi
	:: else -> skip
	fi
}

active proctype standby() {
	byte i;
	bool again, leads;

end:
	do
	:: leader == STANDBY ->
		lock(STANDBY);
		leads = false;
		if
		:: leader == STANDBY ->
			awaken_wires();
			expire();
			turn(STANDBY, true);
			try_to_sleep_on_wires(STANDBY, leads)
		:: else -> skip
		fi;
		release(STANDBY);
		if
		:: leads ->
end_leads:
			if
			:: standby_bell
			:: bell
			:: READY
			:: leader_until == TIMER && ANY(wants) && !ANY(sent)
			fi;
			if
			:: d_step { bell -> bell = 0 };
#ifndef RING_NOT_PASSED_ON
				if
				:: leader != STANDBY -> REACHED(RING_PASSED_ON, true); bell = 1
				:: else -> skip
				fi
#endif
			:: else -> skip
			fi;
			standby_bell = 0
		:: else -> skip
		fi
	:: leader != STANDBY && standby_bell -> standby_bell = 0
	/* A millisecond, as it watches. */
	:: d_step { watching && leader == NOBODY && looked -> looked = 0 }
	:: d_step { watching && leader == NOBODY && !looked ->
			REACHED(STANDBY_LEADS, true);
			leader = STANDBY
	   }
	/* Nobody has resigned for a while. */
	:: d_step { watching && leader < THREADS -> watching = 0 }
	od
}

inline arrive(to) {
	came[to] = 1;
	if
	:: wire_asleep -> wire_asleep = 0; wire_rung = 1
	:: else -> skip
	fi
}

active proctype network() {
	bit given;
end:
	do
	:: d_step { sent[0] -> sent[0] = 0; arrive(0) }
	:: d_step { sent[THREADS - 1] -> sent[THREADS - 1] = 0; arrive(THREADS - 1) }
	:: d_step { sent[0] && losses < LOSSES -> sent[0] = 0; losses++ }
	/* A call for the worker. */
	:: d_step { WORKER == 1 && done && !given -> given = 1; arrive(THREADS - 1) }
	od
}

init {
	atomic {
		byte i;

		for (i : 0 .. THREADS - 1) {
			run thread(i)
		}
	}
}
