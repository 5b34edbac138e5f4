/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Endpoints: `serve` and `call`, a nested call, LEAVE and ENTER, RETIRE.
 *
 * A process with two threads, each on its endpoint. Calls 1 to CALLS come from
 * outside. The handlers of the first NESTED of them make a call to another
 * service, which calls this process again before it replies (call CALLS + n for
 * call n). So handlers wait for calls, and calls wait for threads. Rules:
 *   - the reply to a nested call comes on `call`, where no request stands before it;
 *   - before a handler waits it puts LEAVE: the NIC revokes what it staged there,
 *     newest first, and stages nothing more until ENTER;
 *   - RETIRE goes only into a lane where nothing is FULL, and nothing is staged
 *     after it until the NIC has collected the EMPTY that answers it;
 *   - if all threads are in LEAVE, what is queued is answered RESOURCE_EXHAUSTED.
 * Checked: every call is answered once, no thread waits for ever, and who gives
 * its core back leaves no message.
 *
 * Abstracted: `out` lanes are queues of D (out_lane.pml shows that they are), in
 * lanes are real. Where the NIC delivers is free choice, so any policy is covered.
 */

#ifndef CALLS
#define CALLS 2
#endif
#ifndef NESTED
#define NESTED 1
#endif
#ifndef RETIRES
#define RETIRES 1
#endif

/* Situations for witness runs. */
#define LEAVE_REVOKED 1 /* LEAVE found a staged message and took it back */
#define RETIRE_TAKEN 2
#define RETIRE_BEHIND_HANDLER 3 /* RETIRE was put while a handler ran there */
#define INNER_SERVED 4 /* the other thread served the call that a handler waits for */
#define EXHAUSTED 5 /* all threads wait: a queued call was answered by the NIC */
#define STAGED_ON_SERVE 6 /* a nested reply was taken with a CALL staged on serve */
#define STAGED_FOR_NEXT 7 /* a handler ended with a message staged behind it */
#define TAKE_LOST 8 /* a LEAVE that was heard late took a message from under a take */

#define THREADS 2
#define LANES 4 /* `in`: serve of thread 0 and 1, call of thread 0 and 1 */
#include "lane.pml"

#define SERVE(thread, position) (thread * D + position)
#define CALL_IN(thread, position) ((THREADS + thread) * D + position)

/* Messages to the host are a call's number, or one of these on `serve`. */
#define RETIRE 100
#define NESTED_REPLY 101
/* Messages to the NIC: kind and call. */
mtype = { REPLY, EMPTY, LEAVE, ENTER, CALL };
chan serve_out[THREADS] = [D] of { mtype, byte };
chan call_out[THREADS] = [D] of { mtype, byte };

#define ALL (CALLS + NESTED)
byte answered; /* how many calls have their answer */
bit answered_once[ALL + 1];
bit handler_runs[THREADS]; /* ghost */

inline answer(number) {
	MUST(ANSWERED_ONCE, !answered_once[number]);
	answered_once[number] = true;
	answered++
}

/* --- the threads of the process -------------------------------------------- */

/* Takes and reads the message at a position, unless it was revoked. */
inline get(slot, content) {
	d_step { word[slot].state == FULL -> look(slot, seen) };
	edge_take(word[slot], seen, ok);
	if
	:: ok -> read_begin(slot, content)
	:: else -> skip
	fi
}

inline release(slot) {
	read_end(slot);
	look(slot, seen);
	edge_release(word[slot], seen, ok)
}

active [THREADS] proctype worker() {
	Word seen;
	bool ok;
	byte serve, call, mine, content, reply;
	#define SELF _pid

end:
	do
	:: get(SERVE(SELF, serve), content);
		if
		:: !ok -> REACHED(TAKE_LOST, true)
		:: ok && content == RETIRE ->
			release(SERVE(SELF, serve));
			d_step { /* gives its core back, until it is woken */
				serve = NEXT(serve);
				content = 0;
				REACHED(RETIRE_TAKEN, true);
				MUST(NOTHING_BEHIND_RETIRE, word[SERVE(SELF, serve)].state != FULL)
			};
			serve_out[SELF]!EMPTY, 0
		:: ok && content != RETIRE ->
			d_step { handler_runs[SELF] = 1; mine = serve; serve = NEXT(serve) };
			if
			:: content <= NESTED -> /* a nested call */
#ifndef NO_LEAVE
				serve_out[SELF]!LEAVE, content;
#endif
				call_out[SELF]!CALL, content;
#ifdef NESTED_REPLY_ON_SERVE
				word[SERVE(SELF, serve)].state == FULL &&
				message[SERVE(SELF, serve)] == NESTED_REPLY;
				get(SERVE(SELF, serve), reply);
				release(SERVE(SELF, serve));
				serve = NEXT(serve);
#else
				get(CALL_IN(SELF, call), reply);
				REACHED(STAGED_ON_SERVE, word[SERVE(SELF, serve)].state == FULL);
				release(CALL_IN(SELF, call));
				call = NEXT(call);
#endif
				reply = 0;
#ifndef NO_LEAVE
				serve_out[SELF]!ENTER, content
#endif
			:: content > CALLS -> REACHED(INNER_SERVED, true)
			:: else -> skip
			fi;
			serve_out[SELF]!REPLY, content;
			d_step {
				handler_runs[SELF] = 0;
				REACHED(STAGED_FOR_NEXT, word[SERVE(SELF, serve)].state == FULL)
			};
			release(SERVE(SELF, mine));
			d_step { content = 0; mine = 0 }
		fi
	od
}

/* --- the NIC --------------------------------------------------------------- */

/* Fills a slot of an `in` lane that has room. */
inline fill(slot, content) {
	look(slot, seen);
	write_begin(slot, content);
	write_end(slot);
	edge_deliver(word[slot], seen, ok)
}

#ifdef NIC_STAGES_AFTER_LEAVE
#define LEFT_BARS(thread) false
#else
#define LEFT_BARS(thread) left[thread]
#endif
#ifdef STAGED_BEHIND_RETIRE
#define RETIRE_BARS(thread) false
#else
#define RETIRE_BARS(thread) retiring[thread]
#endif
#define ROOM(thread) (word[SERVE(thread, serve[thread])].state == FREE)
#define NEWEST(thread) SERVE(thread, BACK(serve[thread]))

#define IS_FULL(thread, position) (word[SERVE(thread, position)].state == FULL)
#if D == 2
#define NONE_FULL(thread) (!IS_FULL(thread, 0) && !IS_FULL(thread, 1))
#else
#define NONE_FULL(thread)	\
	(!IS_FULL(thread, 0) && !IS_FULL(thread, 1) && !IS_FULL(thread, 2))
#endif

/* Delivers, or stages, the head of the queue on serve. */
inline give_call(thread) {
	fill(SERVE(thread, serve[thread]), head);
	d_step {
		copy[SERVE(thread, serve[thread])] = head;
		serve[thread] = NEXT(serve[thread]);
		waits[head] = false;
		find_head()
	}
}

inline find_head() {
	head = 1;
	do
	:: head <= ALL && !waits[head] -> head++
	:: else -> break
	od;
	ok = true
}

inline retire(thread) {
	REACHED(RETIRE_BEHIND_HANDLER, handler_runs[thread]);
	retires++;
	retiring[thread] = true;
	fill(SERVE(thread, serve[thread]), RETIRE);
	d_step {
		copy[SERVE(thread, serve[thread])] = RETIRE;
		serve[thread] = NEXT(serve[thread])
	}
}

/* Takes back all that is FULL on serve, the newest first. */
inline unstage(thread) {
	do
	:: word[NEWEST(thread)].state == FULL ->
		d_step { look(NEWEST(thread), seen); seen.state = FULL };
		edge_revoke(word[NEWEST(thread)], seen, ok);
		if
		:: !ok -> break /* a LEAVE heard late: the handler has ended, and took it */
		:: else -> REACHED(LEAVE_REVOKED, true)
		fi;
		d_step {
			serve[thread] = BACK(serve[thread]);
			if
			:: copy[SERVE(thread, serve[thread])] == RETIRE -> retiring[thread] = false
			:: copy[SERVE(thread, serve[thread])] <= ALL ->
				waits[copy[SERVE(thread, serve[thread])]] = true
			:: else -> skip
			fi;
			find_head()
		}
	:: else -> break
	od
}

inline from_serve(thread) {
#ifdef RETIRE_ENDS_AT_ANY_PUT
	retiring[thread] = false;
#endif
	if
	:: kind == REPLY -> d_step { answer(number) }
	:: kind == EMPTY -> retiring[thread] = false
	:: kind == ENTER -> left[thread] = false
	:: kind == LEAVE ->
		left[thread] = true;
#ifndef LEAVE_RETURNS_NOTHING
		unstage(thread)
#endif
	fi
}

/* The other service answers when its own call to this process was answered. */
inline nested_reply(thread) {
#ifdef NESTED_REPLY_ON_SERVE
	fill(SERVE(thread, serve[thread]), NESTED_REPLY);
	serve[thread] = NEXT(serve[thread]);
#else
	fill(CALL_IN(thread, call[thread]), NESTED_REPLY);
	call[thread] = NEXT(call[thread]);
#endif
	waits_for[thread] = 0
}

#ifdef NESTED_REPLY_ON_SERVE
#define REPLY_ROOM(thread) ROOM(thread)
#else
#define REPLY_ROOM(thread) (word[CALL_IN(thread, call[thread])].state == FREE)
#endif

#define BARRED(thread) (LEFT_BARS(thread) || RETIRE_BARS(thread))
#define AT_WORK(thread) (!left[thread] && !retiring[thread])
#define NESTED_DONE(thread)	\
	(waits_for[thread] != 0 && answered_once[waits_for[thread]])

#define TEND(thread)	\
	:: head <= ALL && ROOM(thread) && !BARRED(thread) -> give_call(thread)	\
	:: retires < RETIRES && ROOM(thread) &&	\
	   NONE_FULL(thread) && AT_WORK(thread) -> retire(thread)	\
	:: serve_out[thread]?kind, number -> from_serve(thread)	\
	:: call_out[thread]?kind, number ->	\
		d_step {	\
			waits_for[thread] = CALLS + number;	\
			waits[CALLS + number] = true;	\
			find_head()	\
		}	\
	:: NESTED_DONE(thread) && REPLY_ROOM(thread) -> nested_reply(thread)

active proctype nic() {
	Word seen;
	bool ok;
	byte head, number, retires;
	mtype kind;
	byte serve[THREADS], call[THREADS]; /* positions */
	byte copy[THREADS * D]; /* what it put on serve */
	bit waits[ALL + 1]; /* its queue */
	bit left[THREADS], retiring[THREADS];
	byte waits_for[THREADS]; /* the inner call that the thread's nested one needs */

	d_step {
		for (number : 1 .. CALLS) {
			waits[number] = true
		}
		head = 1
	}
	do
	:: answered == ALL -> break
	TEND(0)
	TEND(1)
#ifndef NOBODY_EXHAUSTED
	:: head <= ALL && left[0] && left[1] -> /* no thread is left that could move */
		d_step {
			REACHED(EXHAUSTED, true);
			answer(head);
			waits[head] = false;
			find_head()
		}
#endif
	od
}
