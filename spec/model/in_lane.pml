/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * One `in` lane: deliver, stage, take, revoke, release, park, wake, close, reopen.
 *
 * The NIC gives MESSAGES messages, in any interleaving with a host that takes,
 * holds up to D-1, releases in any order, watches or parks, leaves its park for
 * another reason, and closes; THREADS threads use the lane one after the other,
 * and the last closes it for good. A revoked message goes back to the NIC's queue
 * or to another endpoint. Checked: the edge table, one owner per message, every
 * message taken once or returned, nothing read before the take, no lost wake.
 *
 * Abstracted: how one sleeps (sleep.pml; here a wake is a bit), the content of a
 * message (its number), time (what may happen at a time-out may happen any time).
 */

#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef REVOKES
#define REVOKES 1 /* how often the NIC takes a message back */
#endif
#ifndef LEAVES
#define LEAVES 1 /* how often the host leaves its park for another reason */
#endif
#ifndef THREADS
#define THREADS 1
#endif

/* Situations for witness runs. */
#define REFILL_TAKEN 1 /* a slot was revoked, filled again, and taken */
#define TAKE_LOST 2 /* the host lost its take to a revoke */
#define REVOKE_LOST 3 /* the NIC lost its revoke to a take */
#define CLOSE_LOST 4 /* the host lost its close to a delivery */
#define DELIVER_LOST 5 /* the NIC lost a delivery to a park or close */
#define UNPARK_LOST 6 /* the host lost its unpark to a delivery */
#define STAGED_TAKEN 7 /* a message FULL behind the one being read was taken */
#define LIMIT_MET 8 /* the next is FULL, and D-1 are held */
#define WOKEN 9 /* a parked host was woken for a message */
#define RETURNED_AT_CLOSE 10 /* messages that the NIC kept when the lane closed */
#define SECOND_THREAD_TOOK 11 /* a message was taken after a reopen */
#define REVOKED_NEWEST_OF_TWO 12 /* a revoke with an older message FULL before */

#include "lane.pml"

bit woken; /* a wake that the host has not consumed */
byte accepted; /* messages that are with the host or another endpoint */
bit accepted_once[MESSAGES + 1];
bit host_gone; /* no thread will ask for this lane again */
bit reopen_asked;
bit revoked_at[D]; /* ghost: the slot's last fill but one was revoked */

/* Somebody has the message for good. */
inline accept(number) {
	MUST(TAKEN_ONCE, number != 0 && !accepted_once[number]);
	accepted_once[number] = true;
	accepted++
}

#define ALL_ACCEPTED (accepted == MESSAGES)

/* --- the NIC --------------------------------------------------------------- */

active proctype nic() {
	Word seen;
	bool ok;
	byte position, number, revokes, newest;
	byte copy[D]; /* its own copy of what it put in each slot */
	bit waits[MESSAGES + 1]; /* its queue; `number` is its head */

	d_step {
		for (number : 1 .. MESSAGES) {
			waits[number] = true
		}
		number = 1
	}
	do
	:: ALL_ACCEPTED -> break

	:: number <= MESSAGES && IS_EMPTY(word[position]) -> /* give */
		look(position, seen);
		if
		:: IS_EMPTY(seen) ->
#ifdef WORD_BEFORE_MESSAGE
			edge_deliver(word[position], seen, ok);
			write_begin(position, number);
			write_end(position);
#else
			write_begin(position, number);
			write_end(position);
			edge_deliver(word[position], seen, ok);
#endif
			REACHED(DELIVER_LOST, !ok);
			if
			:: ok ->
				d_step {
					copy[position] = number;
					waits[number] = false;
					do
					:: number <= MESSAGES && !waits[number] -> number++
					:: else -> break
					od;
					position = NEXT(position)
				}
#ifndef NIC_FILLS_WITHOUT_WAKE
				if
				:: seen.state == PARKED -> woken = true
				:: else -> skip
				fi
#endif
			:: else -> skip /* parked, left or closed meanwhile: look again */
			fi
		:: else -> skip
		fi

#ifdef FILL_OF_HELD_SLOT
	:: number <= MESSAGES && word[position].state == TAKEN ->
		write_begin(position, number);
		write_end(position)
#endif

	:: word[position].state == CLOSED && reopen_asked ->
		reopen_asked = false;
		look(position, seen);
		edge_reopen(word[position], seen, ok)

#ifndef NIC_IGNORES_CLOSED
	:: word[position].state == CLOSED && host_gone && number <= MESSAGES ->
		d_step { /* the queue goes to other endpoints */
			do
			:: number <= MESSAGES && waits[number] ->
				waits[number] = false;
				accept(number);
				number++
			:: number <= MESSAGES && !waits[number] -> number++
			:: else -> break
			od;
			REACHED(RETURNED_AT_CLOSE, true)
		}
#endif

	:: revokes < REVOKES && word[BACK(position)].state == FULL -> /* revoke */
#ifdef REVOKE_OF_OLDER
		newest = BACK(BACK(position));
#else
		newest = BACK(position);
#endif
		look(newest, seen);
		if
		:: seen.state == FULL ->
			revokes++;
			edge_revoke(word[newest], seen, ok);
			REACHED(REVOKE_LOST, !ok);
			if
			:: ok ->
				d_step {
					REACHED(REVOKED_NEWEST_OF_TWO,
						word[BACK(newest)].state == FULL);
#ifndef POSITION_NOT_MOVED_BACK
					position = BACK(position);
#endif
					revoked_at[newest] = true
				};
				if
				:: d_step { accept(copy[newest]) } /* elsewhere */
				:: d_step { /* back to its place in the queue */
					waits[copy[newest]] = true;
					if
					:: copy[newest] < number -> number = copy[newest]
					:: else -> skip
					fi
				   }
				fi
			:: else -> skip /* the host has it */
			fi
		:: else -> skip
		fi
	od
}

#ifdef HELD_LIMIT_IGNORED
#define MAY_HOLD D
#else
#define MAY_HOLD (D - 1)
#endif

/* --- the host -------------------------------------------------------------- */

/* The thread closes the lane and is gone, unless a message came first. */
inline close_lane() {
	edge_close(word[position], seen, ok);
	REACHED(CLOSE_LOST, !ok);
	closed = ok
}

active proctype host() {
	Word seen;
	bool ok, parked, closed;
	byte position, number, held, here, leaves, before;
	byte thread = 1;
	bit holds[D];

	do
	:: ALL_ACCEPTED && held == 0 -> break

	:: held > 0 -> /* release any */
		if
		:: holds[0] -> here = 0
		:: holds[1] -> here = 1
#if D > 2
		:: holds[2] -> here = 2
#endif
		fi;
		d_step {
			REACHED(LIMIT_MET, word[position].state == FULL && held == D - 1);
			holds[here] = false;
			held--
		};
		look(here, seen);
#ifdef RELEASE_BEFORE_LAST_READ
		edge_release(word[here], seen, ok);
		read_end(here)
#else
		read_end(here);
		edge_release(word[here], seen, ok)
#endif

	:: !closed && word[position].state == FULL && held < MAY_HOLD -> /* take */
		d_step { /* ghost: which message this word stands for */
			look(position, seen);
			before = message[position]
		};
		if
		:: seen.state == FULL ->
#ifdef READ_BEFORE_TAKE
			read_begin(position, number);
#endif
			edge_take(word[position], seen, ok);
			REACHED(TAKE_LOST, !ok);
			if
			:: ok ->
#ifndef READ_BEFORE_TAKE
				read_begin(position, number);
#endif
				d_step {
					MUST(WORD_NAMES_MESSAGE, number == before);
					accept(number);
					REACHED(REFILL_TAKEN, revoked_at[position]);
					REACHED(STAGED_TAKEN, held > 0);
					REACHED(SECOND_THREAD_TOOK, thread == 2);
					holds[position] = true;
					held++;
					MUST(HELD_LIMIT, held <= D - 1);
					position = NEXT(position);
					before = 0;
					number = 0
				}
			:: else -> /* revoked: look again */
#ifdef READ_BEFORE_TAKE
				read_end(position)
#else
				skip
#endif
			fi
		:: else -> skip
		fi

	:: !closed && word[position].state == FREE -> /* park, or go */
		look(position, seen);
		if
		:: seen.state == FREE -> edge_park(word[position], seen, parked)
		:: seen.state == FREE -> close_lane()
		:: else -> skip /* a message came */
		fi;
		do
		:: !parked -> break
		:: parked && woken ->
			woken = false;
			look(position, seen);
			parked = (seen.state == PARKED);
			REACHED(WOKEN, seen.state == FULL)
		:: parked && ALL_ACCEPTED -> parked = false
		:: parked && leaves < LEAVES -> /* a time-out, a signal */
			leaves++;
			parked = false;
			seen.state = PARKED;
			if
			:: edge_unpark(word[position], seen, ok);
				REACHED(UNPARK_LOST, !ok);
				if
#ifdef LEAVES_WITHOUT_LOOK
				:: !ok -> goto gone
#endif
				:: else -> skip /* if it failed a message came: look */
				fi
			:: close_lane()
			fi
		od

	:: closed && thread < THREADS && !reopen_asked -> /* the next one comes */
		reopen_asked = true;
		thread++;
#ifdef REOPEN_FORGETS_POSITION
		position = 0;
#endif
		if
		:: word[position].state != CLOSED -> closed = false
		:: ALL_ACCEPTED -> skip
		fi
	:: closed && thread == THREADS && !host_gone -> host_gone = true
	od;
gone:
	skip
}
