/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * The line of a CPU: what schedule() stores, and how the NIC reads it while more is
 * stored.
 *
 * Three threads come and go on a CPU (or two, and move), and put replies. A CPU stores in this order, each a step of its own:
 *   1. who leaves, into the slot `departed % RING` of the ring, by the new `departed`;
 *   2. the word: who comes, `seq`, `departed`, both modulo MODULO, of which RING is a
 *      divisor, or the ring would not go on where the counter wraps;
 *   3. the count of all changes, which does not wrap. Last: whoever reads it sees the
 *      word that belongs to it.
 * The NIC looks at a line if its count has moved: count, word, ring, and then count
 * and word once more. What left since is in the ring unless so many left by the second
 * look that the oldest may be overwritten, or is being so: one slot of the ring is not
 * safe. Nor does `departed` say how many left if it may have wrapped: the count says
 * that. Then the NIC looks at *all* threads, for one that came and left meanwhile was
 * never seen here.
 * Checked: when nothing is new, who has put a reply is on a CPU in the NIC's eyes, or
 * its reply was collected.
 *
 * Abstracted: MODULO is 256 for `departed` and 2^20 for `seq`, RING is 8; SWITCHES
 * happen, and then no more. The count is not bounded but by that.
 */

#ifndef SWITCHES
#define SWITCHES 5
#endif
#ifndef PUTS
#define PUTS 1
#endif
#ifdef RING_DOES_NOT_DIVIDE
#define RING 3
#endif
#ifndef RING
#define RING 2
#endif
#ifndef MODULO
#define MODULO 4
#endif

/* Situations for witness runs. */
#define LEFT_WITH_REPLY 1 /* and the ring told */
#define RING_OVERFLOWS 2
#define RING_OVERWRITTEN 3 /* it was whole when the word was read */
#define DEPARTED_WRAPS 4 /* as many left as make no difference */
#define CAME_AND_LEFT 5 /* with a reply, unseen, and the ring did not tell */
#define WORD_IS_NEWER 6 /* than the count that was read before it */
#define SEQ_WRAPS 7

#ifndef CPUS
#define CPUS 1
#endif
#define THREADS 3
#define NOBODY THREADS

#include "properties.pml"

/* --- the lines ------------------------------------------------------------- */

byte ring[CPUS * RING] = NOBODY;
byte says[CPUS] = NOBODY; /* the word */
byte departed[CPUS];
byte seq[CPUS];
byte count[CPUS];

byte runs[CPUS] = NOBODY; /* in truth; nobody while the CPU switches */
bit reply[THREADS];
byte switches, puts;

#define IS_FREE(thread) (runs[0] != thread && runs[CPUS - 1] != thread && !leaves[thread])
bit leaves[THREADS]; /* until the lock of its run queue is dropped */

inline store_ring() {
	d_step {
		if
		:: was < THREADS ->
#ifdef WORD_BEFORE_RING
			ring[_pid * RING + departed[_pid] % RING] = was
#else
			ring[_pid * RING + (departed[_pid] + 1) % MODULO % RING] = was
#endif
		:: else -> skip
		fi
	}
}

inline store_word() {
	d_step {
		if
		:: was < THREADS -> departed[_pid] = (departed[_pid] + 1) % MODULO
		:: else -> skip
		fi;
		seq[_pid] = (seq[_pid] + 1) % MODULO;
		says[_pid] = next
	}
}

active [CPUS] proctype cpus() {
	byte was, next;

	was = NOBODY;
	do
	:: atomic { switches < SWITCHES ->
		if
		:: IS_FREE(0) -> next = 0
		:: IS_FREE(1) -> next = 1
		:: IS_FREE(2) -> next = 2
		:: was != NOBODY -> next = NOBODY
		fi;
		switches++;
		runs[_pid] = NOBODY;
		if
		:: next < THREADS -> leaves[next] = 1
		:: else -> skip
		fi;
		if
		:: was < THREADS -> leaves[was] = 1
		:: else -> skip
		fi
	   };
#ifdef WORD_BEFORE_RING
	store_word();
	store_ring();
#else
	store_ring();
#ifdef COUNT_BEFORE_WORD
	count[_pid]++;
#endif
	store_word();
#endif
	d_step {
#ifndef COUNT_BEFORE_WORD
		count[_pid]++;
#endif
		if
		:: was < THREADS -> leaves[was] = 0
		:: else -> skip
		fi;
		if
		:: next < THREADS -> leaves[next] = 0
		:: else -> skip
		fi;
		runs[_pid] = next;
		was = next;
		next = 0
	}
	:: atomic { runs[_pid] < THREADS && puts < PUTS && !reply[runs[_pid]] ->
		puts++;
		reply[runs[_pid]] = 1
	   }
	:: break
	od
}

/* --- the NIC --------------------------------------------------------------- */

byte seen[CPUS] = NOBODY;
byte seen_count[CPUS], seen_departed[CPUS];
#ifdef SEQ_ALONE
byte seen_seq[CPUS];
#define HAS_NEWS(cpu) (seq[cpu] != seen_seq[cpu])
#else
#define HAS_NEWS(cpu) (count[cpu] != seen_count[cpu])
#endif
#define SEEN_ON_CPU(thread) (seen[0] == thread || seen[CPUS - 1] == thread)

/* One more change may be under way, which the count does not know yet. */
#define CHANGES(cpu) (count[cpu] + 1 - seen_count[cpu])
#if defined(SEQ_ALONE) || defined(DEPARTED_ALONE)
#define MAY_HAVE_WRAPPED(cpu) false
#else
#define MAY_HAVE_WRAPPED(cpu) (CHANGES(cpu) >= MODULO)
#endif

#define GONE(cpu) ((departed[cpu] + MODULO - seen_departed[cpu]) % MODULO)
#ifdef RING_NOT_READ_AGAIN
#define GONE_BY_NOW(cpu) gone
#else
#define GONE_BY_NOW(cpu) GONE(cpu)
#endif
#ifdef LAST_SLOT_TRUSTED
#define SAFE RING
#else
#define SAFE (RING - 1)
#endif
#ifdef OVERFLOW_IGNORED
#define TOO_MANY(cpu) false
#else
#define TOO_MANY(cpu) (MAY_HAVE_WRAPPED(cpu) || GONE_BY_NOW(cpu) > SAFE)
#endif

inline collect(thread) {
	reply[thread] = 0
}

inline examine_all(cpu) {
#ifdef OVERFLOW_EXAMINES_SEEN
	if
	:: seen[cpu] < THREADS -> collect(seen[cpu])
	:: else -> skip
	fi
#else
	for (n : 0 .. THREADS - 1) {
		REACHED(CAME_AND_LEFT, reply[n] && seen[cpu] != n && !SEEN_ON_CPU(n));
		collect(n)
	}
	n = 0
#endif
}

inline examine_left() {
	for (n : 0 .. RING - 1) {
		if
		:: n < gone && entry[n] < THREADS ->
			REACHED(LEFT_WITH_REPLY, reply[entry[n]]);
			collect(entry[n])
		:: else -> skip
		fi
	}
	n = 0
}

inline look_at(cpu) {
	d_step {
		REACHED(SEQ_WRAPS, count[cpu] - seen_count[cpu] == MODULO);
		new_count = count[cpu]
	};
	d_step {
		new_seen = says[cpu];
		new_departed = departed[cpu];
#ifdef SEQ_ALONE
		seen_seq[cpu] = seq[cpu];
#endif
		gone = GONE(cpu);
		REACHED(WORD_IS_NEWER, new_count % MODULO != seq[cpu])
	};
	d_step {
		for (n : 0 .. RING - 1) {
			entry[n] = ring[cpu * RING + (seen_departed[cpu] + n + 1) % MODULO % RING]
		}
		n = 0
	};
	d_step {
		REACHED(RING_OVERFLOWS, gone > SAFE);
		REACHED(RING_OVERWRITTEN, gone > 0 && gone <= SAFE && GONE(cpu) > SAFE);
		REACHED(DEPARTED_WRAPS, gone == 0 && new_count - seen_count[cpu] > MODULO);
		if
		:: TOO_MANY(cpu) -> examine_all(cpu)
		:: else -> examine_left()
		fi;
		seen[cpu] = new_seen;
		seen_departed[cpu] = new_departed;
		seen_count[cpu] = new_count;
		for (n : 0 .. RING - 1) {
			entry[n] = 0
		}
		n = 0;
		new_seen = 0;
		new_departed = 0;
		new_count = 0;
		gone = 0
	}
}

#define WATCH(cpu)	\
	:: HAS_NEWS(cpu) -> look_at(cpu)	\
	:: d_step { seen[cpu] < THREADS && reply[seen[cpu]] -> collect(seen[cpu]) }

active proctype nic() {
	byte new_seen, new_departed, new_count, gone, n;
	byte entry[RING];

end:
	do
	WATCH(0)
#if CPUS > 1
	WATCH(1)
#endif
	od
}

active proctype rest() {
	timeout;
	MUST(NOTHING_STRANDED, !reply[0] && !reply[1] && !reply[2])
}
