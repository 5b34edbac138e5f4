/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * The bell: how a host tells a NIC that does not look. CHANNELS hosts, each with
 * the `out` lane of its own channel, and one NIC that stops watching channels and
 * falls asleep when it likes.
 *
 *   host  put; light fence; read `watched`: if 0, set the channel's bit in the
 *         bell line (atomic, full fence); read `asleep`: if set, ring.
 *   NIC   before it stops watching a channel: watched = 0, heavy fence, look at
 *         the lane again. Before it sleeps: asleep = 1, heavy fence, look at all
 *         watched lanes and the bell line again. A ring while awake is remembered.
 *
 * Plain stores go through explicit store buffers (TSO), from which they leave at
 * any time; a fence waits until its own CPU's buffer is empty. Two pairs:
 *   LIGHT_HEAVY 1  light: a compiler barrier, nothing here; heavy: membarrier,
 *                  which empties the NIC's buffer and then each host's.
 *   LIGHT_HEAVY 0  both are full fences of their own CPU.
 * Checked: every message is collected, whatever the NIC stopped looking at.
 *
 * Abstracted: the message; the NIC's collect is seen at once (later would only
 * delay the host's next put); how often the NIC leaves is bounded.
 */

#ifndef CHANNELS
#define CHANNELS 2
#endif
#ifndef PUTS
#define PUTS 2 /* of each host */
#endif
#ifndef LIGHT_HEAVY
#define LIGHT_HEAVY 1
#endif
#ifndef STOPS
#define STOPS 2 /* how often the NIC stops watching a channel */
#endif
#ifndef SLEEPS
#define SLEEPS 1 /* how often the NIC falls asleep */
#endif

/* Situations for witness runs. */
#define FOUND_AFTER_STOP 1 /* the look after watched = 0 found a message */
#define FOUND_AFTER_ASLEEP 2 /* the look after asleep = 1 found a message */
#define BELL_AFTER_ASLEEP 3 /* the look after asleep = 1 found a bell bit */
#define RUNG_AWAKE 4 /* a ring came before the sleep, and ended it at once */
#define RUNG_ASLEEP 5 /* a ring ended a sleep */
#define BELL_HEARD 6 /* a bell bit brought an unwatched channel back */
#define PUT_HELD_BACK 7 /* the NIC looked again with a put still in a buffer */

#define LANES CHANNELS
#include "lane.pml"

#define OUT(channel, position) (channel * D + position)
#define TOTAL (CHANNELS * PUTS)
#define HEAD(channel) word[OUT(channel, next[channel])].state

bit watched[CHANNELS] = 1; /* as the hosts see it */
bit asleep;
byte bell; /* one bit per channel */
bit rung; /* the counter behind the ring: it remembers */
bit nic_sleeps; /* ghost */
byte collected;

/* --- store buffers --------------------------------------------------------- */

chan host_buffer[CHANNELS] = [D] of { byte }; /* slots that become FULL */
#define ASLEEP CHANNELS /* address of `asleep`; below: of watched[address] */
chan nic_buffer = [4] of { byte, bit };

active proctype store_buffers() {
	Word seen;
	bool ok;
	byte channel, slot;
	bit value;
end:
	do
	:: atomic { nic_buffer?channel, value ->
		if
		:: channel == ASLEEP -> asleep = value
		:: else -> watched[channel] = value
		fi
	   }
	:: atomic { host_buffer[0]?slot -> look(slot, seen); edge_put(word[slot], seen, ok) }
#if CHANNELS > 1
	:: atomic { host_buffer[1]?slot -> look(slot, seen); edge_put(word[slot], seen, ok) }
#endif
#if CHANNELS > 2
	:: atomic { host_buffer[2]?slot -> look(slot, seen); edge_put(word[slot], seen, ok) }
#endif
	od
}

#define HOST_FENCE(channel) empty(host_buffer[channel])
#define NIC_FENCE empty(nic_buffer)

inline heavy_fence() {
	NIC_FENCE;
#if LIGHT_HEAVY
#ifndef HEAVY_IS_LOCAL
	empty(host_buffer[0]);
#if CHANNELS > 1
	empty(host_buffer[1]);
#endif
#if CHANNELS > 2
	empty(host_buffer[2]);
#endif
#endif
#endif
	skip
}

/* --- hosts ----------------------------------------------------------------- */

inline set_bell_bit(channel) {
	HOST_FENCE(channel);
#ifdef BELL_NOT_ATOMIC
	old = bell;
	bell = old | (1 << channel)
#else
	bell = bell | (1 << channel)
#endif
}

active [CHANNELS] proctype host() {
	byte puts, position;
	bit sees_watched, sees_asleep;
#ifdef BELL_NOT_ATOMIC
	byte old;
#endif
#define SELF (_pid - 1) /* process 0 is store_buffers */

	do
	:: puts == PUTS -> break
	:: puts < PUTS ->
		word[OUT(SELF, position)].state == FREE &&
		!(host_buffer[SELF]??[eval(OUT(SELF, position))]);
#ifdef WATCHED_READ_BEFORE_PUT
		sees_watched = watched[SELF];
#endif
		host_buffer[SELF]!OUT(SELF, position); /* put */
#if !LIGHT_HEAVY && !defined(HOST_FENCE_MISSING)
		HOST_FENCE(SELF);
#endif
#ifndef WATCHED_READ_BEFORE_PUT
		sees_watched = watched[SELF];
#endif
#ifdef ASLEEP_READ_BEFORE_BELL
		sees_asleep = asleep;
#endif
		if
		:: !sees_watched -> set_bell_bit(SELF)
		:: else -> skip
		fi;
#ifndef ASLEEP_READ_BEFORE_BELL
		sees_asleep = asleep;
#endif
#ifdef WATCHED_DOES_NOT_RING
		sees_asleep = sees_asleep && !sees_watched;
#endif
		if
		:: sees_asleep ->
#ifdef RING_WHILE_AWAKE_LOST
			rung = rung || nic_sleeps
#else
			rung = 1
#endif
		:: else -> skip
		fi;
		puts++;
		position = NEXT(position)
	od
}

/* --- the NIC --------------------------------------------------------------- */

#define ANY_PUT_BUFFERED (len(host_buffer[0]) + len(host_buffer[CHANNELS - 1]) > 0)

/* Stops watching a channel, unless it has a message after all. */
inline stop_watching(channel) {
	stops++;
#ifdef NIC_READS_BEFORE_STOP
	found = (HEAD(channel) == FULL);
#endif
	nic_buffer!channel, 0;
#ifndef NIC_STOP_FENCE_MISSING
	heavy_fence();
#endif
#ifdef NO_LOOK_AFTER_STOP
	found = false;
#else
#ifndef NIC_READS_BEFORE_STOP
	found = (HEAD(channel) == FULL);
#endif
#endif
	REACHED(FOUND_AFTER_STOP, found);
	REACHED(PUT_HELD_BACK, ANY_PUT_BUFFERED);
	if
	:: found -> nic_buffer!channel, 1
	:: else -> looks_at[channel] = false
	fi
}

inline fall_asleep() {
	sleeps++;
	nic_buffer!ASLEEP, 1;
#ifndef NIC_SLEEP_FENCE_MISSING
	heavy_fence();
#endif
	found = false;
#ifndef NO_LOOK_AFTER_ASLEEP
	for (channel : 0 .. CHANNELS - 1) {
		found = found || looks_at[channel] && HEAD(channel) == FULL
	}
	REACHED(FOUND_AFTER_ASLEEP, found);
#endif
#ifndef NO_BELL_AFTER_ASLEEP
	REACHED(BELL_AFTER_ASLEEP, bell != 0);
	found = found || bell != 0;
#endif
	channel = 0;
	if
	:: found -> skip
	:: else ->
		REACHED(RUNG_AWAKE, rung);
		nic_sleeps = 1;
		if
		:: rung -> REACHED(RUNG_ASLEEP, true)
		:: collected == TOTAL -> skip
		fi;
		d_step { rung = 0; nic_sleeps = 0 }
	fi;
	nic_buffer!ASLEEP, 0
}

/* Collects from one channel, hears its bell bit, or stops watching it. */
#define TEND(channel)	\
	:: looks_at[channel] && HEAD(channel) == FULL -> collect_from(channel)	\
	:: bell & (1 << channel) -> hear(channel)	\
	:: looks_at[channel] && stops < STOPS -> stop_watching(channel)

inline collect_from(channel) {
	d_step {
		seen.state = FULL;
		seen.tag = word[OUT(channel, next[channel])].tag;
		edge_collect(word[OUT(channel, next[channel])], seen, ok);
		next[channel] = NEXT(next[channel]);
		collected++
	}
}

inline hear(channel) {
	NIC_FENCE; /* an atomic operation empties the buffer */
#ifdef BELL_NOT_ATOMIC
	heard = bell;
	bell = heard & ~(1 << channel);
#else
	bell = bell & ~(1 << channel);
#endif
	REACHED(BELL_HEARD, !looks_at[channel]);
	looks_at[channel] = true;
	nic_buffer!channel, 1
}

active proctype nic() {
	Word seen;
	bool ok, found;
	byte channel, stops, sleeps;
#ifdef BELL_NOT_ATOMIC
	byte heard;
#endif
	byte next[CHANNELS]; /* its positions */
	bit looks_at[CHANNELS] = 1; /* its own knowledge of `watched` */

	do
	:: collected == TOTAL -> break
	:: sleeps < SLEEPS -> fall_asleep()
	TEND(0)
#if CHANNELS > 1
	TEND(1)
#endif
#if CHANNELS > 2
	TEND(2)
#endif
	od
}
