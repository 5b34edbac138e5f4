/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Sessions: calls between a client and a server over a network that loses,
 * delays, reorders and repeats packets, while either end restarts.
 *
 *   client  opens a session when a call wants one; puts each call into a free
 *           slot under the slot's next sequence; sends it again until something
 *           comes back; probes it once the server said that it runs; gives up
 *           after TRIES. A caller may give up at any time: CANCEL, which is sent
 *           again until it is answered, or the slot is used again, or for TRIES:
 *           then the session is taken to be lost. What was sent into a session that is lost fails, and is
 *           never sent again; what was not goes into the next session.
 *   server  a higher sequence in a slot is a new call, and ends the lower; an equal
 *           one is a duplicate: ACCEPTED, or the kept reply; a lower one is old.
 *           A call that was cancelled is answered so, also before it has come.
 *           BUSY leaves the slot as it was. A token that it does not know, also of
 *           the server before a restart, is answered RESET. It forgets a client
 *           that is silent while calls run, and a session without running calls
 *           for another client.
 *
 * Each packet that can ever be said is a process: under way or not, it arrives
 * once, after any time, in any order. One that arrives may stay under way and
 * arrive again, and one may be lost: these are faults, as is whatever else goes
 * wrong; FAULTS of them happen. A retransmission of a packet that is still under
 * way is no second one: that both arrive is a repeat.
 * Each step of an end is one step here: both are single threads, and a handler is
 * a process of its own that ends at any time, also after its call was dropped.
 *
 * Checked: no call runs twice, or ends twice; an answer is that of the call; and
 * every call ends, whatever is lost or dies.
 *
 * Left out: HELLO and COOKIE, which make no state: the client learns the server's
 * incarnation in the step that sends OPEN, which may come as late. Addresses and
 * challenges, names of methods, granting of slots, and load. How often a running
 * call is probed is bounded by TRIES.
 */

#ifndef CALLS
#define CALLS 2 /* at most 3; made in this order */
#endif
#ifndef SLOTS
#define SLOTS 1 /* of each session, at most 2 */
#endif
#ifndef SESSIONS
#define SESSIONS 2 /* that the client opens */
#endif
#ifndef TOKENS
#define TOKENS 2 /* that the server gives: an OPEN may come twice */
#endif
#ifndef TRIES
#define TRIES 2 /* transmissions of a call, probes and all */
#endif
#ifndef OPENINGS
#define OPENINGS 1 /* transmissions of OPEN */
#endif
#ifndef FAULTS
/* Packets repeated or lost, callers that give up, BUSY, evictions, clients taken
 * for dead, idle sessions opened anew, restarts: as many, in any mixture. */
#define FAULTS 2
#endif
#ifndef LASTING
#define LASTING CALLS /* a call whose handler ends only when it is told to */
#endif

/* Situations for witness runs. */
#define DUPLICATE_OF_RUNNING 1 /* a call came again while it ran */
#define DUPLICATE_OF_REPLIED 2 /* a call came again after its reply */
#define LOWER_CAME 3 /* a call came after the next one of its slot */
#define SUPERSEDED 4 /* a higher sequence ended a call that ran */
#define LATE_REPLY 5 /* a reply came after its slot was used again */
#define REPLY_OF_LOST_SESSION 6 /* a reply came after its session was lost */
#define REPLY_OF_DROPPED 7 /* a handler ended after its call was dropped */
#define ANSWERED 8 /* a call ended with its answer */
#define KEPT_REPLY_ARRIVED 9 /* with one that was sent again */
#define REFUSED 10 /* a call was answered BUSY */
#define REFUSED_THEN_ANSWERED 11 /* and its answer came later */
#define REFUSED_YET_RUNS 12 /* BUSY came, but another copy was accepted */
#define LATE_CANCEL 13 /* a CANCEL came when the next call of its slot ran */
#define CANCELLED 14 /* a CANCEL ended a call that ran */
#define OLD_TOKEN 15 /* a call came to a server that had restarted */
#define RESET_ENDS_CALL 16 /* a RESET ended a call that was sent */
#define NEXT_SESSION 17 /* a call waited and went into the next session */
#define GAVE_UP 18 /* no answer after all tries */
#define PROBE_ANSWERED 19 /* a probe brought the reply */
#define SILENT_CLIENT 20 /* the server took a client for dead */
#define EVICTED 21 /* a session without running calls made place */
#define EVICTED_IN_FLIGHT 22 /* while its client waited for a call */
#define OPENED_AGAIN 23 /* the client closed an idle session and opened one */
#define CLIENT_BACK 24 /* a client that died in a call restarted, and got an answer */
#define OPENED_TWICE 25 /* an OPEN that came twice opened a second session */
#define EARLY_CANCEL 26 /* a CANCEL came before its call */
#define CALL_AFTER_CANCEL 27 /* and then the call, which did not run */
#define CANCELLED_AT_LAST 28 /* a CANCEL that was sent again ended a call */

#include "properties.pml"

/* --- the network ----------------------------------------------------------- */

/* What is said about a call, under its number. */
#define CALL 0
#define PROBE CALLS
#define CANCEL (2 * CALLS)
#define REPLY (3 * CALLS)
#define ACCEPTED (4 * CALLS)
#define BUSY (5 * CALLS)
/* About a session, under its token. */
#define RESET (6 * CALLS)
#define CLOSED_BY_CLIENT (RESET + TOKENS)
#define CLOSED_BY_SERVER (RESET + 2 * TOKENS)
#define ACCEPT (RESET + 3 * TOKENS)
/* Under its number, for either incarnation of the server. */
#define OPEN (RESET + 4 * TOKENS)
#define PACKETS (OPEN + 2 * SESSIONS)

#define NOBODY CALLS /* a call that is none */

/* Tokens are 0 .. TOKENS - 1, sequences begin at 1. */
typedef Header {
	byte token;
	byte slot;
	byte sequence
};

bit under_way[PACKETS];
Header asked[CALLS]; /* of the client's packets about a call */
Header said[CALLS]; /* of the server's packets with what that call came to */
byte faults;

#define FAULT (faults < FAULTS)
#define SEND(packet) under_way[packet] = 1

/* Ghosts. */
bit started[CALLS];
bit given_up[CALLS]; /* as the server knows */
#ifdef WITNESSES
bit refused[CALLS], sent_again[CALLS], client_restarted, session_lost;
#define NOTE(ghost, condition) ghost = ghost || (condition)
#else
#define NOTE(ghost, condition) skip
#endif

/* --- the client ------------------------------------------------------------ */

mtype = { PENDING, SENT, RUNNING, ENDED };
mtype = { SHUT, OPENING, READY };

mtype call_is[CALLS] = PENDING;
byte tries[CALLS];
mtype session_is = SHUT;
byte number; /* of the session, from 1 */
bit cookie; /* the incarnation that it is opened with */
byte openings;
byte token;
byte sequence[SLOTS];
byte in_slot[SLOTS] = NOBODY;
byte cancelling[SLOTS] = NOBODY; /* the call whose CANCEL was not answered yet */

#if CALLS > 2
#define NEXT_OR_LAST (call_is[1] == PENDING -> 1 : (call_is[2] == PENDING -> 2 : NOBODY))
#else
#define NEXT_OR_LAST (call_is[CALLS - 1] == PENDING -> CALLS - 1 : NOBODY)
#endif
#define FIRST_PENDING (call_is[0] == PENDING -> 0 : NEXT_OR_LAST)
#define IS_PENDING (FIRST_PENDING != NOBODY)
#if SLOTS > 1
#define IN_FLIGHT (in_slot[0] != NOBODY || in_slot[1] != NOBODY)
#define OTHERS_IN_FLIGHT(place) (in_slot[1 - place] != NOBODY)
#else
#define IN_FLIGHT (in_slot[0] != NOBODY)
#define OTHERS_IN_FLIGHT(place) false
#endif

/* The end of a call for its caller. */
inline end_call(call) {
	MUST(ENDED_ONCE, call_is[call] != ENDED);
	call_is[call] = ENDED
}

inline end_in_slot(place) {
	end_call(in_slot[place]);
#ifndef SLOT_KEPT_AFTER_END
	in_slot[place] = NOBODY
#endif
}

inline shut() {
	session_is = SHUT;
	for (slot : 0 .. SLOTS - 1) {
		cancelling[slot] = NOBODY
	}
	slot = 0
}

/* All that was sent may have run. */
inline lose_session() {
	shut();
	NOTE(session_lost, IN_FLIGHT);
	for (slot : 0 .. SLOTS - 1) {
		if
		:: in_slot[slot] != NOBODY ->
#ifdef RETRY_AFTER_RESET
			call_is[in_slot[slot]] = PENDING;
#else
			end_call(in_slot[slot]);
#endif
			in_slot[slot] = NOBODY
		:: else -> skip
		fi
	}
	slot = 0
}

inline send_opening() {
	cookie = incarnation;
	SEND(OPEN + 2 * (number - 1) + cookie)
}

/* The call in the client's slot that a packet of the server is about. */
#ifdef SEQUENCE_NOT_COMPARED
#define SAME_SEQUENCE(h) true
#else
#define SAME_SEQUENCE(h) (h.sequence == sequence[h.slot])
#endif
#ifdef TOKEN_NOT_COMPARED
#define SAME_TOKEN(h) true
#else
#define SAME_TOKEN(h) (h.token == token)
#endif
#define FOUND(h) (session_is == READY && SAME_TOKEN(h) && SAME_SEQUENCE(h) &&	\
	in_slot[h.slot] != NOBODY)

inline on_reply(call) {
	if
	:: session_is == READY && SAME_TOKEN(said[call]) && SAME_SEQUENCE(said[call]) &&
	   cancelling[said[call].slot] != NOBODY ->
		cancelling[said[call].slot] = NOBODY
	:: FOUND(said[call]) ->
		MUST(ANSWER_IS_OF_THE_CALL, in_slot[said[call].slot] == call);
		REACHED(ANSWERED, true);
		REACHED(KEPT_REPLY_ARRIVED, sent_again[call]);
		REACHED(REFUSED_THEN_ANSWERED, refused[call]);
		REACHED(CLIENT_BACK, client_restarted);
		REACHED(NEXT_SESSION, session_lost);
		REACHED(PROBE_ANSWERED, call_is[call] == RUNNING && sent_again[call]);
		end_in_slot(said[call].slot)
	:: else ->
		REACHED(LATE_REPLY, session_is == READY && said[call].token == token &&
			in_slot[said[call].slot] != NOBODY);
		REACHED(REPLY_OF_LOST_SESSION, session_is == READY &&
			said[call].token != token && in_slot[said[call].slot] != NOBODY &&
			sequence[said[call].slot] == said[call].sequence)
	fi
}

inline on_accepted(call) {
	if
	:: FOUND(said[call]) -> call_is[in_slot[said[call].slot]] = RUNNING
	:: else -> skip
	fi
}

/* Waits, and sends again; or gives up, if it was refused often enough. */
inline on_busy(call) {
	if
	:: FOUND(said[call]) && call_is[in_slot[said[call].slot]] == SENT ->
		REACHED(REFUSED_YET_RUNS, handler_runs[call]);
		if
		:: skip
		:: end_in_slot(said[call].slot)
		fi
	:: else -> skip
	fi
}

inline on_accept(given) {
	if
	:: session_is == OPENING && number_of[given] == number &&
	   incarnation_of[given] == cookie ->
		session_is = READY;
		token = given;
		for (slot : 0 .. SLOTS - 1) {
			sequence[slot] = 0
		}
		slot = 0
	:: else -> skip
	fi
}

inline on_session_gone(gone, by_reset) {
	if
	:: session_is == READY && token == gone ->
		REACHED(RESET_ENDS_CALL, by_reset && IN_FLIGHT);
		REACHED(EVICTED_IN_FLIGHT, !by_reset && IN_FLIGHT);
		lose_session()
	:: else -> skip
	fi
}

/* --- the server ------------------------------------------------------------ */

mtype = { UNUSED, RUNS, REPLIED };

bit incarnation;
byte tokens; /* given so far, by either incarnation */
bit open[TOKENS];
byte number_of[TOKENS];
bit incarnation_of[TOKENS];

#define AT(t, s) ((t) * SLOTS + (s))
mtype slot_is[TOKENS * SLOTS] = UNUSED;
byte slot_sequence[TOKENS * SLOTS];
byte slot_call[TOKENS * SLOTS] = NOBODY; /* that runs, or was answered */

bit handler_runs[CALLS];
bit told[CALLS]; /* a handler that its call was dropped */


/* Answers what the client asked about call `by`; right is only that it is `call`. */
inline say(packet, call, by) {
	said[call].token = asked[by].token;
	said[call].slot = asked[by].slot;
	said[call].sequence = asked[by].sequence;
	SEND(packet + call)
}

/* Ends a call that runs; its handler goes on. */
inline drop(at) {
#ifndef DROPPED_NOT_TOLD
	told[slot_call[at]] = 1;
#endif
	slot_is[at] = UNUSED;
	slot_call[at] = NOBODY
}

inline clear_slots(t) {
	for (slot : 0 .. SLOTS - 1) {
		if
		:: slot_is[AT(t, slot)] == RUNS -> drop(AT(t, slot))
		:: else -> skip
		fi;
		slot_is[AT(t, slot)] = UNUSED;
		slot_sequence[AT(t, slot)] = 0;
		slot_call[AT(t, slot)] = NOBODY
	}
	slot = 0
}

inline release(t) {
	open[t] = 0;
	clear_slots(t)
}

#if TOKENS > 2
#define OPEN_THIRD(n) (open[2] && number_of[2] == n -> 2 : TOKENS)
#else
#define OPEN_THIRD(n) TOKENS
#endif
#define OPEN_AS(n) (open[0] && number_of[0] == n -> 0 :	\
	(open[1] && number_of[1] == n -> 1 : OPEN_THIRD(n)))

inline on_open(n, server) {
	if
	:: server == incarnation && OPEN_AS(n) != TOKENS -> SEND(ACCEPT + OPEN_AS(n))
	:: server == incarnation && OPEN_AS(n) == TOKENS && tokens < TOKENS ->
		REACHED(OPENED_TWICE, tokens > 0 && number_of[tokens - 1] == n);
		open[tokens] = 1;
		number_of[tokens] = n;
		incarnation_of[tokens] = incarnation;
		SEND(ACCEPT + tokens);
		tokens++
	:: else -> skip
	fi
}

inline start(call, at) {
	MUST(RUN_AT_MOST_ONCE, !started[call]);
	MUST(CANCELLED_NEVER_STARTS, !given_up[call]);
	started[call] = 1;
	handler_runs[call] = 1;
	told[call] = 0;
	slot_is[at] = RUNS;
	slot_sequence[at] = asked[call].sequence;
	slot_call[at] = call
}

/* No place for it: it never came, and the slot is as it was. */
inline say_busy(call, at) {
	faults++;
	MUST(REFUSED_NEVER_RAN, !started[call]);
	NOTE(refused[call], true);
	say(BUSY, call, call)
#ifdef BUSY_TAKES_SEQUENCE
	;
	slot_sequence[at] = asked[call].sequence
#endif
#ifdef BUSY_FORGETS_SEQUENCE
	;
	slot_sequence[at] = 0
#endif
}

inline answer_duplicate(call, at) {
	if
	:: slot_is[at] == RUNS ->
		say(ACCEPTED, slot_call[at], call)
	:: slot_is[at] == REPLIED ->
		NOTE(sent_again[slot_call[at]], true);
		say(REPLY, slot_call[at], call)
	:: else -> skip
	fi
}

#ifdef DUPLICATE_RUNS
#define IS_DUPLICATE(call, at) false
#else
#define IS_DUPLICATE(call, at) (asked[call].sequence == slot_sequence[at])
#endif
#ifdef LOWER_SEQUENCE_RUNS
#define IS_OLD(call, at) false
#else
#define IS_OLD(call, at) (asked[call].sequence < slot_sequence[at])
#endif

inline on_call(call, at) {
	if
	:: !open[asked[call].token] ->
		REACHED(OLD_TOKEN, incarnation_of[asked[call].token] != incarnation);
		SEND(RESET + asked[call].token)
	:: open[asked[call].token] && IS_OLD(call, at) -> REACHED(LOWER_CAME, true)
	:: open[asked[call].token] && IS_DUPLICATE(call, at) ->
		REACHED(DUPLICATE_OF_RUNNING, slot_is[at] == RUNS);
		REACHED(DUPLICATE_OF_REPLIED, slot_is[at] == REPLIED && !given_up[call]);
		REACHED(CALL_AFTER_CANCEL, given_up[call] && !started[call]);
		answer_duplicate(call, at)
	:: else -> /* a new one */
		if
		:: slot_is[at] == RUNS ->
			REACHED(SUPERSEDED, true);
			MUST(WAITED_FOR_IS_KEPT, call_is[slot_call[at]] == ENDED);
			drop(at)
		:: else -> skip
		fi;
		if
		:: start(call, at)
		:: FAULT ->
#ifdef BUSY_AFTER_RUN
			started[call] = 1;
#endif
			REACHED(REFUSED, true);
			say_busy(call, at)
		fi
	fi
}

inline on_probe(call, at) {
	if
	:: !open[asked[call].token] -> SEND(RESET + asked[call].token)
	:: open[asked[call].token] && asked[call].sequence == slot_sequence[at] ->
		answer_duplicate(call, at)
	:: else -> skip
	fi
}

inline on_cancel(call, at) {
	if
	:: !open[asked[call].token] -> SEND(RESET + asked[call].token)
#ifndef CANCEL_WITHOUT_SEQUENCE
	:: open[asked[call].token] && asked[call].sequence < slot_sequence[at] ->
		REACHED(LATE_CANCEL, slot_is[at] == RUNS)
#endif
	:: else ->
		REACHED(EARLY_CANCEL, !started[call] && asked[call].sequence > slot_sequence[at]);
		if
		:: slot_is[at] == RUNS ->
			REACHED(CANCELLED, true);
			REACHED(CANCELLED_AT_LAST, slot_call[at] == call && tries[call] > 1);
			MUST(WAITED_FOR_IS_KEPT, call_is[slot_call[at]] == ENDED);
			drop(at)
		:: else -> skip
		fi;
		given_up[call] = 1;
#ifdef EARLY_CANCEL_FORGOTTEN
		if
		:: asked[call].sequence > slot_sequence[at] -> skip
		:: else ->
#endif
		slot_is[at] = REPLIED;
		slot_sequence[at] = asked[call].sequence;
		slot_call[at] = call;
		say(REPLY, call, call)
#ifdef EARLY_CANCEL_FORGOTTEN
		fi
#endif
	fi
}

inline on_close(t) {
	if
	:: open[t] -> release(t)
	:: else -> SEND(RESET + t)
	fi
}

/* Where the call's reply belongs, if it was not dropped. */
#define ASKED_AT(call) AT(asked[call].token, asked[call].slot)
#ifdef REPLY_INTO_SLOT
#define STILL_IN(call, at) true
#else
#define STILL_IN(call, at) (slot_sequence[at] == asked[call].sequence)
#endif

inline on_handler_end(call, at) {
	handler_runs[call] = 0;
	if
	:: open[asked[call].token] && slot_is[at] == RUNS && STILL_IN(call, at) ->
		slot_is[at] = REPLIED;
		slot_call[at] = call;
		say(REPLY, call, call);
		said[call].sequence = slot_sequence[at]
#ifdef KEPT_REPLY_DROPPED
		;
		slot_is[at] = UNUSED;
		slot_sequence[at] = 0
#endif
	:: else -> REACHED(REPLY_OF_DROPPED, true)
	fi
}

/* --- processes ------------------------------------------------------------- */

/* Each is under way, or not. They come first: their numbers are those of packets. */
active [PACKETS] proctype packet() {
	byte slot;
end:
	do
	:: atomic { under_way[_pid] && FAULT ->
		faults++;
		under_way[_pid] = 0
	   }
	:: atomic { under_way[_pid] ->
		if
		:: under_way[_pid] = 0
		:: FAULT -> faults++
		fi;
		if
		:: _pid < PROBE -> on_call(_pid, ASKED_AT(_pid))
		:: _pid >= PROBE && _pid < CANCEL ->
			on_probe(_pid - PROBE, ASKED_AT(_pid - PROBE))
		:: _pid >= CANCEL && _pid < REPLY ->
			on_cancel(_pid - CANCEL, ASKED_AT(_pid - CANCEL))
		:: _pid >= REPLY && _pid < ACCEPTED -> on_reply(_pid - REPLY)
		:: _pid >= ACCEPTED && _pid < BUSY -> on_accepted(_pid - ACCEPTED)
		:: _pid >= BUSY && _pid < RESET -> on_busy(_pid - BUSY)
		:: _pid >= RESET && _pid < CLOSED_BY_CLIENT ->
			on_session_gone(_pid - RESET, true)
		:: _pid >= CLOSED_BY_CLIENT && _pid < CLOSED_BY_SERVER ->
			on_close(_pid - CLOSED_BY_CLIENT)
		:: _pid >= CLOSED_BY_SERVER && _pid < ACCEPT ->
			on_session_gone(_pid - CLOSED_BY_SERVER, false)
		:: _pid >= ACCEPT && _pid < OPEN -> on_accept(_pid - ACCEPT)
		:: _pid >= OPEN -> on_open(1 + (_pid - OPEN) / 2, (_pid - OPEN) % 2)
		fi
	   }
	od
}

active [CALLS] proctype handler() {
#define SELF (_pid - PACKETS)
end:
	do
	:: atomic { handler_runs[SELF] && (SELF != LASTING || told[SELF]) ->
		on_handler_end(SELF, ASKED_AT(SELF))
	   }
	od
#undef SELF
}

#define RUNNING_IN(t) (slot_is[AT(t, 0)] == RUNS || slot_is[AT(t, SLOTS - 1)] == RUNS)

#define SOMEBODY_WAITS(at) (slot_is[at] == RUNS && call_is[slot_call[at]] != ENDED)
#define WAITED_FOR(t) (SOMEBODY_WAITS(AT(t, 0)) || SOMEBODY_WAITS(AT(t, SLOTS - 1)))

#define CANCELLING_IN(t) (session_is == READY && token == t &&	\
	(cancelling[0] != NOBODY || cancelling[SLOTS - 1] != NOBODY))

#ifdef EVICT_BUSY_SESSION
#define BUSY_WITH(t) false
#else
#define BUSY_WITH(t) RUNNING_IN(t)
#endif

/* What the server does with a session when nobody says anything. */
active [TOKENS] proctype session() {
	byte slot;
#define SELF (_pid - PACKETS - CALLS)
end:
	do
#ifndef SILENCE_UNHEARD
	:: atomic { open[SELF] && RUNNING_IN(SELF) &&
	   (FAULT || !WAITED_FOR(SELF) && !CANCELLING_IN(SELF)) ->
		/* nothing comes from the client */
		REACHED(SILENT_CLIENT, true);
		if
		:: WAITED_FOR(SELF) || CANCELLING_IN(SELF) -> faults++
		:: else -> skip
		fi;
		release(SELF)
	   }
#endif
	:: atomic { open[SELF] && !BUSY_WITH(SELF) && FAULT ->
		REACHED(EVICTED, true);
		MUST(WAITED_FOR_IS_KEPT, !WAITED_FOR(SELF));
		faults++;
		SEND(CLOSED_BY_SERVER + SELF);
		release(SELF)
	   }
	od
#undef SELF
}

active proctype restarts() {
	byte slot, t, call;
end:
	do
	:: atomic { !incarnation && FAULT ->
		faults++;
		incarnation = 1;
		for (t : 0 .. TOKENS - 1) {
			clear_slots(t);
#ifndef RESTART_WITHOUT_INCARNATION
			open[t] = 0
#endif
		}
		t = 0;
		for (call : 0 .. CALLS - 1) {
			handler_runs[call] = 0
		}
		call = 0
	   }
	:: atomic { FAULT -> /* the callers die with it */
		faults++;
		NOTE(client_restarted, IN_FLIGHT);
		lose_session();
#ifdef CLIENT_WITHOUT_INCARNATION
		number = 0
#endif
	   }
	od
}

inline send_call(place) {
	call = FIRST_PENDING;
	sequence[place]++;
	in_slot[place] = call;
	cancelling[place] = NOBODY;
	call_is[call] = SENT;
	tries[call] = 1;
	asked[call].token = token;
	asked[call].slot = place;
	asked[call].sequence = sequence[place];
	SEND(CALL + call);
	call = 0
}

inline give_up(place) {
	SEND(CANCEL + in_slot[place]);
	cancelling[place] = in_slot[place];
	tries[in_slot[place]] = 1;
	end_in_slot(place)
}

/* The server does not answer. That it is told, in case it is there, is left out. */
inline shut_if_silent() {
	if
	:: IN_FLIGHT -> skip
	:: else -> shut()
	fi
}

/* What happens to the call of a slot when nothing comes, and how one gets in. */
#define TEND(place)	\
	:: atomic { session_is == READY && IS_PENDING && in_slot[place] == NOBODY ->	\
		send_call(place) }	\
	:: atomic { in_slot[place] != NOBODY && call_is[in_slot[place]] == SENT &&	\
	   tries[in_slot[place]] < TRIES ->	\
		tries[in_slot[place]]++; SEND(CALL + in_slot[place]) }	\
	:: atomic { in_slot[place] != NOBODY && PROBES(place) &&	\
	   tries[in_slot[place]] < TRIES ->	\
		tries[in_slot[place]]++; SEND(PROBE + in_slot[place]) }	\
	:: atomic { in_slot[place] != NOBODY && tries[in_slot[place]] == TRIES &&	\
	   (call_is[in_slot[place]] == SENT || PROBES(place)) ->	\
		REACHED(GAVE_UP, true);	\
		if	\
		:: OTHERS_IN_FLIGHT(place) -> give_up(place)	\
		:: else -> end_in_slot(place); shut_if_silent()	\
		fi }	\
	:: atomic { in_slot[place] != NOBODY && FAULT ->	\
		faults++; give_up(place) }	\
	:: atomic { CANCEL_MAY_GO_ON && cancelling[place] != NOBODY &&	\
	   tries[cancelling[place]] < TRIES ->	\
		tries[cancelling[place]]++; SEND(CANCEL + cancelling[place]) }	\
	:: atomic { CANCEL_MAY_GO_ON && cancelling[place] != NOBODY &&	\
	   tries[cancelling[place]] == TRIES ->	\
		cancelling[place] = NOBODY; shut_if_silent() }
#ifdef CANCEL_SENT_ONCE
#define CANCEL_MAY_GO_ON false
#else
#define CANCEL_MAY_GO_ON true
#endif
#ifdef NO_PROBE
#define PROBES(slot) false
#else
#define PROBES(slot) (call_is[in_slot[slot]] == RUNNING)
#endif

#define NOBODY_WAITS (call_is[0] == ENDED && call_is[CALLS / 2] == ENDED &&	\
	call_is[CALLS - 1] == ENDED)
#if LASTING < CALLS
#define LASTING_RUNS handler_runs[LASTING]
#else
#define LASTING_RUNS false
#endif

active proctype client() {
	byte call, slot;

	do
	:: atomic { IS_PENDING && session_is != READY -> /* its deadline passed, or nobody opens */
		call = FIRST_PENDING;
		end_call(call);
		call = 0
	   }
	:: atomic { session_is == SHUT && IS_PENDING && number < SESSIONS ->
		session_is = OPENING;
		number++;
		openings = 1;
		send_opening()
	   }
	:: atomic { session_is == OPENING && openings < OPENINGS ->
		openings++;
		send_opening()
	   }
	:: atomic { session_is == READY && IS_PENDING && !IN_FLIGHT && number < SESSIONS &&
	   sequence[0] > 0 && FAULT -> /* idle for long: opened anew */
		faults++;
		REACHED(OPENED_AGAIN, true);
		SEND(CLOSED_BY_CLIENT + token);
		shut()
	   }
	TEND(0)
#if SLOTS > 1
	TEND(1)
#endif
	:: NOBODY_WAITS && !LASTING_RUNS -> break
	od
}
