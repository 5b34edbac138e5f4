/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * local.h - what two NICs on one host say to each other instead of packets
 *
 * They say the same packets (packet.h), but through memory: a link, two lanes of
 * the channel's primitive (../host/channel.h), one each way. Nothing else of the
 * protocol changes: who has a link to an address sends there what it would have
 * sent by UDP, and a packet that finds no room goes by UDP all the same.
 *
 * The door. Whoever opens a session with an address of its own host asks there, by
 * UDP, for a door: LOCAL, with a random number in `ack_bits`. The answer, DOOR,
 * brings that number back and says the name of a Unix socket: 16 random bytes, so
 * that nobody else can have taken it, and only the owner of the UDP port can have
 * said it. Packets with other lengths than struct lh_door, and LOCAL from another
 * host, are not answered.
 *
 * The knock. The client connects to the socket, sequenced packets at the abstract
 * address LH_DOOR_PREFIX and 32 hexadecimal digits, and sends one struct lh_knock
 * with one descriptor: the memory of the link, LH_LINK_SIZE bytes, zeroed, and
 * sealed against shrinking, growing, and other seals; or with three, the second and
 * the third being what the server and the client may sleep at: eventfds that do not
 * block. `from`, `time` and `cookie` are those of the DOOR: so the client proves
 * that packets to that address reach it, as the cookie of a session does. The
 * server answers one struct lh_knocked with status 0, or hangs up.
 *
 * Afterwards each message in the socket, one byte, is a bell, and its end is the
 * end of the peer: it is gone, and with it its sessions.
 *
 * Sockets that have names. A server may listen at a socket that its user named
 * instead, a path or a name of the abstract namespace. Then there is no door and
 * no UDP. The client knocks with `from`, `to`, `time` and `cookie` all zero, is
 * not answered, and uses its link at once. A packet that finds no room there goes
 * through the socket, as a message, without a checksum.
 *
 * Bells. A taker that does not look at its lane says so in `asleep`, then looks
 * once more; a giver that put something looks at `asleep`, and whoever turns it
 * to 0 rings: by the taker's eventfd if it said LH_LINK_ASLEEP_AT_EVENT and there
 * is one, else by the socket, which the taker hears in any case. Both have a full
 * fence between their store and their load, as bell.h explains.
 *
 * Trust: the peer may write anything to all of this at any time. Words other than
 * FREE and FULL mean nothing; a length that cannot be ends the link. A peer
 * of another user may change a packet while it is read: it is copied first. It
 * could also make an eventfd block, or bring something else: none is used then.
 */
#ifndef LH_WIRE_LOCAL_H
#define LH_WIRE_LOCAL_H

#include "../host/control.h"
#include "../host/message.h"
#include "packet.h"

#define LH_DOOR_PREFIX "lauberhorn/"

/* The payload of LOCAL, all zero, and of DOOR. */
struct lh_door {
	__u8 name[16]; /* w: server; r: client; o: none; of the socket */
	struct lh_address from; /* w: server; r: client; o: none; see above */
	__u64 time; /* w: server; r: client; o: none; part of the cookie */
	__u64 cookie; /* w: server; r: client; o: none */
};

LH_SIZE(lh_door, 56);
LH_FIELD(lh_door, name, 0);
LH_FIELD(lh_door, from, 16);
LH_FIELD(lh_door, time, 40);
LH_FIELD(lh_door, cookie, 48);

#define LH_LINK_VERSION 2

/* What the client sends with the memory. */
struct lh_knock {
	__u32 version; /* w: client; r: server; o: none; LH_LINK_VERSION */
	__u32 size; /* w: client; r: server; o: none; LH_LINK_SIZE */
	struct lh_address from; /* w: client; r: server; o: none; of DOOR */
	struct lh_address to; /* w: client; r: server; o: none; see above */
	__u64 time; /* w: client; r: server; o: none; of DOOR */
	__u64 cookie; /* w: client; r: server; o: none; of DOOR */
};

LH_SIZE(lh_knock, 72);
LH_FIELD(lh_knock, version, 0);
LH_FIELD(lh_knock, size, 4);
LH_FIELD(lh_knock, from, 8);
LH_FIELD(lh_knock, to, 32);
LH_FIELD(lh_knock, time, 56);
LH_FIELD(lh_knock, cookie, 64);

/* What the server answers. */
struct lh_knocked {
	__u32 version; /* w: server; r: client; o: none; LH_LINK_VERSION */
	__u32 status; /* w: server; r: client; o: none; 0 */
};

LH_SIZE(lh_knocked, 8);
LH_FIELD(lh_knocked, version, 0);
LH_FIELD(lh_knocked, status, 4);

/*
 * The memory: what the takers say, then the lane to the server, then the lane to
 * the client. A slot is a struct lh_message, of which only `word` and `length` are
 * used, and the packet right behind it. What does not fit there goes on in the next
 * slots; the `length` of each is what is left of the packet, its own part
 * included. The slots of a packet are filled from its last to its first: who finds
 * the first finds all. There are as many slots as leave 16 KiB of the memory
 * untouched: a NIC keeps a session with its peer besides, within 64 KiB for both.
 */
#define LH_LINK_SLOTS 95
#define LH_LINK_STRIDE 256 /* bytes from slot to slot */
#define LH_LINK_PART 208 /* bytes of a packet in one slot */

#define LH_LINK_AWAKE 0
#define LH_LINK_ASLEEP 1 /* ring by the socket */
#define LH_LINK_ASLEEP_AT_EVENT 2 /* ring by the eventfd, or by the socket */

struct lh_link_taker {
	__u64 asleep; /* w: both; r: both; o: fences of bell.h; LH_LINK_A... */
	__u64 reserved[15]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_link_taker, 128);
LH_FIELD(lh_link_taker, asleep, 0);
LH_FIELD(lh_link_taker, reserved, 8);

#define LH_LINK_TO_SERVER 0 /* number of the lane, and of its taker */
#define LH_LINK_TO_CLIENT 1
#define LH_LINK_TAKER(number) ((number) * sizeof(struct lh_link_taker))
#define LH_LINK_LANE(number) \
	(LH_LINK_TAKER(2) + (number)*LH_LINK_SLOTS * LH_LINK_STRIDE)
#define LH_LINK_SIZE \
	65536 /* bytes: whole pages, wherever they are 4 to 64 KiB */

#endif /* LH_WIRE_LOCAL_H */
