/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * A stalling device: hardware that answers the host's load of an `in` slot when
 * it has a message. One host does EXCHANGES exchanges, two at a time: put, full
 * fence, wait by one load, take, read, release. The NIC hears only of requests
 * that reach it.
 *
 * The host's cache has of each `in` line no copy, a shared copy, or owns it. A
 * load that misses reaches the NIC, unless one for that line is under way already
 * (then it joins that); a load that hits, the NIC never hears of. SPECULATIONS
 * times the cache loads any `in` line, or the second half of one, by itself. A put
 * lies in the host's store buffer, then in its cache; the NIC sees it only when it
 * recalls the line. Rules:
 *   - a load never carries meaning: any request for an `in` line, also one for
 *     ownership, only makes the NIC drain both `out` lanes of the endpoint;
 *   - a load stays unanswered while the slot is FREE, and nothing else does;
 *   - FULL is given with ownership, so that the take is local to the core;
 *   - what is answered otherwise is given shared, and recalled at once;
 *   - T_max ends a load: the slot is still FREE, "try again". The host may then
 *     park, for which it needs ownership;
 *   - a released line is flushed to the device: as FREE in the host's cache it
 *     would be hit by the next wait for that slot, unheard by the NIC;
 *   - before a fill the NIC recalls all lines of the message.
 *
 * Abstracted: lines are coherent, so each word exists once (the second half, which
 * has no word of its own, has a copy). T_max comes at any time: TRIES times while
 * an answer is coming, and as often as it likes when none is. Speculation, revokes
 * and parks are bounded in number. Sleeping itself: sleep.pml.
 */

#ifndef EXCHANGES
#define EXCHANGES 3
#endif
#ifndef SPECULATIONS
#define SPECULATIONS 2
#endif
#ifndef TRIES
#define TRIES 1
#endif
#ifndef REVOKES
#define REVOKES 1
#endif
#ifndef PARKS
#define PARKS 1
#endif

/* Situations for witness runs. */
#define SPECULATION_RECALLED 1 /* a load by the cache was answered FREE, recalled */
#define LOAD_JOINED 2 /* the host's load joined one that was under way */
#define HIT_BEFORE_RECALL 3 /* the host's load hit an answered-FREE line */
#define TRY_AGAIN 4 /* T_max ended the host's load */
#define T_MAX_NEEDED 5 /* T_max ended a load while no answer was coming */
#define PARKED_AND_WOKEN 6
#define TAKEN_LOCALLY 7 /* a take of a line that the host owned */
#define TAKE_LOST 8 /* a revoke took the line away before the take */
#define HALF_RECALLED 9 /* a fill found a speculative copy of its second half */
#define LOADED_WHILE_TAKEN 10 /* the next slot was loaded while one is read */

#define LANES 3 /* 0: `in`; 1 and 2: `out` of the endpoint's two channels */
#include "lane.pml"

/* Requests go by the two `out` lanes in turn. */
#define OUT_SLOT(number) ((1 + number % 2) * D + (number - 1) / 2 % D)

mtype = { absent, shared, owned }; /* the host's copy of an `in` line */
mtype = { none, arriving, held }; /* a load of it; held: the NIC has drained */
mtype copy[D] = absent;
mtype load[D] = none;
byte answer[D]; /* the state that the last answer showed */

byte second_half[D]; /* which message the second half of the line is of */
byte half_copy[D]; /* ... as the host's cache has it; 0: no copy */

byte put_buffered; /* the put in the host's store buffer, or 0 */
bit asks_ownership; /* a request of the host for the line at its position */
bit woken;

/* --- the host's cache and store buffer ------------------------------------- */

#define SPECULATE(slot)	\
	:: d_step {	\
		speculations < SPECULATIONS &&	\
		load[slot] == none && copy[slot] == absent ->	\
		speculations++;	\
		load[slot] = arriving	\
	   }	\
	:: d_step {	\
		speculations < SPECULATIONS &&	\
		half_copy[slot] == 0 && second_half[slot] != 0 ->	\
		speculations++;	\
		half_copy[slot] = second_half[slot]	\
	   }

active proctype cache() {
	Word seen;
	bool ok;
	byte speculations;
end:
	do
	:: d_step {
		put_buffered != 0 ->
		look(OUT_SLOT(put_buffered), seen);
		edge_put(word[OUT_SLOT(put_buffered)], seen, ok);
		put_buffered = 0;
		ok = false
	   }
	SPECULATE(0)
	SPECULATE(1)
#if D > 2
	SPECULATE(2)
#endif
	od
}

/* --- the program on the host ----------------------------------------------- */

inline put() {
	puts++;
	word[OUT_SLOT(puts)].state == FREE;
	put_buffered = puts;
#ifndef PUT_FENCE_MISSING
	put_buffered == 0 /* the light fence: for this device a full one */
#endif
}

/*
 * One load of the word at the host's position. After a hit that was not FULL the
 * host goes on only when something has changed: more a spinning host cannot see.
 */
inline load_word() {
	if
	:: copy[position] != absent ->
		REACHED(HIT_BEFORE_RECALL, copy[position] == shared);
		look(position, seen);
		seen.state == FULL || copy[position] == absent || word[position].state != seen.state
	:: copy[position] == absent ->
		if
		:: load[position] == none -> load[position] = arriving
		:: else -> REACHED(LOAD_JOINED, load[position] == held)
		fi;
		load[position] == none;
		look(position, seen);
		seen.state = answer[position];
		REACHED(TRY_AGAIN, seen.state == FREE)
	fi
}

inline park() {
	parks++;
	load[position] == none; /* a store waits for the load that is under way */
#ifdef UPGRADE_UNHEARD
	if
	:: copy[position] == absent -> asks_ownership = 1
	:: else -> skip
	fi;
#else
	asks_ownership = 1;
#endif
	!asks_ownership;
	look(position, seen);
	if
	:: seen.state == FREE -> edge_park(word[position], seen, parked)
	:: else -> skip
	fi;
	if
	:: parked ->
		woken;
		d_step { woken = false; parked = false };
		REACHED(PARKED_AND_WOKEN, true)
	:: else -> skip
	fi
}

active proctype host() {
	Word seen;
	bool ok, parked;
	byte puts, done, position, content, parks;

	put();
	do
	:: done == EXCHANGES -> break
	:: else ->
		load_word();
		if
		:: seen.state == FULL ->
			look(position, seen);
			ok = false;
			if
			:: seen.state == FULL ->
				REACHED(TAKEN_LOCALLY, copy[position] == owned);
				edge_take(word[position], seen, ok);
				REACHED(TAKE_LOST, !ok)
			:: else -> skip
			fi;
			if
			:: ok -> /* the next request goes out while this reply is read */
				read_begin(position, content);
				if
				:: puts < EXCHANGES -> put()
				:: else -> skip
				fi;
				if
				:: puts < EXCHANGES -> put()
				:: else -> skip
				fi;
				d_step {
					done++;
					MUST(IN_ORDER, content == done);
					MUST(WHOLE_MESSAGE, half_copy[position] == 0 || half_copy[position] == done);
					MUST(WHOLE_MESSAGE, second_half[position] == done)
				};
				read_end(position);
				look(position, seen);
				edge_release(word[position], seen, ok);
#ifndef RELEASED_LINE_STAYS
				copy[position] = absent; /* flushed */
#endif
				position = NEXT(position)
			:: else -> skip
			fi
		:: seen.state == FREE && parks < PARKS -> park()
		:: else -> skip /* try again */
		fi
	od
}

/* --- the NIC --------------------------------------------------------------- */

/* Recalls the `out` lines in turn and collects what is FULL, of both lanes. */
inline drain() {
	d_step {
		do
#ifdef DRAIN_ONE_LANE
		:: word[OUT_SLOT((collected + 1))].state == FULL && (collected + 1) % 2 ->
#else
		:: word[OUT_SLOT((collected + 1))].state == FULL ->
#endif
			collected++;
			seen.state = FULL;
			seen.tag = word[OUT_SLOT(collected)].tag;
			edge_collect(word[OUT_SLOT(collected)], seen, ok)
		:: else -> break
		od;
		ok = false
	}
}

/* An answer that is not FULL: shared, then recalled; the host may be between. */
inline answer_not_full(slot) {
	d_step {
		answer[slot] = word[slot].state;
		load[slot] = none;
		copy[slot] = shared
	};
#ifndef FREE_NOT_RECALLED
	copy[slot] = absent;
#endif
	REACHED(SPECULATION_RECALLED, slot != position)
}

#define HELD_FREE(slot) (load[slot] == held && word[slot].state == FREE)
#define COMING (given < collected)

#ifdef LOAD_MEANS_RELEASE
#define GIVEN_BACK (word[position].state == TAKEN && load[NEXT(position)] == held)
#else
#define GIVEN_BACK false
#endif
#define ROOM (IS_EMPTY(word[position]) || GIVEN_BACK)

#define LISTEN(slot)	\
	:: load[slot] == arriving ->	\
		REACHED(LOADED_WHILE_TAKEN, word[BACK(slot)].state == TAKEN);	\
		load[slot] = held;	\
		drain()	\
	:: d_step {	\
		load[slot] == held && word[slot].state == FULL ->	\
		answer[slot] = FULL;	\
		load[slot] = none;	\
		copy[slot] = owned	\
	   }	\
	:: load[slot] == held &&	\
	   word[slot].state != FULL && word[slot].state != FREE ->	\
		answer_not_full(slot)	\
	:: HELD_FREE(slot) && COMING && tries < TRIES ->	\
		tries++;	\
		answer_not_full(slot)	\
	:: HELD_FREE(slot) && !COMING ->	\
		needed++;	\
		REACHED(T_MAX_NEEDED, true);	\
		MUST(ANSWERED_IN_TIME, needed <= SPECULATIONS);	\
		answer_not_full(slot)

active proctype nic() {
	Word seen;
	bool ok;
	byte position, collected, given, tries, needed, revokes;
end:
	do
	LISTEN(0)
	LISTEN(1)
#if D > 2
	LISTEN(2)
#endif
	:: asks_ownership ->
		drain();
		d_step { asks_ownership = 0 }

	:: COMING && ROOM -> /* fill: recall the lines, write, move the word */
		look(position, seen);
		copy[position] = absent;
#ifndef SECOND_HALF_NOT_RECALLED
		REACHED(HALF_RECALLED, half_copy[position] != 0);
#endif
		write_begin(position, (given + 1));
		d_step {
#ifndef SECOND_HALF_NOT_RECALLED
			half_copy[position] = 0;
#endif
			second_half[position] = given + 1
		};
		write_end(position);
		edge_deliver(word[position], seen, ok);
		if
		:: ok ->
			d_step { given++; position = NEXT(position) };
			if
			:: seen.state == PARKED -> woken = true
			:: else -> skip
			fi
		:: else -> skip
		fi

	:: revokes < REVOKES && word[BACK(position)].state == FULL ->
		revokes++;
		copy[BACK(position)] = absent; /* recall, compare, write */
		look(BACK(position), seen);
		if
		:: seen.state == FULL ->
			edge_revoke(word[BACK(position)], seen, ok);
			if
			:: ok -> d_step { given--; position = BACK(position) }
			:: else -> skip
			fi
		:: else -> skip
		fi
	od
}
