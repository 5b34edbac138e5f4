/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * message.h - the message: what a slot carries
 *
 * A message is its header, then @length bytes of payload: the first
 * LH_INLINE_SIZE in the slot's line, the next in the slot's overflow block. With
 * LH_FLAG_BULK the inline payload is one struct lh_bulk instead, and the bytes
 * lie in the process's arena.
 *
 * Ordering: the giver writes the message first and the word last (release). The
 * taker reads the word first (acquire), takes the slot, and only then reads the
 * message, once: what it checked is what it uses. Below, "slot" stands for this.
 */
#ifndef LH_HOST_MESSAGE_H
#define LH_HOST_MESSAGE_H

#include "types.h"

struct lh_message {
	__u64 word; /* w: both; r: both; o: atomic; state 4 and tag 60 bits */
	__u64 call; /* w: giver; r: taker; o: slot; handle of the call */
	__u64 code; /* w: giver; r: taker; o: slot; see the kinds below */
	__u64 data; /* w: giver; r: taker; o: slot; see the kinds below */
	__u64 deadline; /* w: giver; r: taker; o: slot; device ns, 0 none */
	__u32 length; /* w: giver; r: taker; o: slot; bytes of payload */
	__u8 kind; /* w: giver; r: taker; o: slot; enum lh_kind */
	__u8 flags; /* w: giver; r: taker; o: slot; LH_FLAG_* */
	__u16 aux; /* w: giver; r: taker; o: slot; see the kinds below */
};

LH_SIZE(lh_message, 48);
LH_FIELD(lh_message, word, 0);
LH_FIELD(lh_message, call, 8);
LH_FIELD(lh_message, code, 16);
LH_FIELD(lh_message, data, 24);
LH_FIELD(lh_message, deadline, 32);
LH_FIELD(lh_message, length, 40);
LH_FIELD(lh_message, kind, 44);
LH_FIELD(lh_message, flags, 45);
LH_FIELD(lh_message, aux, 46);

#define LH_INLINE_SIZE 80

struct lh_line {
	struct lh_message header; /* w: giver; r: taker; o: slot */
	__u8 payload[LH_INLINE_SIZE]; /* w: giver; r: taker; o: slot */
};

LH_SIZE(lh_line, LH_LINE_SIZE);
LH_FIELD(lh_line, header, 0);
LH_FIELD(lh_line, payload, 48);

/* Where a large payload lies, relative to the process's arena. */
struct lh_bulk {
	__u64 offset; /* w: giver; r: taker; o: slot; bytes into the arena */
	__u32 length; /* w: giver; r: taker; o: slot; bytes */
	__u32 reserved; /* w: giver; r: taker; o: slot; zero */
};

LH_SIZE(lh_bulk, 16);
LH_FIELD(lh_bulk, offset, 0);
LH_FIELD(lh_bulk, length, 8);
LH_FIELD(lh_bulk, reserved, 12);

/*
 * Kinds. One number has one meaning in all channels; the comment says on which
 * channel it may appear and in which direction. "index" is the place in the
 * process's method table.
 */
enum lh_kind {
	/* Never valid: what a zeroed line holds. */
	LH_KIND_NONE = 0,
	/*
	 * serve, to the host: run a handler. code, data: as registered with the
	 * method; aux: index; deadline; payload: the request. It may come
	 * while the thread still has another: it is staged, and runs next.
	 * call, to the NIC: send a request. code: method id; data: handle of
	 * the peer; aux: endpoint whose `call` channel gets the answers, plus
	 * one, or 0 for this one; deadline; payload: the request.
	 */
	LH_KIND_CALL = 1,
	/*
	 * serve, to the NIC, and call, to the host: the end of a call. code:
	 * status, 0 to 16; payload: the reply, or the status text (UTF-8).
	 */
	LH_KIND_REPLY = 2,
	/*
	 * serve, to the host: give this core back. Only into an empty lane of
	 * a thread that waits; nothing follows it before the next EMPTY.
	 */
	LH_KIND_RETIRE = 3,
	/* serve, to the NIC: no reply, but room; aux: how many calls. */
	LH_KIND_EMPTY = 4,
	/* serve, to the NIC: the handler of `call` waits for another call. */
	LH_KIND_LEAVE = 5,
	/* serve, to the NIC: it waits no more. */
	LH_KIND_ENTER = 6,
	/* call, both ways: a message of a stream. */
	LH_KIND_DATA = 7,
	/* call, to the NIC: aux messages of a stream may come here. */
	LH_KIND_RECV = 8,
	/* call, to the host: data more bytes may be put on this stream. */
	LH_KIND_CREDIT = 9,
	/*
	 * call, both ways: the call is no longer wanted. To the NIC on any
	 * channel of the process: one of its own calls, also before its CALL
	 * has been collected from another channel; or one that it serves, whose
	 * caller gets CANCELLED.
	 */
	LH_KIND_CANCEL = 10,
	/* call, to the host: the CALL was not accepted; put it again later. */
	LH_KIND_BUSY = 11,
	/* call, to the NIC: code: enum lh_command; payload: its struct. */
	LH_KIND_CONTROL = 12,
	/*
	 * call, to the host: the end of a CONTROL with the same `call`.
	 * code: status, 0 to 16; payload: result struct, or the error text.
	 */
	LH_KIND_RESULT = 13,
	/* kernel channel, to the kernel: see cpu.h. */
	LH_KIND_RUN = 14,
	LH_KIND_PREEMPT = 15,
	/* kernel channel, to the NIC: code: enum lh_kernel_answer. */
	LH_KIND_ANSWER = 16,
	/*
	 * call, to the NIC: `call`, whose CALL follows on this channel, is made
	 * for data, a call that this process serves: if that ends early, so
	 * does this, with CANCELLED.
	 */
	LH_KIND_LINK = 17,
	/*
	 * serve and call, to the host: the last message, of a channel that the
	 * NIC does not serve any more. code: LH_QUARANTINE_*. Not if the lane
	 * has no room: who waits looks at struct lh_channel_state, too.
	 */
	LH_KIND_QUARANTINED = 18,
	/* 32 to 47: requests and replies decoded to views, not used yet. */
	LH_KIND_DECODED_FIRST = 32,
	LH_KIND_DECODED_LAST = 47
};

#define LH_FLAG_NOWAIT 0x01 /* answer the next `get` at once */
#define LH_FLAG_LAST 0x02 /* no more DATA of this direction follows */
#define LH_FLAG_BULK 0x04 /* the payload is a struct lh_bulk */
#define LH_FLAG_META 0x08 /* CALL, REPLY: u32 size, metadata, then the bytes */
#define LH_FLAG_WAIT_FOR_READY 0x10 /* CALL: wait until the peer is there */
#define LH_FLAG_GROW 0x20 /* CALL to the host: no thread waits for the next */
#define LH_FLAGS 0x3f /* any other is refused */

#endif /* LH_HOST_MESSAGE_H */
