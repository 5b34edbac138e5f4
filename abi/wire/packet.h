/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * packet.h - what peers say to each other: the packet header
 *
 * Every UDP datagram is one packet: this header, @meta_length bytes of metadata,
 * @payload_length bytes of payload. Little-endian. The checksum covers all of it,
 * with @checksum taken as zero. A packet that is malformed in any way is counted
 * and dropped; only one with a good checksum and an unknown token is answered
 * (LH_PACKET_RESET).
 *
 * Sessions. HELLO and COOKIE make no state at the server: the cookie is a keyed
 * hash of the client's address, incarnation and the time. OPEN returns it, ACCEPT
 * gives the session's token and its first slots. A server that has no room for a
 * session answers OPEN with REFUSE. All five have the same size, so nobody is
 * amplified.
 *
 * A changed address. A token that comes from another address than before is not
 * believed: the packet is dropped, and CHALLENGE goes to where it came from, a
 * header alone, which is no larger than any packet. `method` is a keyed hash of
 * the token, the address and the time, `ack_bits` the time; the server keeps
 * nothing. Who returns both in RESPONSE receives what is sent there, and the
 * session goes on from there. That keeps out who can only send. Who reads the
 * session's packets can take it over: there is no encryption.
 *
 * Calls. A session has numbered slots, one call each. `sequence` numbers the
 * calls of a slot: a higher one ends the lower, an equal one is a duplicate and
 * never run again, a lower one is old and dropped. A reply is kept until the
 * client acknowledged it or used the slot again.
 *
 * Cancellation. CANCEL is sent until a REPLY of its slot and sequence comes, or
 * the slot is used again. The server ends the call, whether it runs, was answered,
 * or has not come yet: from then on what comes of it is answered with a REPLY,
 * CANCELLED and empty, and it never runs.
 *
 * Ends. CLOSE ends a session and its calls; nobody answers it. A server says in
 * `status` why: UNAVAILABLE, it shuts down; RESOURCE_EXHAUSTED, it needed the
 * place of a session without calls for another client.
 *
 * Load. A server that has no place for a call answers BUSY: the call never began,
 * and the client sends it again, under the same slot and sequence, later. A
 * refusal by a limit that somebody has set is a REPLY. Every packet of a server
 * says how full it is; a client may send fewer calls at a time then, but must not
 * rely on it.
 *
 * Names. A method is named by an id in every call, and in full where the ends
 * must agree on what the id means: the calls of a method in a session carry its
 * name (LH_PACKET_FLAG_NAME) until one that did was ACCEPTED or got a REPLY with
 * another status than UNIMPLEMENTED. The server compares the name with its own
 * before it does anything else with the call. A name that does not fit into the
 * packet beside what else it carries is left out, and confirms nothing.
 *
 * Metadata. First the name, if the flag says so: one byte, how long it is, 1 to
 * 255, and its bytes; then what the caller gave (LH_PACKET_FLAG_META), at least
 * one byte. There is nothing else.
 *
 * Messages. A call is two sequences of messages, one per direction, numbered by
 * `message`; each has `message_length` bytes, sent in fragments at `offset`. A
 * unary call is message 0 each way; one packet holds it if offset is 0 and
 * payload_length is message_length. `ack` and `ack_bits` acknowledge what came in
 * the other direction, `credit` says how many more bytes of it may be sent.
 *
 * Ordering and ownership: a packet is copied from and to the wire; nothing is
 * shared with the peer. w: and r: name the end that fills or uses a field.
 */
#ifndef LH_WIRE_PACKET_H
#define LH_WIRE_PACKET_H

#include "../host/types.h"

#define LH_PACKET_MAGIC 0x484c /* "LH" */
#define LH_PACKET_VERSION 1
#define LH_PACKET_MAX 1472 /* bytes of a packet: a 1,500-byte IPv4 MTU */

struct lh_packet {
	__u16 magic; /* w: both; r: both; o: none; LH_PACKET_MAGIC */
	__u8 version; /* w: both; r: both; o: none; LH_PACKET_VERSION */
	__u8 type; /* w: both; r: both; o: none; enum lh_packet_type */
	__u32 checksum; /* w: both; r: both; o: none; CRC32C */
	__u64 token; /* w: both; r: both; o: none; session, 0 before it is open */
	__u16 slot; /* w: both; r: both; o: none; of the session */
	__u16 flags; /* w: both; r: both; o: none; LH_PACKET_FLAG_* */
	__u32 sequence; /* w: both; r: both; o: none; of the call; never 0, wraps */
	__u64 method; /* w: both; r: both; o: none; id; RESET, CHALLENGE: see there */
	__u32 remaining_us; /* w: client; r: server; o: none; 0: no deadline */
	__u32 sent_us; /* w: both; r: peer; o: none; sender's clock, wraps */
	__u32 echo_us; /* w: both; r: both; o: none; sent_us being answered */
	__u32 message; /* w: both; r: both; o: none; number in its direction */
	__u32 message_length; /* w: both; r: both; o: none; bytes, whole */
	__u32 offset; /* w: both; r: both; o: none; of this fragment */
	__u32 credit; /* w: both; r: both; o: none; KiB granted, cumulative */
	__u32 ack; /* w: both; r: both; o: none; messages below came whole */
	__u64 ack_bits; /* w: both; r: both; o: none; fragments of `ack`, or time */
	__u16 meta_length; /* w: both; r: both; o: none; bytes */
	__u16 payload_length; /* w: both; r: both; o: none; bytes */
	__u8 status; /* w: server; r: client; o: none; 0 to 16 */
	__u8 load; /* w: server; r: client; o: none; 0 idle, 255 full */
	__u16 slots; /* w: server; r: client; o: none; granted, from 0 on */
};

LH_SIZE(lh_packet, 80);
LH_FIELD(lh_packet, magic, 0);
LH_FIELD(lh_packet, version, 2);
LH_FIELD(lh_packet, type, 3);
LH_FIELD(lh_packet, checksum, 4);
LH_FIELD(lh_packet, token, 8);
LH_FIELD(lh_packet, slot, 16);
LH_FIELD(lh_packet, flags, 18);
LH_FIELD(lh_packet, sequence, 20);
LH_FIELD(lh_packet, method, 24);
LH_FIELD(lh_packet, remaining_us, 32);
LH_FIELD(lh_packet, sent_us, 36);
LH_FIELD(lh_packet, echo_us, 40);
LH_FIELD(lh_packet, message, 44);
LH_FIELD(lh_packet, message_length, 48);
LH_FIELD(lh_packet, offset, 52);
LH_FIELD(lh_packet, credit, 56);
LH_FIELD(lh_packet, ack, 60);
LH_FIELD(lh_packet, ack_bits, 64);
LH_FIELD(lh_packet, meta_length, 72);
LH_FIELD(lh_packet, payload_length, 74);
LH_FIELD(lh_packet, status, 76);
LH_FIELD(lh_packet, load, 77);
LH_FIELD(lh_packet, slots, 78);

enum lh_packet_type {
	LH_PACKET_HELLO = 1, /* client: struct lh_open, no cookie */
	LH_PACKET_COOKIE = 2, /* server: struct lh_open with the cookie */
	LH_PACKET_OPEN = 3, /* client: struct lh_open with the cookie */
	LH_PACKET_ACCEPT = 4, /* server: struct lh_open with the token */
	LH_PACKET_CALL = 5, /* client: message 0 of a call */
	LH_PACKET_REPLY = 6, /* server: last message, and status, of a call */
	LH_PACKET_ACCEPTED = 7, /* server: a duplicate of a call that runs */
	LH_PACKET_PROBE = 8, /* client: does this call still run? */
	LH_PACKET_BUSY = 9, /* server: not accepted, and never ran */
	LH_PACKET_ACK = 10, /* both: ack and credit only */
	LH_PACKET_RESET = 11, /* server: no such token; method: incarnation */
	LH_PACKET_CANCEL = 12, /* client: the call is no longer wanted */
	LH_PACKET_DATA = 13, /* both: further messages and fragments */
	LH_PACKET_CHALLENGE = 14, /* server: is this still you? header only */
	LH_PACKET_RESPONSE = 15, /* client: the challenge, echoed */
	LH_PACKET_CLOSE = 16, /* both: the session ends; from a server: why */
	LH_PACKET_REFUSE = 17, /* server: no session is free; struct lh_open */
	LH_PACKET_LOCAL = 18, /* client: is there a door? see local.h */
	LH_PACKET_DOOR = 19 /* server: there is; see local.h */
};

#define LH_PACKET_TYPES 20

#define LH_PACKET_FLAG_LAST 0x1 /* last message of its direction */
#define LH_PACKET_FLAG_NAME 0x2 /* metadata begins with the method's name */
#define LH_PACKET_FLAG_META 0x4 /* metadata holds the caller's, after it */
#define LH_PACKET_FLAGS 0x7 /* a packet with any other is malformed */

/* The payload of the packets that open a session. */
struct lh_open {
	__u64 client; /* w: client; r: server; o: none; incarnation */
	__u64 server; /* w: server; r: client; o: none; incarnation */
	__u64 cookie; /* w: server; r: client; o: none */
	__u64 cookie_time; /* w: server; r: client; o: none; part of cookie */
	__u64 number; /* w: client; r: server; o: none; of the session */
	__u64 token; /* w: server; r: client; o: none; ACCEPT, else 0 */
};

LH_SIZE(lh_open, 48);
LH_FIELD(lh_open, client, 0);
LH_FIELD(lh_open, server, 8);
LH_FIELD(lh_open, cookie, 16);
LH_FIELD(lh_open, cookie_time, 24);
LH_FIELD(lh_open, number, 32);
LH_FIELD(lh_open, token, 40);

/*
 * A method's id: FNV-1a, 64 bits, over the bytes of its full name,
 * "/package.Service/Method".
 */
#define LH_METHOD_ID_BASIS 0xcbf29ce484222325ULL
#define LH_METHOD_ID_PRIME 0x100000001b3ULL

#endif /* LH_WIRE_PACKET_H */
